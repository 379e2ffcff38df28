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
            {
                "$match": {
                    "user_id": user_id,
                    "deleted_at": None,
                    "first_started_at": {"$lt": ended_at},
                    "last_ended_at": {"$gt": started_at},
                }
            },
            {"$project": {"entry": {"$filter": {"input": "$time_entries", "cond": shares_a_part}}}},
            {"$unwind": "$entry"},
            {"$sort": {"entry.started_at": 1, "entry.id": 1}},
            {"$limit": MOST_SHOWN},
            {"$project": {"_id": 0, "task_id": "$_id", "entry": 1}},
        ]
    )
