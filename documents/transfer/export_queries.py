"""Reading all that is a user's, or all time entries of a time, a part in memory at a time.

It takes as long as it takes, so nothing here but the small reads before it is `in_time`: an export
has no limit on the whole. A batch holds few entries: nobody else gets a turn while it is decoded.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.database.deadlines import without_deadline
from documents.common.base import Row
from documents.tracking.deleted_entries import RETENTION, DeletedEntry
from documents.tracking.projects import Project
from documents.tracking.queries.entry_filter import EntryFilter, ended_entries_stages
from documents.tracking.queries.timeline import find_running_entry
from documents.tracking.tasks import Task
from documents.transfer.task_batches import of_few_entries

ENTRIES_AT_ONCE = 500
ROWS_AT_ONCE = 100
"""Of what may be larger than an entry: a description has up to 20,000 characters."""

READ_AT_ONCE = 3
"""Batches, whoever they are for. Each takes one of the driver's few threads for as long as the database sorts."""

_TURNS = asyncio.Semaphore(READ_AT_ONCE)

_OWN_TURNS: WeakValueDictionary[ObjectId, asyncio.Lock] = WeakValueDictionary()
"""One for each user who exports just now: many exports of one do not keep the others waiting."""

Batches = AsyncGenerator[list[Row], None]

_SHOWN: Row = {"title": 1, "tags": 1, "status": 1, "project_id": 1}


async def entries_in_order(user_id: ObjectId, wanted: EntryFilter, *, now: datetime, running: bool) -> Batches:
    """The entries of the user's live tasks, oldest start first, in batches; at least one batch, which may be empty.

    Each is its `entry` beside the _id, title, tags, status and project_id of its task. With
    `running` the running one is among them, as it was when the reading began; `now` is stored.
    """
    timer = await find_running_entry(user_id, wanted, now=now) if running else None
    mine, waiting = (None, []) if timer is None else (timer["entry"]["id"], [timer])
    in_order = {"$sort": {"entry.started_at": 1, "entry.id": 1}}
    stages = [
        *ended_entries_stages(user_id, wanted, _SHOWN),
        {"$unwind": "$entries"},
        {"$project": {**_SHOWN, "entry": "$entries"}},
        *({"$match": condition} for condition in wanted.entry_conditions()),
        in_order,
    ]
    found = Task.collection().aggregate(stages, batchSize=ENTRIES_AT_ONCE, allowDiskUse=True)
    async with aclosing(in_batches(user_id, found, ENTRIES_AT_ONCE)) as batches:
        async for batch in batches:
            rows = [row for row in batch if row["entry"]["id"] != mine] if mine else batch
            if waiting and _place(batch[-1]) > _place(waiting[0]):
                rows, waiting = sorted([*rows, *waiting], key=_place), []
            yield rows
    yield waiting


async def projects_of(user_id: ObjectId) -> Batches:
    """The user's projects by their making, but for those that are being deleted."""
    found = Project.collection().find({"user_id": user_id, "deleted_at": None}, batch_size=ROWS_AT_ONCE).sort("_id", 1)
    async with aclosing(in_batches(user_id, found, ROWS_AT_ONCE)) as batches:
        async for batch in batches:
            yield batch


async def tasks_of(user_id: ObjectId) -> Batches:
    """The user's whole tasks by their making, those in the trash included, few enough at once for their entries."""
    in_order = [("created_at", 1), ("_id", 1)]
    found = Task.collection().find({"user_id": user_id}, {"entry_count": 1}, batch_size=ROWS_AT_ONCE).sort(in_order)
    async with aclosing(in_batches(user_id, found, ROWS_AT_ONCE)) as batches:
        async for batch in batches:
            for few in of_few_entries(batch, ENTRIES_AT_ONCE):
                asked = Task.collection().find({"_id": {"$in": few}, "user_id": user_id})
                async with aclosing(in_batches(user_id, asked, ROWS_AT_ONCE)) as parts:
                    whole = {task["_id"]: task async for part in parts for task in part}
                yield [whole[task_id] for task_id in few if task_id in whole]


async def deleted_entries_of(user_id: ObjectId) -> Batches:
    """What was deleted of the user's entries and can still be restored.

    Read after the tasks, it shows an entry that is deleted meanwhile in both places, not in none.
    """
    kept = {"user_id": user_id, "deleted_at": {"$gt": naive_utc(utc_now() - RETENTION)}}
    found = DeletedEntry.collection().find(kept, batch_size=ENTRIES_AT_ONCE).sort("_id", 1)
    async with aclosing(in_batches(user_id, found, ENTRIES_AT_ONCE)) as batches:
        async for batch in batches:
            yield batch


async def in_batches(user_id: ObjectId, found: Any, at_once: int) -> Batches:
    """What a cursor of the user's finds. However it ends, the cursor is closed, and so the query stopped."""
    own_turn = _OWN_TURNS.setdefault(user_id, asyncio.Lock())
    try:
        while True:
            async with own_turn, _TURNS:
                with without_deadline():
                    rows = await found.to_list(at_once)
            if not rows:
                return
            yield rows
    finally:
        await found.close()


def _place(row: Row) -> tuple[datetime, ObjectId]:
    return row["entry"]["started_at"], row["entry"]["id"]
