"""Reading time entries where they stand: embedded in their tasks, the running one beside the ended ones."""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from documents.base import Row
from documents.entry_filter import EntryFilter, ended_entries_of_tasks
from documents.tasks import ONE_RUNNING_TIMER, RUNNING, Task


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
    starts = wanted.of_start(**order.starts())
    if now <= wanted.since:
        starts["$gte"] = max(wanted.since, starts.get("$gte", wanted.since))
    return [
        {"$match": {"user_id": user_id, **RUNNING}},
        {"$match": wanted.of_task()},
        {"$project": {"title": 1, "tags": 1, "entry": "$active"}},
        {"$match": {"entry.started_at": starts}},
    ]


def _ended(user_id: ObjectId, wanted: EntryFilter, order: EntryOrder) -> list[Row]:
    """The ended entries of that time."""
    return [
        *ended_entries_of_tasks(user_id, wanted, {"title": 1, "tags": 1}, **order.starts()),
        {"$unwind": "$entries"},
        {"$project": {"title": 1, "tags": 1, "entry": "$entries"}},
    ]


def _then(wanted: EntryFilter, order: EntryOrder, limit: int) -> list[Row]:
    """The stages that are the same for all entries: from an entry beside its task's title and tags to the answer."""
    conditions = wanted.of_entry()
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
