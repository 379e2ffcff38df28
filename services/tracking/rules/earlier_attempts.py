"""What an earlier try of the same request has made already, wherever it is by now."""

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.idempotency import Attempt


async def find_created_earlier(user: ActingUser, work: Attempt) -> tuple[Row, Row] | None:
    """The task and the entry that an earlier try of this work has made; None when there was none."""
    return await find_entry_anywhere(user, work.new_id()) if work.is_retry else None


async def find_entry_anywhere(user: ActingUser, entry_id: ObjectId) -> tuple[Row, Row] | None:
    """The task and the entry, running, ended, in the trash or deleted since; None when it was never made."""
    running = await Task.find_running(user.id)
    if running is not None and running["active"]["id"] == entry_id:
        return running, running["active"]
    task = await Task.find_by_ended_entry(user.id, entry_id)
    if task is not None:
        return task, task["time_entries"][0]
    deleted = await DeletedEntry.find_restorable(user.id, entry_id)
    task = await Task.find_any(user.id, deleted["task_id"]) if deleted else None
    return None if task is None or deleted is None else (task, deleted["entry"])
