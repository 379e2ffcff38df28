"""Streaming all tasks of a user with their entries, for the account file."""

from collections.abc import Iterator
from contextlib import aclosing
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO

import bson
from bson import ObjectId

from app.database.cancellation import keep_cancellation
from documents.common.base import Row
from documents.common.transactions import current_session
from documents.tracking.entries import entry_order
from documents.tracking.pages import TaskPage
from documents.tracking.queries.paged_rows import read_unchanged
from documents.tracking.tasks import Task
from documents.transfer.export_queries import ENTRIES_PER_BATCH, ROWS_PER_BATCH, Batches, read_batches
from documents.transfer.task_batches import split_by_entry_count

PAGES_PER_QUERY = 2
"""Decoding more pages at once would block the event loop."""

MAX_ENTRIES_IN_ORDER = 10_000
"""Entries of pages whose time ranges overlap are sorted up to this number, which bounds the memory."""

_MEMORY_BYTES = 1024 * 1024


async def stream_tasks(user_id: ObjectId) -> Batches:
    """Yield the user's tasks with their entries, including the trash, oldest first. A batch has few entries.

    A task without pages is one row. A task with pages is a row without entries, followed by rows with its `task_id`
    and some of its `entries`: the ended ones by start, then the running one.
    """
    order = [("created_at", 1), ("_id", 1)]
    cursor = Task.collection().find({"user_id": user_id}, {"entry_count": 1}, batch_size=ROWS_PER_BATCH).sort(order)
    async with aclosing(read_batches(user_id, cursor, ROWS_PER_BATCH)) as batches:
        async for batch in batches:
            for ids in split_by_entry_count(batch, ENTRIES_PER_BATCH):
                with_entries = Task.collection().find({"_id": {"$in": ids}, "user_id": user_id})
                async with aclosing(read_batches(user_id, with_entries, ROWS_PER_BATCH)) as parts:
                    tasks = {task["_id"]: task async for part in parts for task in part}
                unpaged: list[Row] = []
                for task in (tasks[task_id] for task_id in ids if task_id in tasks):
                    if not task.get("pages"):
                        unpaged.append(task)
                        continue
                    yield unpaged
                    unpaged = []
                    async with aclosing(_stream_paged_task(user_id, task["_id"])) as parts:
                        async for part in parts:
                            yield part
                yield unpaged


async def _stream_paged_task(user_id: ObjectId, task_id: ObjectId) -> Batches:
    """Yield the task, and its entries, all as they were at one moment.

    The pages are stored in a temporary file until all are read, because the client may read the file slowly.
    """
    with SpooledTemporaryFile(_MEMORY_BYTES) as file:
        pages = _PageFile(file)

        async def read() -> tuple[Row | None, list[Row]]:
            found = Task.collection().find_one({"_id": task_id, "user_id": user_id}, session=current_session())
            task = await keep_cancellation(found)
            page_ids = [] if task is None else task.get("pages") or []
            pages.clear()
            for first in range(0, len(page_ids), PAGES_PER_QUERY):
                condition = {"_id": {"$in": page_ids[first : first + PAGES_PER_QUERY]}, "user_id": user_id}
                cursor = TaskPage.collection().find(condition, session=current_session())
                async with aclosing(read_batches(user_id, cursor, PAGES_PER_QUERY)) as batches:
                    async for batch in batches:
                        pages.add_all(batch)
            return task, [task] if task is not None and page_ids else []

        task = await read_unchanged(read)
        if task is None:
            return
        running = [task.pop("active")] if "active" in task else []
        hot, task["time_entries"] = task["time_entries"], []
        yield [task]
        for entries in pages.merge(hot):
            yield [{"task_id": task_id, "entries": entries}]
        yield [{"task_id": task_id, "entries": running}]


class _PageFile:
    """The pages of a task in a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._pages: list[tuple[datetime, int, int]] = []
        """The first start of each page, its position in the file, and its size."""

    def clear(self) -> None:
        """Remove all pages."""
        self._pages.clear()
        self._file.seek(0)
        self._file.truncate()

    def add_all(self, pages: list[Row]) -> None:
        """Add these pages."""
        for page in pages:
            content = bson.encode({"entries": page["entries"]})
            self._pages.append((page["first_started_at"], self._file.tell(), len(content)))
            self._file.write(content)

    def merge(self, entries: list[Row]) -> Iterator[list[Row]]:
        """Yield these entries and those of all pages, by start, in lists of limited size.

        A page is read when all entries that start before it have been yielded. So entries are out of order only if
        more than MAX_ENTRIES_IN_ORDER are in pages whose time ranges overlap.
        """
        pages = sorted(self._pages)
        waiting = sorted(entries, key=entry_order)
        for number, (_, position, size) in enumerate(pages, 1):
            self._file.seek(position)
            waiting = sorted([*waiting, *bson.decode(self._file.read(size))["entries"]], key=entry_order)
            next_start = pages[number][0] if number < len(pages) else datetime.max  # noqa: DTZ901 -- naive UTC
            ready = sum(entry["started_at"] < next_start for entry in waiting)
            ready = max(ready, len(waiting) - MAX_ENTRIES_IN_ORDER)
            yield from _split(waiting[:ready])
            waiting = waiting[ready:]
        yield from _split(waiting)


def _split(entries: list[Row]) -> Iterator[list[Row]]:
    for first in range(0, len(entries), ENTRIES_PER_BATCH):
        yield entries[first : first + ENTRIES_PER_BATCH]
