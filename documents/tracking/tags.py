"""Queries about tags: how many tasks and entries have each tag, and which tasks and pages have one."""

from collections import Counter
from collections.abc import Collection

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.paged_rows import listed_pages_stages, read_unchanged
from documents.tracking.queries.sort_keys import find_creation_windows
from documents.tracking.tasks import HAS_ACTIVE, Task

_PAGED_TASKS: list[Row] = [
    {"$match": {"pages.0": {"$exists": True}}},
    {"$project": {"user_id": 1, "version": 1, "pages": 1}},
]


def _count_entries(array: str) -> list[Row]:
    """Return the stages that count the entries of an array by their list of tags."""
    return [{"$unwind": array}, {"$group": {"_id": f"{array}.tags", "count": {"$sum": 1}}}]


_COUNTS: Row = {
    "tasks": [{"$group": {"_id": "$tags", "count": {"$sum": 1}}}],
    "entries": _count_entries("$time_entries"),
    "running": [{"$match": HAS_ACTIVE}, {"$group": {"_id": "$active.tags", "count": {"$sum": 1}}}],
    "paged": _PAGED_TASKS,
}
"""Pipelines that count tasks and entries by their list of tags."""


async def count_by_tag(user_id: ObjectId) -> tuple[Counter[str], Counter[str]]:
    """Return the number of live tasks by tag, and that of their entries, hot and paged, and the running one.

    Tasks are read in windows, and pages in batches (portable form: decision 10).
    """

    async def read() -> tuple[tuple[Counter[str], Counter[str]], list[Row]]:
        tasks: Counter[str] = Counter()
        entries: Counter[str] = Counter()
        paged: list[Row] = []
        for created in await find_creation_windows(user_id):
            stages: list[Row] = [{"$match": {"user_id": user_id, **created}}, {"$match": {"deleted_at": None}}]
            (window,) = await Task.aggregate_rows([*stages, {"$facet": _COUNTS}])
            _add(tasks, window["tasks"])
            _add(entries, window["entries"] + window["running"])
            paged += window["paged"]
        for by_id in listed_pages_stages(user_id, paged):
            _add(entries, await TaskPage.aggregate_rows([by_id, *_count_entries("$entries")]))
        return (tasks, entries), paged

    return await read_unchanged(read)


def _add(counter: Counter[str], rows: list[Row]) -> None:
    """Add the counts of lists of tags to those of their tags."""
    for row in rows:
        for tag in row["_id"]:
            counter[tag] += row["count"]


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
