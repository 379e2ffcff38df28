"""Counting the entries that a request is going to change, hot and paged."""

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.paged_rows import listed_pages_stages
from documents.tracking.queries.sort_keys import aggregate_in_windows
from documents.tracking.tasks import ALL_ENTRIES, Task


async def count_entries_with_other_rate(user_id: ObjectId, project_id: ObjectId, rate: Row | None) -> int:
    """Return the number of ended billable entries in the tasks of a project, the trash included, with another rate."""
    amount, currency = (None, None) if rate is None else (rate["amount"], rate["currency"])
    differs = [
        {"$ne": [{"$ifNull": [f"$$this.hourly_rate.{name}", None]}, {"$literal": value}]}
        for name, value in (("amount", amount), ("currency", currency))
    ]
    matches: Row = {"$and": ["$$this.billable", {"$or": differs}]}
    in_project: Row = {"$match": {"user_id": user_id, "project_id": project_id}}
    tasks = await Task.aggregate_rows([in_project, _count("$time_entries", matches, pages="$pages")])
    return _total(tasks) + await _count_in_pages(user_id, tasks, matches)


async def count_uses_of_tag(user_id: ObjectId, spellings: frozenset[str]) -> tuple[int, int]:
    """Return the number of tasks, the trash included, and of entries, the running one included, with the tag."""
    matches: Row = {"$or": [{"$in": [{"$literal": tag}, "$$this.tags"]} for tag in sorted(spellings)]}
    is_own: Row = {"$or": [{"$in": [{"$literal": tag}, "$tags"]} for tag in sorted(spellings)]}
    tasks = await aggregate_in_windows(user_id, [_count(ALL_ENTRIES, matches, pages="$pages", is_own=is_own)])
    entries = _total(tasks) + await _count_in_pages(user_id, tasks, matches)
    return sum(task["is_own"] for task in tasks), entries


def _count(entries: Row | str, matches: Row, **fields: Row | str) -> Row:
    """Return the stage that counts the entries that match."""
    return {"$project": {**fields, "entries": {"$size": {"$filter": {"input": entries, "cond": matches}}}}}


async def _count_in_pages(user_id: ObjectId, tasks: list[Row], matches: Row) -> int:
    count = 0
    for by_id in listed_pages_stages(user_id, tasks):
        count += _total(await TaskPage.aggregate_rows([by_id, _count("$entries", matches)]))
    return count


def _total(rows: list[Row]) -> int:
    return sum(row["entries"] for row in rows)
