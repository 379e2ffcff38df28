"""Reading time entries where they stand: embedded in their tasks, the running one beside the ended ones."""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from documents.base import Row
from documents.entry_filter import EntryFilter, ended_entries_of_tasks, running_entry_of_task
from documents.tasks import ONE_RUNNING_TIMER, Task

_SHOWN: Row = {"title": 1, "tags": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOrder:
    """By start and id, from right after one of them on: `after` is the start and the id of an entry."""

    descending: bool = True
    after: tuple[datetime, ObjectId | None] | None = None

    def starts(self) -> dict[str, datetime]:
        """What is known of the starts that follow."""
        if self.after is None:
            return {}
        return {"$lte" if self.descending else "$gte": self.after[0]}


async def find_running_entry(user_id: ObjectId, wanted: EntryFilter, *, now: datetime) -> Row | None:
    """The running `entry`, if it is one of those, beside the title, tags, status and project_id of its task.

    It counts as [started_at, now); `now` is stored.
    """
    stages = running_entry_of_task(user_id, wanted, {**_SHOWN, "status": 1, "project_id": 1}, now=now)
    conditions = [{"$match": condition} for condition in wanted.of_entry()]
    found = await Task.aggregated(stages + conditions, hint=ONE_RUNNING_TIMER)
    return found[0] if found else None


async def find_entries(
    user_id: ObjectId, wanted: EntryFilter, order: EntryOrder, *, limit: int, now: datetime
) -> list[Row]:
    """At most `limit` entries of the user's live tasks, each as its task_id and its entry; `now` is stored.

    The running one counts as [started_at, now). It is read first: a timer that is stopped in
    between is then met twice, and shown once, but never missed.
    """
    then = _then(wanted, order, limit)
    of_the_timer = running_entry_of_task(user_id, wanted, _SHOWN, now=now, **order.starts())
    running = await Task.aggregated(of_the_timer + then, hint=ONE_RUNNING_TIMER)
    ended = await Task.aggregated(_ended(user_id, wanted, order) + then)
    found = {row["entry"]["id"]: row for row in (*running, *ended)}
    in_order = sorted(found.values(), key=_place, reverse=order.descending)
    return in_order[:limit]


def _ended(user_id: ObjectId, wanted: EntryFilter, order: EntryOrder) -> list[Row]:
    """The ended entries of that time."""
    return [
        *ended_entries_of_tasks(user_id, wanted, _SHOWN, **order.starts()),
        {"$unwind": "$entries"},
        {"$project": {**_SHOWN, "entry": "$entries"}},
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
