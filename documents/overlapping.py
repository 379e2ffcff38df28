"""Which of a user's time a stretch of time would be tracked beside."""

from datetime import datetime

from bson import ObjectId

from documents.base import Row
from documents.tasks import Task

MOST_SHOWN = 100


async def find_overlapping(
    user_id: ObjectId, started_at: datetime, ended_at: datetime, *, but: ObjectId | None
) -> list[Row]:
    """The ended entries that share a part of [started_at, ended_at), the earliest first, at most a hundred of them.

    Each as its task_id and its entry. The trash does not count, nor does the entry `but`.
    """
    shares_a_part = {
        "$and": [
            {"$lt": ["$$this.started_at", ended_at]},
            {"$gt": ["$$this.ended_at", started_at]},
            {"$gt": ["$$this.duration_seconds", 0]},
            {"$ne": ["$$this.id", but]},
        ]
    }
    return await Task.aggregated(
        [
            *_tasks_of_that_time(user_id, started_at, ended_at),
            {"$project": {"entry": {"$filter": {"input": "$time_entries", "cond": shares_a_part}}}},
            {"$unwind": "$entry"},
            {"$sort": {"entry.started_at": 1, "entry.id": 1}},
            {"$limit": MOST_SHOWN},
            {"$project": {"_id": 0, "task_id": "$_id", "entry": 1}},
        ]
    )


async def is_any_overlapping(user_id: ObjectId, started_at: datetime, ended_at: datetime) -> bool:
    """Whether there is one of those."""
    shares_a_part = {
        "started_at": {"$lt": ended_at},
        "ended_at": {"$gt": started_at},
        "duration_seconds": {"$gt": 0},
    }
    found = await Task.aggregated(
        [
            *_tasks_of_that_time(user_id, started_at, ended_at),
            {"$match": {"time_entries": {"$elemMatch": shares_a_part}}},
            {"$limit": 1},
            {"$project": {"_id": 1}},
        ]
    )
    return bool(found)


def _tasks_of_that_time(user_id: ObjectId, started_at: datetime, ended_at: datetime) -> list[Row]:
    """The first stage names the fields of an index and no other, or the embedded store does not go by it."""
    return [
        {"$match": {"user_id": user_id, "last_ended_at": {"$gt": started_at}}},
        {"$match": {"deleted_at": None, "first_started_at": {"$lt": ended_at}}},
    ]
