"""Queries for ended entries that overlap a time range."""

from datetime import datetime

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.entries import entry_order
from documents.tracking.queries.paged_rows import EntryRows, find_rows

MAX_OVERLAPS = 100


async def find_overlapping(
    user_id: ObjectId, started_at: datetime, ended_at: datetime, *, exclude_id: ObjectId | None
) -> list[Row]:
    """Return the ended entries that overlap [started_at, ended_at), the earliest first, at most MAX_OVERLAPS.

    Each row has a `task_id` and an `entry`. Tasks in the trash and the entry `exclude_id` are left out.
    """
    then: list[Row] = [
        {"$sort": {"entry.started_at": 1, "entry.id": 1}},
        {"$limit": MAX_OVERLAPS},
        {"$project": {"_id": 0, "task_id": "$_id", "entry": 1}},
    ]
    not_excluded = {"$ne": ["$$this.id", exclude_id]}
    rows = await find_rows(overlapping_entry_rows(user_id, started_at, ended_at, then, not_excluded))
    return sorted(rows, key=lambda row: entry_order(row["entry"]))[:MAX_OVERLAPS]


async def has_overlap(user_id: ObjectId, started_at: datetime, ended_at: datetime) -> bool:
    """Return whether any ended entry of a live task overlaps [started_at, ended_at)."""
    then: list[Row] = [{"$limit": 1}, {"$project": {"_id": 1}}]
    return bool(await find_rows(overlapping_entry_rows(user_id, started_at, ended_at, then)))


def overlapping_entry_rows(
    user_id: ObjectId, started_at: datetime, ended_at: datetime, then: list[Row], *conditions: Row
) -> EntryRows:
    """Return the query for the ended entries of live tasks that overlap [started_at, ended_at).

    `conditions` are further expressions on the entry `$$this`. `then` are the stages on the rows.
    """
    overlaps = [
        {"$lt": ["$$this.started_at", ended_at]},
        {"$gt": ["$$this.ended_at", started_at]},
        {"$gt": ["$$this.duration_seconds", 0]},
        *conditions,
    ]
    return EntryRows(
        user_id=user_id,
        tasks=_tasks_in_range_stages(user_id, started_at, ended_at),
        select=lambda array: {"$filter": {"input": array, "cond": {"$and": overlaps}}},
        since=started_at,
        before=ended_at,
        then=then,
    )


def _tasks_in_range_stages(user_id: ObjectId, started_at: datetime, ended_at: datetime) -> list[Row]:
    """Return the stages that find the tasks with entries in the range (portable form: decision 10)."""
    return [
        {"$match": {"user_id": user_id, "last_ended_at": {"$gt": started_at}}},
        {"$match": {"deleted_at": None, "first_started_at": {"$lt": ended_at}}},
    ]
