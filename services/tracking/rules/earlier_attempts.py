"""Queries for what an earlier attempt of the same request (same Idempotency-Key) already created."""

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.stored_entries import find_anywhere
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.idempotency import Attempt


async def find_created_earlier(user: ActingUser, attempt: Attempt) -> tuple[Row, Row] | None:
    """Return the entry that an earlier attempt created and its task, as (task, entry), or None."""
    return await find_entry_anywhere(user, attempt.new_id()) if attempt.is_retry else None


async def find_entry_anywhere(user: ActingUser, entry_id: ObjectId) -> tuple[Row, Row] | None:
    """Return (task, entry) of a running, ended, deleted or trashed entry, or None when it never existed."""
    running = await Task.find_running(user.id)
    if running is not None and running["active"]["id"] == entry_id:
        return running, running["active"]
    stored = await find_anywhere(user.id, entry_id, in_trash=True)
    if stored is not None:
        return stored.task, stored.entry
    deleted = await DeletedEntry.find_restorable(user.id, entry_id)
    task = await Task.find_any(user.id, deleted["task_id"]) if deleted else None
    return None if task is None or deleted is None else (task, deleted["entry"])
