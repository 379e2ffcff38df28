"""Queries about tags: how many tasks and entries have each tag, and which tasks have one."""

from collections.abc import Collection

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.tasks import ALL_ENTRIES, Task

_COUNT_BY_TASK_TAG: list[Row] = [
    {"$project": {"tags": 1}},
    {"$unwind": "$tags"},
    {"$group": {"_id": "$tags", "count": {"$sum": 1}}},
]
_COUNT_BY_ENTRY_TAG: list[Row] = [
    {"$project": {"entry": {"$map": {"input": ALL_ENTRIES, "in": {"tags": "$$this.tags"}}}}},
    {"$unwind": "$entry"},
    {"$unwind": "$entry.tags"},
    {"$group": {"_id": "$entry.tags", "count": {"$sum": 1}}},
]


async def count_tasks_by_tag(user_id: ObjectId, *, after: str | None, limit: int) -> dict[str, int]:
    """Return the number of live tasks by tag, for at most `limit` tags in order of name that follow `after`."""
    return await _count(user_id, _COUNT_BY_TASK_TAG, after, limit)


async def count_entries_by_tag(user_id: ObjectId, *, after: str | None, limit: int) -> dict[str, int]:
    """Return the number of entries of live tasks by tag, like count_tasks_by_tag. The running entry is included."""
    return await _count(user_id, _COUNT_BY_ENTRY_TAG, after, limit)


async def find_task_ids_with_tag(user_id: ObjectId, spellings: Collection[str]) -> list[ObjectId]:
    """Return the ids of the user's tasks that have the tag, or have an entry with it. The trash is included."""
    tag = {"$in": [*spellings]}
    anywhere: list[Row] = [{"tags": tag}, {"active.tags": tag}, {"time_entries": {"$elemMatch": {"tags": tag}}}]
    # Two stages: portable form, decision 10.
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": {"$or": anywhere}}, {"$project": {"_id": 1}}]
    return [task["_id"] for task in await Task.aggregate_rows(stages)]


async def _count(user_id: ObjectId, group_by_tag: list[Row], after: str | None, limit: int) -> dict[str, int]:
    live: Row = {"$match": {"user_id": user_id, "deleted_at": None}}
    following: list[Row] = [] if after is None else [{"$match": {"_id": {"$gt": after}}}]
    rows = await Task.aggregate_rows([live, *group_by_tag, *following, {"$sort": {"_id": 1}}, {"$limit": limit}])
    return {row["_id"]: row["count"] for row in rows}
