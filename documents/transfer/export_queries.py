"""Queries of exports: they stream all data of a user in batches.

An export has no deadline for the whole. Batches are small, because decoding one blocks the event loop.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.database.cancellation import keep_cancellation
from app.database.deadlines import without_deadline
from documents.common.base import Row
from documents.tracking.deleted_entries import RETENTION, DeletedEntry
from documents.tracking.projects import Project

ENTRIES_PER_BATCH = 500
ROWS_PER_BATCH = 100
"""For documents that can be larger than an entry: a description has up to 20,000 characters."""

MAX_CONCURRENT_READS = 3
"""For all users together: each read keeps the database busy until it has sorted."""

_read_slots = asyncio.Semaphore(MAX_CONCURRENT_READS)

_user_locks: WeakValueDictionary[ObjectId, asyncio.Lock] = WeakValueDictionary()
"""One lock per exporting user: many exports of one user do not delay those of others."""

Batches = AsyncGenerator[list[Row], None]


async def stream_projects(user_id: ObjectId) -> Batches:
    """Yield the user's projects, oldest first, without those that are being deleted."""
    live = {"user_id": user_id, "deleted_at": None}
    cursor = Project.collection().find(live, batch_size=ROWS_PER_BATCH).sort([("created_at", 1), ("_id", 1)])
    async with aclosing(read_batches(user_id, cursor, ROWS_PER_BATCH)) as batches:
        async for batch in batches:
            yield batch


async def stream_deleted_entries(user_id: ObjectId) -> Batches:
    """Yield the user's deleted entries that can still be restored.

    Read them after the tasks: then an entry that is deleted during the export is in both, not in neither.
    """
    restorable = {"user_id": user_id, "deleted_at": {"$gt": naive_utc(utc_now() - RETENTION)}}
    cursor = DeletedEntry.collection().find(restorable, batch_size=ENTRIES_PER_BATCH).sort("_id", 1)
    async with aclosing(read_batches(user_id, cursor, ENTRIES_PER_BATCH)) as batches:
        async for batch in batches:
            yield batch


async def read_batches(user_id: ObjectId, cursor: Any, batch_size: int) -> Batches:
    """Yield the rows of a cursor in batches. The cursor is closed at the end, also after an error or an abort."""
    try:
        while True:
            async with read_slot(user_id):
                with without_deadline():
                    rows = await keep_cancellation(cursor.to_list(batch_size))
            if not rows:
                return
            yield rows
    finally:
        await cursor.close()


@asynccontextmanager
async def read_slot(user_id: ObjectId) -> AsyncIterator[None]:
    """Wait until this user has no other read of an export in progress, and all users together have few."""
    async with _user_locks.setdefault(user_id, asyncio.Lock()), _read_slots:
        yield
