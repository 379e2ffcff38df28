"""Reading time entries where they stand: embedded in their tasks, the running one beside the ended ones."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.queries.entry_filter import (
    ONE_MILLISECOND,
    EntryFilter,
    ended_entries_stages,
    running_entry_stages,
)
from documents.tracking.queries.time_bounds import nearest_end, nearest_start
from documents.tracking.queries.time_windows import TimeWindows
from documents.tracking.tasks import ONE_RUNNING_TIMER, Task

_SHOWN: Row = {"title": 1, "tags": 1}

_AHEAD = timedelta(days=2)
"""No entry is written down further ahead than a day; an import may hold later ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOrder:
    """By start and id, from right after one of them on: `after` is the start and the id of an entry."""

    descending: bool = True
    after: tuple[datetime, ObjectId | None] | None = None

    def start_bounds(self) -> dict[str, datetime]:
        """What is known of the starts that follow."""
        if self.after is None:
            return {}
        return {"$lte" if self.descending else "$gte": self.after[0]}

    def start_range(self, wanted: EntryFilter) -> tuple[datetime, datetime]:
        """The range [since, until) of the starts that follow; entries that reach into it are not looked at here."""
        if self.after is None:
            return wanted.since, wanted.until
        started_at, _ = self.after
        if self.descending:
            return wanted.since, min(wanted.until, started_at + ONE_MILLISECOND)
        return max(wanted.since, started_at), wanted.until


async def find_running_entry(user_id: ObjectId, wanted: EntryFilter, *, now: datetime) -> Row | None:
    """The running `entry`, if it is one of those, beside the title, tags, status and project_id of its task.

    It counts as [started_at, now); `now` is stored.
    """
    stages = running_entry_stages(user_id, wanted, {**_SHOWN, "status": 1, "project_id": 1}, now=now)
    conditions = [{"$match": condition} for condition in wanted.entry_conditions()]
    found = await Task.aggregate_rows(stages + conditions, hint=ONE_RUNNING_TIMER)
    return found[0] if found else None


async def find_entries(
    user_id: ObjectId, wanted: EntryFilter, order: EntryOrder, *, limit: int, now: datetime
) -> list[Row]:
    """At most `limit` entries of the user's live tasks, each as its task_id and its entry; `now` is stored.

    The running one counts as [started_at, now). It is read first: a timer that is stopped in
    between is then met twice, and shown once, but never missed.
    """
    then = _then(wanted, order, limit)
    of_the_timer = running_entry_stages(user_id, wanted, _SHOWN, now=now, **order.start_bounds())
    running = await Task.aggregate_rows(of_the_timer + then, hint=ONE_RUNNING_TIMER)
    ended = await _find_ended(user_id, wanted, order, limit=limit)
    found = {row["entry"]["id"]: row for row in (*running, *ended)}
    in_order = sorted(found.values(), key=_place, reverse=order.descending)
    return in_order[:limit]


async def _find_ended(user_id: ObjectId, wanted: EntryFilter, order: EntryOrder, *, limit: int) -> list[Row]:
    """At most `limit` ended entries in order, read in windows of time; those of one task at once."""
    since, until = order.start_range(wanted)
    if wanted.task_id is not None or until <= wanted.since:
        return await _read_window(user_id, wanted, order, order.start_bounds(), limit=limit)
    windows = TimeWindows(since, until, ahead=naive_utc(utc_now()) + _AHEAD, descending=order.descending)
    found: list[Row] = []
    may_skip = True
    while len(found) < limit and not windows.is_exhausted:
        low, high = windows.take()
        # The earliest window has the entries, too, that begin before the range and reach into it.
        bounds = {"$gte": low} if low > wanted.since else order.start_bounds()
        rows = await _read_window(user_id, wanted, order, {**bounds, "$lt": high}, limit=limit - len(found))
        found += rows
        if windows.adjust_length(found=len(rows), wanted=limit) and may_skip and not windows.is_exhausted:
            nearest = nearest_end if order.descending else nearest_start
            may_skip = windows.skip_to(await nearest(user_id, wanted, windows.edge))
    return found


async def _read_window(
    user_id: ObjectId, wanted: EntryFilter, order: EntryOrder, starts: dict[str, datetime], *, limit: int
) -> list[Row]:
    return await Task.aggregate_rows(
        [
            *ended_entries_stages(user_id, wanted, _SHOWN, **starts),
            {"$unwind": "$entries"},
            {"$project": {**_SHOWN, "entry": "$entries"}},
            *_then(wanted, order, limit),
        ]
    )


def _then(wanted: EntryFilter, order: EntryOrder, limit: int) -> list[Row]:
    """The stages that are the same for all entries: from an entry beside its task's title and tags to the answer."""
    conditions = wanted.entry_conditions()
    if order.after is not None:
        started_at, entry_id = order.after
        further = "$lt" if order.descending else "$gt"
        same_start = {"entry.started_at": started_at, "entry.id": {further: entry_id}}
        conditions.append({"$or": [{"entry.started_at": {further: started_at}}, same_start]})
    direction = -1 if order.descending else 1
    return [
        *({"$match": condition} for condition in conditions),
        {"$sort": {"entry.started_at": direction, "entry.id": direction}},
        {"$limit": limit},
        {"$project": {"_id": 0, "task_id": "$_id", "entry": 1}},
    ]


def _place(row: Row) -> tuple[datetime, ObjectId]:
    return row["entry"]["started_at"], row["entry"]["id"]
