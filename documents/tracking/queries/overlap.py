"""Which of a user's time a stretch of time would be tracked beside."""

from datetime import datetime

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.tasks import Task

MAX_OVERLAPS = 100


async def find_overlapping(
    user_id: ObjectId, started_at: datetime, ended_at: datetime, *, but: ObjectId | None
) -> list[Row]:
    """The ended entries that share a part of [started_at, ended_at), the earliest first, at most a hundred of them.

    Each as its task_id and its entry. The trash does not count, nor does the entry `but`.
    """
    return await Task.aggregate_rows(
        [
            *overlapping_entries_stages(user_id, started_at, ended_at, {"$ne": ["$$this.id", but]}),
            {"$sort": {"entry.started_at": 1, "entry.id": 1}},
            {"$limit": MAX_OVERLAPS},
            {"$project": {"_id": 0, "task_id": "$_id", "entry": 1}},
        ]
    )


async def has_overlap(user_id: ObjectId, started_at: datetime, ended_at: datetime) -> bool:
    """Whether there is one of those."""
    shares_a_part = {
        "started_at": {"$lt": ended_at},
        "ended_at": {"$gt": started_at},
        "duration_seconds": {"$gt": 0},
    }
    found = await Task.aggregate_rows(
        [
            *_tasks_of_that_time(user_id, started_at, ended_at),
            {"$match": {"time_entries": {"$elemMatch": shares_a_part}}},
            {"$limit": 1},
            {"$project": {"_id": 1}},
        ]
    )
    return bool(found)


def overlapping_entries_stages(
    user_id: ObjectId, started_at: datetime, ended_at: datetime, *conditions: Row
) -> list[Row]:
    """The stages that find each `entry` that shares a part of [started_at, ended_at), beside the _id of its live task.

    `conditions` are expressions on `$$this`, an entry.
    """
    shares_a_part = [
        {"$lt": ["$$this.started_at", ended_at]},
        {"$gt": ["$$this.ended_at", started_at]},
        {"$gt": ["$$this.duration_seconds", 0]},
    ]
    entries = {"$filter": {"input": "$time_entries", "cond": {"$and": [*shares_a_part, *conditions]}}}
    return [
        *_tasks_of_that_time(user_id, started_at, ended_at),
        {"$project": {"entry": entries}},
        {"$unwind": "$entry"},
    ]


def _tasks_of_that_time(user_id: ObjectId, started_at: datetime, ended_at: datetime) -> list[Row]:
    """The first stage names the fields of an index and no other, or the embedded store does not go by it."""
    return [
        {"$match": {"user_id": user_id, "last_ended_at": {"$gt": started_at}}},
        {"$match": {"deleted_at": None, "first_started_at": {"$lt": ended_at}}},
    ]
