"""Queries for the tasks that were tracked last."""

from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import DESCENDING

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.queries.paged_rows import MIN_INSTANT
from documents.tracking.tasks import Task

SUMMARY_FIELDS = ("title", "project_id", "status", "tags", "tracked_seconds", "last_ended_at")

_RECENT = (timedelta(days=4), timedelta(days=64))
"""The times before now that are searched first."""


async def find_recently_tracked(user_id: ObjectId, *, limit: int, searched_since: datetime | None = None) -> list[Row]:
    """Return at most `limit` live tasks, the most recently tracked first, with the fields of a summary.

    Longer and longer times before now are searched (portable form: decision 10). If it is known that fewer than `limit`
    tasks were tracked since `searched_since`, the times that begin later are left out.
    """
    now = naive_utc(utc_now())
    begins = [*(now - length for length in _RECENT), MIN_INSTANT]
    rows: list[Row] = []
    for begin in [begin for begin in begins if searched_since is None or begin < searched_since]:
        rows = await Task.aggregate_rows(
            [
                {"$match": {"user_id": user_id, "last_ended_at": {"$gte": begin}}},
                {"$match": {"deleted_at": None}},
                {"$sort": {"last_ended_at": DESCENDING}},
                {"$limit": limit},
                {"$project": dict.fromkeys(SUMMARY_FIELDS, 1)},
            ]
        )
        if len(rows) == limit:
            break
    return rows


async def find_last_tracked_task(user_id: ObjectId) -> Row | None:
    """Return the live task whose entry ended last, with only that entry if it is hot, or None."""
    while rows := await find_recently_tracked(user_id, limit=1):
        task_id, ended_at = rows[0]["_id"], rows[0]["last_ended_at"]
        task = await Task.find_last_entry(user_id, task_id, ended_at)
        if task is not None:
            return task
    return None
