"""Room for new entries in a task. The last hot entry is reserved for a timer, so that a stop is never refused."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bson import ObjectId

from app.errors import ConflictError
from documents.common.base import DocumentFullError, Row
from documents.tracking.page_turns import turn_page
from documents.tracking.tasks import MAX_HOT_ENTRIES, Task
from services.common.concurrency import retry_on_any_conflict, run_in_transaction

T = TypeVar("T")

MAX_TASK_BYTES = 15 * 1024 * 1024
"""A larger task accepts no new entries. The limit of a document is 16 MB; the rest is for other changes."""

MAX_UPDATED_TASK_BYTES = MAX_TASK_BYTES + 512 * 1024
"""The entries of a larger task must not grow. The rest is for a running timer, which can always be stopped."""

MAX_ENTRY_BYTES = 24 * 1024
"""The upper bound of an entry's size."""


class TaskFullError(ConflictError):
    """The task has reached the maximum number or size of its hot entries. Pages normally prevent that."""

    code = DocumentFullError.code
    detail = f"The task has {MAX_HOT_ENTRIES:,} time entries that are not in pages yet. Use a new task."


class PageDueError(Exception):
    """The hot entries of a task must be reduced before another one is added."""

    def __init__(self, task: Row) -> None:
        super().__init__()
        self.user_id: ObjectId = task["user_id"]
        self.task_id: ObjectId = task["_id"]
        self.version: int = task["version"]


class EntryRoom:
    """Makes room for the entries that a request adds. It turns at most one page of each task.

    A page is turned outside of the transaction of the request, which is then run again. A task with many hot
    entries from an earlier version is therefore reduced in steps, one with each request.
    """

    def __init__(self) -> None:
        self._versions_before: dict[ObjectId, int] = {}

    async def retry_transaction(self, user_id: ObjectId, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """Retry `attempt` in a transaction until it succeeds. Turn the pages that it requires."""
        return await retry_on_any_conflict(user_id, lambda: self.run(lambda: run_in_transaction(attempt)))

    async def run(self, attempt: Callable[[], Awaitable[T | None]]) -> T | None:
        """Run `attempt` and return its result. Turn the page that it requires, and run it again.

        Return None if the task has changed before its page was turned. As one attempt of a retry, this needs one turn:
        requests that change the task without adding entries would otherwise come between again and again.
        """
        while True:
            try:
                return await attempt()
            except PageDueError as due:
                if not await turn_page(due.user_id, due.task_id, version=due.version):
                    return None
                self._versions_before[due.task_id] = due.version

    def checked_version(self, task: Row) -> int:
        """Return the version that If-Match applies to. The page that this request has turned does not count."""
        before = self._versions_before.get(task["_id"])
        return before if before is not None and task["version"] == before + 1 else int(task["version"])

    async def require_for_timer(self, task: Row) -> None:
        """Require room for the entry of a timer. Raises PageDueError or TaskFullError."""
        await self._require(task, MAX_HOT_ENTRIES)

    async def require_for_entry(self, task: Row) -> None:
        """Require room for an entry besides the one reserved for a timer. Raises PageDueError or TaskFullError."""
        await self._require(task, MAX_HOT_ENTRIES - 1)

    async def _require(self, task: Row, max_entries: int) -> None:
        if task["hot_count"] >= Task.hot_entries and task["_id"] not in self._versions_before:
            raise PageDueError(task)
        if task["hot_count"] >= max_entries:
            raise TaskFullError
        await _require_bytes(task, MAX_TASK_BYTES)


async def require_update_capacity(task: Row, entry: Row, changed: Row) -> None:
    """Raise TaskFullError when a hot entry would grow in a task that has reached its maximum size."""
    if len(changed["note"] or "") > len(entry["note"] or "") or len(changed["tags"]) > len(entry["tags"]):
        await _require_bytes(task, MAX_UPDATED_TASK_BYTES)


async def _require_bytes(task: Row, max_bytes: int) -> None:
    if task["hot_count"] * MAX_ENTRY_BYTES < max_bytes:
        return  # too few entries to exceed the limit: saves a query
    sizes = await Task.sizes_in_bytes(task["user_id"], [task["_id"]])
    if sizes.get(task["_id"], 0) > max_bytes:
        raise TaskFullError(DocumentFullError.detail)
