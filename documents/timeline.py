"""Reading time entries where they stand: embedded in their tasks, the running one beside the ended ones."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from bson import ObjectId

from app.clock import stored
from documents.base import Row
from documents.tasks import ONE_RUNNING_TIMER, RUNNING, Task

_EVER = stored(datetime(1, 1, 1, tzinfo=UTC)), stored(datetime(9999, 12, 31, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries: those that share a part of [since, until), and those of 0 seconds that lie in it.

    The two are stored instants. `project_id` is an id, or "none" for the tasks of no project; `tags`
    means any of them, the entry's own or its task's; `text` is a part of the entry's note or of its
    task's title, in any case. What is None or empty narrows nothing.
    """

    since: datetime = _EVER[0]
    until: datetime = _EVER[1]
    task_id: ObjectId | None = None
    project_id: ObjectId | str | None = None
    tags: tuple[str, ...] = ()
    text: str | None = None
    needs_review: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOrder:
    """By start and id, from right after one of them on: `after` is the start and the id of an entry."""

    descending: bool = True
    after: tuple[datetime, ObjectId | None] | None = None

    def starts(self) -> Row:
        """What is known of the starts that follow."""
        if self.after is None:
            return {}
        return {"$lte" if self.descending else "$gte": self.after[0]}


async def find_entries(
    user_id: ObjectId, wanted: EntryFilter, order: EntryOrder, *, limit: int, now: datetime
) -> list[Row]:
    """At most `limit` entries of the user's live tasks, each as its task_id and its entry; `now` is stored.

    The running one counts as [started_at, now). It is read first: a timer that is stopped in
    between is then met twice, and shown once, but never missed.
    """
    then = _then(wanted, order, limit)
    running = await Task.aggregated(_running(user_id, wanted, order, now) + then, hint=ONE_RUNNING_TIMER)
    ended = await Task.aggregated(_ended(user_id, wanted, order) + then)
    found = {row["entry"]["id"]: row for row in (*running, *ended)}
    in_order = sorted(found.values(), key=_place, reverse=order.descending)
    return in_order[:limit]


def _running(user_id: ObjectId, wanted: EntryFilter, order: EntryOrder, now: datetime) -> list[Row]:
    """The running entry, if it is one of those."""
    starts = {"$lt": wanted.until, **order.starts()}
    if now <= wanted.since:
        starts["$gte"] = max(wanted.since, starts.get("$gte", wanted.since))
    return [
        {"$match": {"user_id": user_id, **RUNNING}},
        {"$match": _live(wanted)},
        {"$project": {"title": 1, "tags": 1, "entry": "$active"}},
        {"$match": {"entry.started_at": starts}},
    ]


def _ended(user_id: ObjectId, wanted: EntryFilter, order: EntryOrder) -> list[Row]:
    """The ended entries of that time.

    The embedded store goes by an index when a stage asks for nothing but the fields of that index:
    so the first stage names those alone, and tasks that ended earlier are not looked at. MongoDB
    joins the two stages. It must not be a hint: with one the embedded store walks the whole index.
    """
    starts = {"$lt": wanted.until, **order.starts()}
    latest_end = {"$gte": max(wanted.since, starts.get("$gte", wanted.since))}
    narrow: Row = {"last_ended_at": latest_end} if wanted.task_id is None else {"_id": wanted.task_id}
    first_start = {operator: bound for operator, bound in starts.items() if operator != "$gte"}
    of_that_time: list[Row] = [{operator: ["$$this.started_at", bound]} for operator, bound in starts.items()]
    of_that_time.append(
        {"$or": [{"$gt": ["$$this.ended_at", wanted.since]}, {"$gte": ["$$this.started_at", wanted.since]}]}
    )
    entries = {"$filter": {"input": "$time_entries", "cond": {"$and": of_that_time}}}
    return [
        {"$match": {"user_id": user_id, **narrow}},
        {"$match": {**_live(wanted), "last_ended_at": latest_end, "first_started_at": first_start}},
        {"$project": {"title": 1, "tags": 1, "entry": entries}},
        {"$unwind": "$entry"},
    ]


def _live(wanted: EntryFilter) -> Row:
    """What is asked of a task."""
    condition: Row = {"deleted_at": None}
    if wanted.task_id is not None:
        condition["_id"] = wanted.task_id
    if wanted.project_id is not None:
        condition["project_id"] = None if wanted.project_id == "none" else wanted.project_id
    return condition


def _then(wanted: EntryFilter, order: EntryOrder, limit: int) -> list[Row]:
    """The stages that are the same for all entries: from an entry beside its task's title and tags to the answer."""
    conditions: list[Row] = []
    if wanted.needs_review is not None:
        conditions.append({"entry.needs_review": wanted.needs_review})
    if wanted.tags:
        either = {"$in": list(wanted.tags)}
        conditions.append({"$or": [{"entry.tags": either}, {"tags": either}]})
    if wanted.text is not None:
        contains = {"$regex": re.escape(wanted.text), "$options": "i"}
        conditions.append({"$or": [{"entry.note": contains}, {"title": contains}]})
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
