"""Queries that find the nearest tracked time before or after an instant, in order to skip empty ranges."""

from datetime import datetime, timedelta
from itertools import pairwise

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.queries.entry_filter import EntryFilter, tasks_in_range_stages
from documents.tracking.queries.paged_rows import ONE_MILLISECOND
from documents.tracking.tasks import Task

_CUTS = [timedelta(days=365 * years) for years in (8, 4, 2, 1, 0)]
"""How long before now one range ends and the next one begins. Old ranges are longer: they are searched when all later
ones are empty."""


async def nearest_end(user_id: ObjectId, entry_filter: EntryFilter, edge: datetime) -> datetime | None:
    """Return an instant at or before `edge` such that no ended entry of the tasks starts between it and `edge`.

    Returns None when no entry in the range starts before `edge`. EntryFilter.entry_conditions do not apply.
    A task with pages that extends over `edge` is not searched: the instant is `edge` then.
    """
    of_ended_tasks = await _first_value(user_id, entry_filter, "last_ended_at", entry_filter.since, edge, DESCENDING)
    of_open_tasks = await _start_in_tasks_at(user_id, entry_filter, edge, {"$lt": ["$$this.started_at", edge]}, "$max")
    instants = [instant for instant in (of_ended_tasks, of_open_tasks) if instant is not None]
    return min(max(instants) + ONE_MILLISECOND, edge) if instants else None


async def nearest_start(user_id: ObjectId, entry_filter: EntryFilter, edge: datetime) -> datetime | None:
    """Return an instant at or after `edge` such that no ended entry of the tasks starts between `edge` and it.

    Returns None when no entry in the range starts at `edge` or later. EntryFilter.entry_conditions do not apply.
    A task with pages that extends over `edge` is not searched: the instant is `edge` then.
    """
    of_later_tasks = await _first_value(user_id, entry_filter, "first_started_at", edge, entry_filter.until, ASCENDING)
    of_open_tasks = await _start_in_tasks_at(user_id, entry_filter, edge, {"$gte": ["$$this.started_at", edge]}, "$min")
    instants = [instant for instant in (of_later_tasks, of_open_tasks) if instant is not None]
    return min(instants) if instants else None


async def _first_value(
    user_id: ObjectId, entry_filter: EntryFilter, field: str, low: datetime, high: datetime, direction: int
) -> datetime | None:
    """Return the first value in [low, high) of a field of the tasks; the last one when `direction` is DESCENDING.

    The range is searched in parts (portable form: decision 10).
    """
    now = naive_utc(utc_now())
    cuts = [now - length for length in _CUTS]
    edges = [low, *(cut for cut in cuts if low < cut < high), high]
    for begin, end in list(pairwise(edges))[::direction]:
        # $gt instead of $gte: portable form, decision 10.
        in_range: Row = {"user_id": user_id, field: {"$gt": begin - ONE_MILLISECOND, "$lt": end}}
        first = in_range if entry_filter.task_id is None else {"_id": entry_filter.task_id}
        rows = await Task.aggregate_rows(
            [
                {"$match": first},
                {"$match": {**in_range, **entry_filter.task_conditions()}},
                {"$sort": {field: direction}},
                {"$limit": 1},
                {"$project": {"instant": f"${field}"}},
            ]
        )
        if rows:
            instant: datetime = rows[0]["instant"]
            return instant
    return None


async def _start_in_tasks_at(
    user_id: ObjectId, entry_filter: EntryFilter, edge: datetime, condition: Row, accumulator: str
) -> datetime | None:
    """Return the $min or $max of the entry starts that meet `condition`, in the tasks that extend over `edge`.

    With a task that has pages, it is `edge`.
    """
    entries = {"$filter": {"input": "$time_entries", "cond": condition}}
    starts = {"$map": {"input": entries, "in": "$$this.started_at"}}
    has_pages = {"$gt": [{"$size": {"$ifNull": ["$pages", []]}}, 0]}
    start = {"$cond": [has_pages, {"$literal": edge}, {accumulator: starts}]}
    rows = await Task.aggregate_rows(
        [
            *tasks_in_range_stages(user_id, entry_filter, edge, edge),
            {"$project": {"start": start}},
            {"$group": {"_id": None, "instant": {accumulator: "$start"}}},
        ]
    )
    return rows[0]["instant"] if rows else None
