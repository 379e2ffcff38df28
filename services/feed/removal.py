"""The removal of copied items from their outboxes, in the background: the relay copies the next items meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from bson import ObjectId

from documents.feed.outboxes import CopiedItems, Outbox, remove_items

MAX_DOCUMENTS = 40
MAX_WAIT_SECONDS = 0.5
"""From how many documents on the relay waits until their items are removed, and for how long. Otherwise its next batch
reads these items again, which costs more than a short wait. On a busy database a removal can take seconds."""

SLOW_SECONDS = 0.5
FAST_SECONDS = 0.2
MAX_COMMANDS = 8
"""Items are removed from the documents of a collection by one command, which makes many updates. On a busy database
each of them waits for other clients, so after a slow removal the next one has twice as many commands, with fewer
updates, at the same time. After a fast one it has half as many."""


class ItemRemoval:
    """Removes items that are stored as changes. If the process is killed before, the next relay finds them stored."""

    def __init__(self, on_refused: Callable[[Outbox], None]) -> None:
        """`on_refused` is called with the outbox of a document that the database refuses to change."""
        self._on_refused = on_refused
        self._commands = 1
        self._waiting: dict[Any, CopiedItems] = {}
        """By the id of the document."""
        self._in_progress = 0
        """The number of documents from which items are being removed."""
        self._task: asyncio.Task[None] | None = None
        self._ids: set[ObjectId] = set()

    @property
    def ids(self) -> frozenset[ObjectId]:
        """The items that may still be in their outboxes, although they are stored as changes."""
        return frozenset(self._ids)

    @property
    def is_in_progress(self) -> bool:
        """Whether items are being removed."""
        return self._task is not None and not self._task.done()

    def start(self, copied: Sequence[CopiedItems]) -> None:
        """Remove these items after those that are being removed. Raises the error of a removal that has failed."""
        for items in copied:
            self._ids.update(items.ids)
            earlier = self._waiting.get(items.outbox.document_id)
            self._waiting[items.outbox.document_id] = items if earlier is None else _joined(earlier, items)
        if self._waiting and not self.is_in_progress:
            if self._task is not None:
                self._task.result()
            self._task = asyncio.create_task(self._run())

    async def wait_if_many(self) -> None:
        """Wait shortly for the removal if many documents need it. Raises the error of a removal that has failed."""
        if self._task is None:
            return
        if self._in_progress + len(self._waiting) >= MAX_DOCUMENTS:
            await asyncio.wait({self._task}, timeout=MAX_WAIT_SECONDS)
        if self._task.done():
            await self.finish()

    async def finish(self) -> None:
        """Wait until all items are removed. Raises the error of a removal that has failed."""
        task, self._task = self._task, None
        if task is not None:
            await task

    def forget(self) -> None:
        """Do not continue. Items that are left are found again in their outboxes, and among the stored changes."""
        self._waiting.clear()
        self._ids.clear()
        self._in_progress = 0
        task, self._task = self._task, None
        if task is not None and not task.cancel() and not task.cancelled():
            task.exception()  # otherwise asyncio logs that nothing has read it

    async def _run(self) -> None:
        while self._waiting:
            copied, self._waiting = [*self._waiting.values()], {}
            self._in_progress = len(copied)
            await self._remove(copied)
            self._in_progress = 0
            for items in copied:
                self._ids.difference_update(items.ids)

    async def _remove(self, copied: Sequence[CopiedItems]) -> None:
        started_at = monotonic()
        for outbox in await remove_items(copied, commands=self._commands):
            self._on_refused(outbox)
        seconds = monotonic() - started_at
        if seconds > SLOW_SECONDS:
            self._commands = min(2 * self._commands, MAX_COMMANDS)
        elif seconds < FAST_SECONDS:
            self._commands = max(1, self._commands // 2)


def _joined(earlier: CopiedItems, later: CopiedItems) -> CopiedItems:
    """Return the items of two batches from the outbox of one document, as if one batch had read all of them."""
    outbox = replace(later.outbox, size=len(earlier.ids) + later.outbox.size)
    return CopiedItems(outbox, [*earlier.ids, *later.ids])
