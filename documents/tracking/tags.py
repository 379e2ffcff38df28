"""Tags: how often each stands on a user's tasks and entries, and where to find one."""

from collections.abc import Collection

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.tasks import ALL_ENTRIES, Task

_TAGS_OF_TASKS: list[Row] = [
    {"$project": {"tags": 1}},
    {"$unwind": "$tags"},
    {"$group": {"_id": "$tags", "count": {"$sum": 1}}},
]
_TAGS_OF_ENTRIES: list[Row] = [
    {"$project": {"entry": {"$map": {"input": ALL_ENTRIES, "in": {"tags": "$$this.tags"}}}}},
    {"$unwind": "$entry"},
    {"$unwind": "$entry.tags"},
    {"$group": {"_id": "$entry.tags", "count": {"$sum": 1}}},
]


async def count_tasks_by_tag(user_id: ObjectId, *, after: str | None, limit: int) -> dict[str, int]:
    """How many live tasks have each of at most `limit` tags themselves, by name, those after this one."""
    return await _counted(user_id, _TAGS_OF_TASKS, after, limit)


async def count_entries_by_tag(user_id: ObjectId, *, after: str | None, limit: int) -> dict[str, int]:
    """How many entries of live tasks, the running one included, have each of at most `limit` tags themselves."""
    return await _counted(user_id, _TAGS_OF_ENTRIES, after, limit)


async def find_task_ids_with_tag(user_id: ObjectId, spellings: Collection[str]) -> list[ObjectId]:
    """The user's tasks that have the tag, or an entry that has it, those in the trash included."""
    tag = {"$in": [*spellings]}
    anywhere: list[Row] = [{"tags": tag}, {"active.tags": tag}, {"time_entries": {"$elemMatch": {"tags": tag}}}]
    # Two stages, which MongoDB joins: the embedded store would scan the collection for a $or at the top of the first.
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": {"$or": anywhere}}, {"$project": {"_id": 1}}]
    return [task["_id"] for task in await Task.aggregate_rows(stages)]


async def _counted(user_id: ObjectId, counting: list[Row], after: str | None, limit: int) -> dict[str, int]:
    live: Row = {"$match": {"user_id": user_id, "deleted_at": None}}
    beyond: list[Row] = [] if after is None else [{"$match": {"_id": {"$gt": after}}}]
    found = await Task.aggregate_rows([live, *counting, *beyond, {"$sort": {"_id": 1}}, {"$limit": limit}])
    return {row["_id"]: row["count"] for row in found}
