"""Which time entries are asked for, and the aggregation stages that find them in their tasks."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.tasks import RUNNING, TaskStatus

_EVER = naive_utc(datetime(1, 1, 1, tzinfo=UTC)), naive_utc(datetime(9999, 12, 31, tzinfo=UTC))

ONE_MILLISECOND = timedelta(milliseconds=1)
"""Instants are stored in milliseconds: [instant, instant + STEP) holds one of them."""

_LONG_AGO = timedelta(days=400)
"""Of a time longer ago than this, it is assumed that more tasks have ended since than began before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries of live tasks: those that share a part of [since, until), and those of 0 seconds that lie in it.

    The two are stored instants. `project_id` is an id, or "none" for the tasks of no project; `tags`
    means any of them, the entry's own or its task's; `text` is a part of the entry's note or of its
    task's title, in any case. What is None or empty narrows nothing.
    """

    since: datetime = _EVER[0]
    until: datetime = _EVER[1]
    task_id: ObjectId | None = None
    project_id: ObjectId | str | None = None
    statuses: tuple[TaskStatus, ...] = ()
    tags: tuple[str, ...] = ()
    text: str | None = None
    billable: bool | None = None
    needs_review: bool | None = None

    def task_conditions(self) -> Row:
        """What is asked of a task, but for its time."""
        condition: Row = {"deleted_at": None}
        if self.task_id is not None:
            condition["_id"] = self.task_id
        if self.project_id is not None:
            condition["project_id"] = None if self.project_id == "none" else self.project_id
        if self.statuses:
            condition["status"] = {"$in": list(self.statuses)}
        return condition

    def entry_conditions(self) -> list[Row]:
        """What is asked of an `entry` that stands beside the title and the tags of its task, but for its time."""
        conditions: list[Row] = []
        if self.billable is not None:
            conditions.append({"entry.billable": self.billable})
        if self.needs_review is not None:
            conditions.append({"entry.needs_review": self.needs_review})
        if self.tags:
            either = {"$in": list(self.tags)}
            conditions.append({"$or": [{"entry.tags": either}, {"tags": either}]})
        if self.text is not None:
            contains = {"$regex": re.escape(self.text), "$options": "i"}
            conditions.append({"$or": [{"entry.note": contains}, {"title": contains}]})
        return conditions

    def entry_expressions(self) -> list[Row]:
        """The same as expressions on `$$this`, one of the `entries` beside the tags of their task; not for texts."""
        conditions: list[Row] = []
        if self.billable is not None:
            conditions.append({"$eq": ["$$this.billable", self.billable]})
        if self.needs_review is not None:
            conditions.append({"$eq": ["$$this.needs_review", self.needs_review]})
        if self.tags:
            own_or_its_tasks = {"$setUnion": ["$$this.tags", "$tags"]}
            conditions.append({"$or": [{"$in": [{"$literal": tag}, own_or_its_tasks]} for tag in self.tags]})
        return conditions

    def start_bounds(self, **bounds: datetime) -> Row:
        """What is asked of a start, `bounds` included."""
        return {"$lt": self.until, **bounds}


def ended_entries_stages(user_id: ObjectId, wanted: EntryFilter, shown: Row, **bounds: datetime) -> list[Row]:
    """The stages that find the user's tasks of that time, each with what is `shown` and its ended `entries` of then.

    `bounds` narrow the starts further. The entries meet no other condition yet: see EntryFilter.of_entry.
    """
    starts: dict[str, Any] = wanted.start_bounds(**bounds)
    before = min(
        bound + ONE_MILLISECOND if operator == "$lte" else bound
        for operator, bound in starts.items()
        if operator != "$gte"
    )
    since = max(wanted.since, starts.get("$gte", wanted.since))
    return [
        *tasks_in_range_stages(user_id, wanted, since, before),
        {"$project": {**shown, "entries": _entries_of_that_time(wanted.since, starts)}},
    ]


def _entries_of_that_time(since: datetime, starts: Row) -> Row:
    """The ended entries that begin so and share a part of the time from `since` on, in few comparisons an entry.

    The embedded store takes its time for each comparison. So all entries meet the cheap conditions,
    and only what is left of them meets the exact one.
    """
    conditions: list[Row] = [{operator: ["$$this.started_at", bound]} for operator, bound in starts.items()]
    if starts.get("$gte", _EVER[0]) >= since:
        return {"$filter": {"input": "$time_entries", "cond": {"$and": conditions}}}
    conditions.append({"$gte": ["$$this.ended_at", since]})
    near = {"$filter": {"input": "$time_entries", "cond": {"$and": conditions}}}
    exact = {"$or": [{"$gt": ["$$this.ended_at", since]}, {"$gte": ["$$this.started_at", since]}]}
    return {"$filter": {"input": near, "cond": exact}}


def tasks_in_range_stages(user_id: ObjectId, wanted: EntryFilter, since: datetime, before: datetime) -> list[Row]:
    """The stages that find the user's tasks whose last entry ends at `since` or later, and whose first begins `before`.

    The embedded store goes by an index when a stage asks for nothing but the fields of that index,
    and for one range: so the first stage names one of the two bounds alone, the one that leaves out
    more tasks. MongoDB joins the two stages and has an index of both bounds. It must not be a hint:
    with one the embedded store walks the whole index.
    """
    both: Row = {"last_ended_at": {"$gte": since}, "first_started_at": {"$lt": before}}
    bound = "first_started_at" if before < naive_utc(utc_now()) - _LONG_AGO else "last_ended_at"
    narrow: Row = {bound: both[bound]}
    if wanted.task_id is not None:
        narrow = {"_id": wanted.task_id}
    return [
        {"$match": {"user_id": user_id, **narrow}},
        {"$match": {**wanted.task_conditions(), **both}},
    ]


def running_entry_stages(
    user_id: ObjectId, wanted: EntryFilter, shown: Row, *, now: datetime, **bounds: datetime
) -> list[Row]:
    """The stages that find the user's running `entry` beside what is `shown` of its task, if it is one of that time.

    It counts as [started_at, now); `now` is stored. To be run with the hint ONE_RUNNING_TIMER. The
    entry meets no other condition yet: see EntryFilter.of_entry.
    """
    starts: dict[str, Any] = wanted.start_bounds(**bounds)
    if now <= wanted.since:
        starts["$gte"] = max(wanted.since, starts.get("$gte", wanted.since))
    return [
        {"$match": {"user_id": user_id, **RUNNING}},
        {"$match": wanted.task_conditions()},
        {"$project": {**shown, "entry": "$active"}},
        {"$match": {"entry.started_at": starts}},
    ]
