"""The relay: copies the changes from the outboxes to the feeds. One process of all does it at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from datetime import timedelta
from time import monotonic
from typing import Any

import structlog
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import DuplicateError, Row
from documents.common.leases import CHANGE_RELAY, Lease
from documents.feed.changes import Change, RefusedChangeError
from documents.feed.feed_states import MAX_UNRECORDED_BATCHES, FeedState
from documents.feed.outboxes import Outbox, has_outbox_items, read_outboxes
from documents.registry import OUTBOX_DOCUMENTS
from services.common.outages import Outages
from services.feed.batches import CHANGE_FIELDS, Batch, is_valid, make_batch
from services.feed.removal import ItemRemoval
from services.feed.sequence import newest_seq

LEASE_DURATION = timedelta(seconds=3)
RENEW_SECONDS = 1.0
POLL_SECONDS = 0.25
"""How often the process that has the lease looks for changes."""

GATHER_SECONDS = 0.2
"""How long it waits after it has seen a change: a batch costs much, and a change more in it costs little."""

BATCH_SECONDS = POLL_SECONDS + GATHER_SECONDS
"""The time from the beginning of a batch to that of the next one while there are changes. It then does not look for
them first."""

MIN_PAUSE_SECONDS = 0.05
"""The pause after a batch on a slow database."""

ACQUIRE_SECONDS = 1.0
"""How often the other processes try to acquire the lease."""

RETRY_SECONDS = 1.0
"""The pause after an error of the database."""

SKIP_SECONDS = 60.0
"""How long the relay leaves out documents whose outbox it cannot copy, before it tries them again."""

SHUTDOWN_SECONDS = 2.0
"""How long the end of the service waits for the current batch and the release of the lease."""

MAX_OUTBOXES = 200
MAX_ITEMS = 100
"""The size of a batch: the number of outboxes, and that of the items of each."""

MAX_DIVISOR = 16
"""After a failure a batch is smaller, at most by this factor: on a slow database a large one would fail each time."""

MAX_KNOWN_USERS = 10_000
"""For how many users the relay stores the last `seq` in memory."""

RECORD_SECONDS = 2.0
"""How long after the last batch the relay records `last_seq` in FeedState, unless there were many batches."""

log = structlog.get_logger()


class LeaseLostError(Exception):
    """Another process has acquired the lease."""


class ChangeRelay:
    """The relay of a process: it copies changes while it has the lease, and tries to acquire the lease otherwise.

    Each item is copied once, although the process may be killed, or lose the lease, between any two commands. The id of
    a change is that of its item, and a unique index covers the user and the `seq`. So a process that has lost the lease
    cannot store a change again: it stops at the first DuplicateError.
    """

    def __init__(self, *, retention: timedelta) -> None:
        self._retention = retention
        self._lease: Row | None = None
        self._renewed_at = 0.0
        self._last_seqs: dict[ObjectId, int] = {}
        """The last `seq` of each user, as far as this process knows it."""
        self._must_compare = True
        """Whether items in the outboxes may be stored as changes already, since a batch was interrupted."""
        self._unrecorded: dict[ObjectId, int] = {}
        """The last `seq` of the users whose FeedState does not have it yet."""
        self._recorded_position = 0
        """FeedState has the changes of all batches before this one."""
        self._last_batch_at = 0.0
        self._has_begun = False
        """Whether the position in the lease is that of a batch which has no changes yet."""
        self._has_work = False
        """Whether outboxes have items, as far as is known: then the next cycle relays a batch."""
        self._divisor = 1
        self._removal = ItemRemoval(self._skip)
        self._skipped: set[Any] = set()
        """The ids of the documents whose outbox cannot be copied."""
        self._skipped_at = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Relay changes until the block ends, then release the lease."""
        stopping = asyncio.Event()
        task = asyncio.create_task(self._run(stopping), context=Context())  # without the context of a request
        try:
            yield
        finally:
            stopping.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(task, SHUTDOWN_SECONDS)

    async def _run(self, stopping: asyncio.Event) -> None:
        outages = Outages("changes_not_relayed")
        while not stopping.is_set():
            pause = RETRY_SECONDS
            with outages.logged():
                pause = await self.run_cycle()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)
        with suppress(Exception):  # otherwise the lease expires, and the next process records last_seq
            await self.release()

    async def release(self) -> None:
        """Release the lease, so that another process can acquire it at once."""
        await self._removal.finish()
        if self._lease is not None:
            await self._record_last_seqs()
            await Lease.release(self._lease)
            self._lease = None

    async def run_cycle(self) -> float:
        """Look for changes, or relay a batch of those seen, if this process has the lease.

        Returns the seconds until the next cycle. Without changes it is one command for each collection with outboxes.
        Another one renews the lease, once a second.
        """
        try:
            if not await self._has_lease():
                return ACQUIRE_SECONDS
            self._forget_skipped()
            await self._removal.wait_if_many()
            if self._has_work:
                return await self._relay_batch()
            self._has_work = await has_outbox_items(OUTBOX_DOCUMENTS, skipped=self._skipped)
            if self._has_work:
                return GATHER_SECONDS
            if monotonic() >= self._last_batch_at + RECORD_SECONDS:
                await self._record_last_seqs()
        except (LeaseLostError, DuplicateError):
            self._distrust()
        except BaseException:
            self._distrust()
            raise
        return POLL_SECONDS

    async def _has_lease(self) -> bool:
        if self._lease is not None and monotonic() < self._renewed_at + RENEW_SECONDS:
            return True
        started_at = monotonic()
        if self._lease is None or not await Lease.renew(self._lease, LEASE_DURATION):
            self._distrust()
            self._lease = await self._acquire()
        self._renewed_at = started_at
        return self._lease is not None

    async def _acquire(self) -> Row | None:
        lease = await Lease.acquire(CHANGE_RELAY, LEASE_DURATION)
        if lease is None:
            return None
        if lease["position"] == 0:  # the first lease, also after the restore of a backup
            await Lease.set_position(lease, await Change.find_newest_position())
        if lease["announced"] < lease["position"]:  # the last batch may have been interrupted
            await Lease.announce(lease, LEASE_DURATION)
        first = lease["position"] - MAX_UNRECORDED_BATCHES - 1  # the process before may not have recorded these
        self._unrecorded = await Change.find_last_seqs_from_position(first)
        self._recorded_position = first
        return lease

    def _distrust(self) -> None:
        """Compare the next batch with the database: another process may have stored changes."""
        self._last_seqs.clear()
        self._must_compare = True
        self._has_begun = self._has_work = False
        self._removal.forget()
        self._divisor = min(4 * self._divisor, MAX_DIVISOR)

    def _forget_skipped(self) -> None:
        if monotonic() >= self._skipped_at + SKIP_SECONDS:
            self._skipped.clear()

    def _skip(self, outbox: Outbox) -> None:
        if not self._skipped:
            self._skipped_at = monotonic()
        self._skipped.add(outbox.document_id)
        log.error("outbox_skipped", collection=outbox.document.Settings.name, id=str(outbox.document_id))

    async def _relay_batch(self) -> float:
        """Relay the first items of the oldest outboxes. Return the seconds until the next batch, or the next look."""
        started_at = monotonic()
        limit, max_items = (max(1, size // self._divisor) for size in (MAX_OUTBOXES, MAX_ITEMS))
        removing = self._removal.ids  # before the outboxes are read
        outboxes = await read_outboxes(OUTBOX_DOCUMENTS, limit=limit + 1, max_items=max_items, skipped=self._skipped)
        valid = []
        for outbox in outboxes:
            if is_valid(outbox):
                valid.append(outbox)
            else:
                self._skip(outbox)
        batch = make_batch(valid, limit=limit, removing=removing)
        try:
            await self._copy(batch)
        except RefusedChangeError:
            await self._copy_one_by_one(valid)
            return 0.0
        if batch.has_more or len(valid) < len(outboxes):
            if not batch.outboxes:
                await self._removal.finish()  # the items that were read are those that are being removed
            return 0.0
        self._has_work = bool(batch.outboxes)
        if not self._has_work:
            return POLL_SECONDS
        return max(MIN_PAUSE_SECONDS, BATCH_SECONDS - (monotonic() - started_at))

    async def _copy_one_by_one(self, outboxes: list[Outbox]) -> None:
        """Copy each outbox as a batch of its own, and skip those that the database refuses."""
        for outbox in outboxes:
            self._distrust()
            try:
                await self._copy(make_batch([outbox], limit=1))
                await self._removal.finish()
            except RefusedChangeError:
                self._skip(outbox)

    async def _copy(self, batch: Batch) -> None:
        """Store the items of the batch as changes, announce them, and remove them from the outboxes."""
        if not batch.outboxes:
            return
        position = await self._begin()
        if position > self._recorded_position + MAX_UNRECORDED_BATCHES:
            await self._record_last_seqs()
        if changes := await self._new_changes(batch, position):
            await Change.add_in_order(changes)
        self._unrecorded |= {user_id: self._last_seqs[user_id] for user_id, _ in batch.items}
        self._removal.start(batch.outboxes)
        await self._announce()
        self._must_compare &= batch.has_more
        self._last_batch_at = monotonic()
        self._divisor = max(1, self._divisor // 2)

    async def _record_last_seqs(self) -> None:
        """Record the last `seq` of each user, before the changes expire."""
        if self._unrecorded:
            await FeedState.raise_last_seqs(self._unrecorded)
            self._unrecorded = {}
        if self._lease is not None:
            self._recorded_position = self._lease["position"]

    async def _begin(self) -> int:
        """Return the position of the new batch. Usually the end of the last one has begun it. Raises LeaseLostError."""
        started_at = monotonic()
        if self._lease is not None and self._has_begun and started_at < self._renewed_at + RENEW_SECONDS:
            self._has_begun = False
            position: int = self._lease["position"]
            return position
        begun = None if self._lease is None else await Lease.begin_batch(self._lease, LEASE_DURATION)
        if begun is None:
            self._lease = None
            raise LeaseLostError
        self._renewed_at = started_at
        return begun

    async def _announce(self) -> None:
        """Announce that the changes of the batch are stored, and begin the next batch. Raises LeaseLostError."""
        started_at = monotonic()
        if self._lease is None or not await Lease.announce(self._lease, LEASE_DURATION):
            self._lease = None
            raise LeaseLostError
        self._renewed_at = started_at
        self._has_begun = True

    async def _new_changes(self, batch: Batch, position: int) -> list[Row]:
        """Return the changes of the items that are not stored yet."""
        seen: set[ObjectId] = set()
        if self._must_compare and batch.items:
            seen = await Change.find_stored([item["id"] for _, item in batch.items])
            if seen:
                await Change.set_position(seen, position)  # for followers who have read the batch they were in
        if len(self._last_seqs) > MAX_KNOWN_USERS:
            self._last_seqs.clear()
        expires_at = naive_utc(utc_now()) + self._retention
        changes = []
        for user_id, item in batch.items:
            if user_id not in self._last_seqs:
                self._last_seqs[user_id] = await newest_seq(user_id)
            if item["id"] in seen:
                continue
            seen.add(item["id"])
            self._last_seqs[user_id] += 1
            change = {"_id": item["id"], "user_id": user_id, "seq": self._last_seqs[user_id], "position": position}
            changes.append({**change, "expires_at": expires_at, **{name: item[name] for name in CHANGE_FIELDS}})
        return changes
