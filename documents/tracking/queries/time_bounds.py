"""Where in a user's time there is anything at all: the ends of what is tracked before an instant, or after it."""

from datetime import datetime, timedelta
from itertools import pairwise

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.queries.entry_filter import ONE_MILLISECOND, EntryFilter, tasks_in_range_stages
from documents.tracking.tasks import Task

_YEAR = timedelta(days=365)
_YEARS = 12


async def nearest_end(user_id: ObjectId, wanted: EntryFilter, edge: datetime) -> datetime | None:
    """An instant before `edge`, or `edge` itself, from which on to `edge` no ended entry of the tasks begins.

    None when none begins before `edge` in the range. Conditions on the entries themselves are left out.
    """
    ended = await _outermost(user_id, wanted, "last_ended_at", wanted.since, edge, DESCENDING)
    going_on = await _inside(user_id, wanted, edge, {"$lt": ["$$this.started_at", edge]}, "$max")
    found = [instant for instant in (ended, going_on) if instant is not None]
    return min(max(found) + ONE_MILLISECOND, edge) if found else None


async def nearest_start(user_id: ObjectId, wanted: EntryFilter, edge: datetime) -> datetime | None:
    """An instant after `edge`, or `edge` itself, before which from `edge` on no ended entry of the tasks begins.

    None when none begins from `edge` on in the range. Conditions on the entries themselves are left out.
    """
    begun = await _outermost(user_id, wanted, "first_started_at", edge, wanted.until, ASCENDING)
    going_on = await _inside(user_id, wanted, edge, {"$gte": ["$$this.started_at", edge]}, "$min")
    found = [instant for instant in (begun, going_on) if instant is not None]
    return min(found) if found else None


async def _outermost(
    user_id: ObjectId, wanted: EntryFilter, field: str, low: datetime, high: datetime, direction: int
) -> datetime | None:
    """The first instant of [low, high), or the last one, at which the field of a task stands.

    MongoDB would find it in the index at once. The embedded store reads all tasks of a range, so it
    is asked for a year at a time, as far as the years are not long gone.
    """
    now = naive_utc(utc_now())
    cuts = [now - number * _YEAR for number in range(_YEARS, -1, -1)]
    edges = [low, *(cut for cut in cuts if low < cut < high), high]
    for begin, end in list(pairwise(edges))[::direction]:
        # It may lose what equals the bound of a $gte where the index has a further field.
        found = await Task.aggregate_rows(
            [
                {"$match": {"user_id": user_id, field: {"$gt": begin - ONE_MILLISECOND, "$lt": end}}},
                {"$match": wanted.task_conditions()},
                {"$sort": {field: direction}},
                {"$limit": 1},
                {"$project": {"instant": f"${field}"}},
            ]
        )
        if found:
            instant: datetime = found[0]["instant"]
            return instant
    return None


async def _inside(user_id: ObjectId, wanted: EntryFilter, edge: datetime, side: Row, outermost: str) -> datetime | None:
    """The last start before, or the first one from `edge` on, in the tasks that begin before `edge` and end later."""
    starts = {"$map": {"input": {"$filter": {"input": "$time_entries", "cond": side}}, "in": "$$this.started_at"}}
    found = await Task.aggregate_rows(
        [
            *tasks_in_range_stages(user_id, wanted, edge, edge),
            {"$project": {"start": {outermost: starts}}},
            {"$group": {"_id": None, "instant": {outermost: "$start"}}},
        ]
    )
    return found[0]["instant"] if found else None
