"""The limits of a task's size. The last entry is reserved for a timer, so that a stop is never refused."""

from app.errors import ConflictError
from documents.common.base import DocumentFullError, Row
from documents.tracking.tasks import MAX_ENTRIES, Task

MAX_TASK_BYTES = 15 * 1024 * 1024
"""A larger task accepts no new entries. The limit of a document is 16 MB; the rest is for other changes."""

MAX_UPDATED_TASK_BYTES = MAX_TASK_BYTES + 512 * 1024
"""The entries of a larger task must not grow. The rest is for a running timer, which can always be stopped."""

MAX_ENTRY_BYTES = 24 * 1024
"""The upper bound of an entry's size."""


class TaskFullError(ConflictError):
    """The task has reached the maximum number or size of its entries."""

    code = DocumentFullError.code
    detail = f"The task has the maximum of {MAX_ENTRIES:,} time entries. Use a new task."


async def require_timer_capacity(task: Row) -> None:
    """Raise TaskFullError when the task has no space for another entry."""
    if task["entry_count"] >= MAX_ENTRIES:
        raise TaskFullError
    await _require_bytes(task, MAX_TASK_BYTES)


async def require_entry_capacity(task: Row) -> None:
    """Raise TaskFullError when the task has no space for an entry besides the one reserved for a timer."""
    if task["entry_count"] >= MAX_ENTRIES - 1:
        raise TaskFullError(
            f"The task has {task['entry_count']:,} time entries, and the last one is reserved for a timer. "
            "Use a new task."
        )
    await _require_bytes(task, MAX_TASK_BYTES)


async def require_update_capacity(task: Row, entry: Row, changed: Row) -> None:
    """Raise TaskFullError when the entry would grow in a task that has reached its maximum size."""
    if len(changed["note"] or "") > len(entry["note"] or "") or len(changed["tags"]) > len(entry["tags"]):
        await _require_bytes(task, MAX_UPDATED_TASK_BYTES)


async def _require_bytes(task: Row, max_bytes: int) -> None:
    if task["entry_count"] * MAX_ENTRY_BYTES < max_bytes:
        return  # too few entries to exceed the limit: saves a query
    sizes = await Task.sizes_in_bytes(task["user_id"], [task["_id"]])
    if sizes.get(task["_id"], 0) > max_bytes:
        raise TaskFullError(DocumentFullError.detail)
