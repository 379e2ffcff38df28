"""Queries about tags: how many tasks and entries have each tag, and which tasks and pages have one."""

from collections import Counter
from collections.abc import Collection
from itertools import chain
from typing import Any

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.paged_rows import listed_pages_stages, read_unchanged
from documents.tracking.queries.sort_keys import find_creation_windows
from documents.tracking.tasks import Task

_PAGED_TASKS: list[Row] = [
    {"$match": {"pages.0": {"$exists": True}}},
    {"$project": {"user_id": 1, "version": 1, "pages": 1}},
]


def _tags_of(entries: str) -> Row:
    """Return the list of the tags of each entry of an array. Portable form: decision 10."""
    return {"$map": {"input": entries, "in": "$$this.tags"}}


def _count_by(**tags: Any) -> Row:
    """Return the stage that counts documents by their tags. An $unwind of the entries would take a third longer."""
    return {"$group": {"_id": tags, "count": {"$sum": 1}}}


_COUNTS: Row = {
    "counts": [_count_by(tasks="$tags", entries=_tags_of("$time_entries"), running="$active.tags")],
    "paged": _PAGED_TASKS,
}
"""Pipelines that count tasks by their tags and those of their entries, and find the tasks with pages."""


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
            _add(window["counts"], tasks, entries)
            paged += window["paged"]
        for by_id in listed_pages_stages(user_id, paged):
            _add(await TaskPage.aggregate_rows([by_id, _count_by(entries=_tags_of("$entries"))]), tasks, entries)
        return (tasks, entries), paged

    return await read_unchanged(read)


def _add(rows: list[Row], tasks: Counter[str], entries: Counter[str]) -> None:
    """Add the counts of _count_by to those of the tags."""
    for row in rows:
        tags, count = row["_id"], row["count"]
        for tag in tags.get("tasks", ()):
            tasks[tag] += count
        for tag in chain(*tags["entries"], tags.get("running", ())):
            entries[tag] += count


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
