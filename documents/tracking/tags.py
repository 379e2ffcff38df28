"""Queries about tags: how many tasks and entries have each tag, and which tasks and pages have one."""

from collections import Counter
from collections.abc import Collection

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.paged_rows import listed_pages_stages, read_unchanged
from documents.tracking.tasks import ALL_ENTRIES, Task

_COUNT_BY_TASK_TAG: list[Row] = [
    {"$project": {"tags": 1}},
    {"$unwind": "$tags"},
    {"$group": {"_id": "$tags", "count": {"$sum": 1}}},
]
_PAGED_TASKS: list[Row] = [
    {"$match": {"pages.0": {"$exists": True}}},
    {"$project": {"user_id": 1, "version": 1, "pages": 1}},
]


async def count_tasks_by_tag(user_id: ObjectId, *, after: str | None, limit: int) -> dict[str, int]:
    """Return the number of live tasks by tag, for at most `limit` tags in order of name that follow `after`."""
    live: Row = {"$match": {"user_id": user_id, "deleted_at": None}}
    return _counts(await Task.aggregate_rows([live, *_COUNT_BY_TASK_TAG, *_first_tags(after, limit)]))


async def count_entries_by_tag(user_id: ObjectId, *, after: str | None, limit: int) -> dict[str, int]:
    """Return the number of entries of live tasks by tag, hot and paged, and the running one.

    The result has the first `limit` tags in order of name that follow `after`, and perhaps some later ones, whose
    numbers are too low.
    """
    live: Row = {"$match": {"user_id": user_id, "deleted_at": None}}
    hot = [*_count_by_entry_tag(ALL_ENTRIES), *_first_tags(after, limit)]
    paged = [*_count_by_entry_tag("$entries"), *_first_tags(after, limit)]

    async def read() -> tuple[Counter[str], list[Row]]:
        (result,) = await Task.aggregate_rows([live, {"$facet": {"counts": hot, "tasks": _PAGED_TASKS}}])
        counts = Counter(_counts(result["counts"]))
        for by_id in listed_pages_stages(user_id, result["tasks"]):
            counts.update(_counts(await TaskPage.aggregate_rows([by_id, *paged])))
        return counts, result["tasks"]

    return await read_unchanged(read)


async def find_task_ids_with_tag(user_id: ObjectId, spellings: Collection[str]) -> list[ObjectId]:
    """Return the ids of the user's tasks that have the tag, or have a hot entry with it. The trash is included."""
    tag = {"$in": [*spellings]}
    anywhere: list[Row] = [{"tags": tag}, {"active.tags": tag}, {"time_entries": {"$elemMatch": {"tags": tag}}}]
    # Two stages: portable form, decision 10.
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": {"$or": anywhere}}, {"$project": {"_id": 1}}]
    return [task["_id"] for task in await Task.aggregate_rows(stages)]


async def find_pages_with_tag(user_id: ObjectId, spellings: Collection[str]) -> list[Row]:
    """Return the _id and task_id of the listed pages with an entry that has the tag. The trash is included."""
    tasks = await Task.aggregate_rows([{"$match": {"user_id": user_id}}, *_PAGED_TASKS])
    has_tag: Row = {"$match": {"entries": {"$elemMatch": {"tags": {"$in": [*spellings]}}}}}
    pages: list[Row] = []
    for by_id in listed_pages_stages(user_id, tasks):
        pages += await TaskPage.aggregate_rows([by_id, has_tag, {"$project": {"task_id": 1}}])
    return pages


def _count_by_entry_tag(entries: Row | str) -> list[Row]:
    """Return the stages that count these entries of a document by tag."""
    return [
        {"$project": {"entry": {"$map": {"input": entries, "in": {"tags": "$$this.tags"}}}}},
        {"$unwind": "$entry"},
        {"$unwind": "$entry.tags"},
        {"$group": {"_id": "$entry.tags", "count": {"$sum": 1}}},
    ]


def _first_tags(after: str | None, limit: int) -> list[Row]:
    following: list[Row] = [] if after is None else [{"$match": {"_id": {"$gt": after}}}]
    return [*following, {"$sort": {"_id": 1}}, {"$limit": limit}]


def _counts(rows: list[Row]) -> dict[str, int]:
    return {row["_id"]: row["count"] for row in rows}
