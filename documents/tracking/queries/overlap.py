"""Queries for ended entries that overlap a time range."""

from datetime import datetime

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.tasks import Task

MAX_OVERLAPS = 100


async def find_overlapping(
    user_id: ObjectId, started_at: datetime, ended_at: datetime, *, exclude_id: ObjectId | None
) -> list[Row]:
    """Return the ended entries that overlap [started_at, ended_at), the earliest first, at most MAX_OVERLAPS.

    Each row has a `task_id` and an `entry`. Tasks in the trash and the entry `exclude_id` are left out.
    """
    return await Task.aggregate_rows(
        [
            *overlapping_entries_stages(user_id, started_at, ended_at, {"$ne": ["$$this.id", exclude_id]}),
            {"$sort": {"entry.started_at": 1, "entry.id": 1}},
            {"$limit": MAX_OVERLAPS},
            {"$project": {"_id": 0, "task_id": "$_id", "entry": 1}},
        ]
    )


async def has_overlap(user_id: ObjectId, started_at: datetime, ended_at: datetime) -> bool:
    """Return whether any ended entry of a live task overlaps [started_at, ended_at)."""
    overlaps = {
        "started_at": {"$lt": ended_at},
        "ended_at": {"$gt": started_at},
        "duration_seconds": {"$gt": 0},
    }
    rows = await Task.aggregate_rows(
        [
            *_tasks_in_range_stages(user_id, started_at, ended_at),
            {"$match": {"time_entries": {"$elemMatch": overlaps}}},
            {"$limit": 1},
            {"$project": {"_id": 1}},
        ]
    )
    return bool(rows)


def overlapping_entries_stages(
    user_id: ObjectId, started_at: datetime, ended_at: datetime, *conditions: Row
) -> list[Row]:
    """Return the stages that find each ended `entry` that overlaps [started_at, ended_at), with the _id of its task.

    Only live tasks are searched. `conditions` are further expressions on the entry `$$this`.
    """
    overlaps = [
        {"$lt": ["$$this.started_at", ended_at]},
        {"$gt": ["$$this.ended_at", started_at]},
        {"$gt": ["$$this.duration_seconds", 0]},
    ]
    entries = {"$filter": {"input": "$time_entries", "cond": {"$and": [*overlaps, *conditions]}}}
    return [
        *_tasks_in_range_stages(user_id, started_at, ended_at),
        {"$project": {"entry": entries}},
        {"$unwind": "$entry"},
    ]


def _tasks_in_range_stages(user_id: ObjectId, started_at: datetime, ended_at: datetime) -> list[Row]:
    """Return the stages that find the tasks with entries in the range (portable form: decision 10)."""
    return [
        {"$match": {"user_id": user_id, "last_ended_at": {"$gt": started_at}}},
        {"$match": {"deleted_at": None, "first_started_at": {"$lt": ended_at}}},
    ]
