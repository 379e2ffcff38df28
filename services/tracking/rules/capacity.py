"""How much a task holds: the last place is a timer's, so that no timer is ever refused its stop."""

from app.errors import ConflictError
from documents.common.base import DocumentFullError, Row
from documents.tracking.tasks import MAX_ENTRIES, Task

MAX_TASK_BYTES = 15 * 1024 * 1024
"""A task that is larger takes no more entries: a document holds 16 MB, and what else changes in it needs room."""

MAX_UPDATED_TASK_BYTES = MAX_TASK_BYTES + 512 * 1024
"""Nor may what its entries say grow beyond this: the rest is for a timer, which may always be stopped."""

MAX_ENTRY_BYTES = 24 * 1024


class TaskFullError(ConflictError):
    """The task holds as many entries as a task can."""

    code = DocumentFullError.code
    detail = f"The task holds {MAX_ENTRIES:,} time entries, which is the most: go on in a new task."


async def require_timer_capacity(task: Row) -> None:
    """Raises TaskFullError when the last place is taken."""
    if task["entry_count"] >= MAX_ENTRIES:
        raise TaskFullError
    await _require_bytes(task, MAX_TASK_BYTES)


async def require_entry_capacity(task: Row) -> None:
    """Raises TaskFullError when only the last place is free, which is a timer's."""
    if task["entry_count"] >= MAX_ENTRIES - 1:
        raise TaskFullError(
            f"The task holds {task['entry_count']:,} time entries, and the last place is kept for a timer: "
            "go on in a new task."
        )
    await _require_bytes(task, MAX_TASK_BYTES)


async def require_update_capacity(task: Row, entry: Row, changed: Row) -> None:
    """Raises TaskFullError when the entry would grow although its task is as large as it may be."""
    if len(changed["note"] or "") > len(entry["note"] or "") or len(changed["tags"]) > len(entry["tags"]):
        await _require_bytes(task, MAX_UPDATED_TASK_BYTES)


async def _require_bytes(task: Row, most: int) -> None:
    if task["entry_count"] * MAX_ENTRY_BYTES < most:
        return  # whatever they say
    sizes = await Task.sizes_in_bytes(task["user_id"], [task["_id"]])
    if sizes.get(task["_id"], 0) > most:
        raise TaskFullError(DocumentFullError.detail)
