"""The lease of an import: one process at a time works on the imports of a user, and others wait for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from bson import ObjectId

from app.clock import aware_utc, utc_now
from app.security.tokens import InvalidTokenError
from documents.accounts.users import User
from documents.common.base import DuplicateError, Row
from documents.tracking.tasks import Task
from documents.transfer.import_batches import LEASE_DURATION, ImportBatch, ImportFormat, ImportState
from services.common.concurrency import retry_long_transaction
from services.transfer.imports.changes import import_interrupted

T = TypeVar("T")

RENEW_SECONDS = 2.0
RELEASE_TIMEOUT_SECONDS = 1.0
"""How long an import that ends by an error tries to release its lease."""

POLL_SECONDS = 0.2
"""How often a waiting import checks whether the lease is free."""


_writing: set[ObjectId] = set()
"""The imports of which this process is writing a part."""


class LeaseLostError(Exception):
    """The lease expired and another process has taken over the import, or the import was deleted."""


@asynccontextmanager
async def lease_for_upload(
    user_id: ObjectId,
    *,
    format: ImportFormat,  # noqa: A002 -- the name of the field
    digest: str,
) -> AsyncIterator[Row]:
    """Wait for the lease, and yield the import of this file: a new one, or an interrupted one of the same file.

    If the block raises an error, the import is interrupted.
    """

    async def begin() -> Row | None:
        unfinished = await ImportBatch.find_unfinished(user_id, digest)
        if unfinished is not None:
            return await _acquire(unfinished, "under_way")
        return await add_import(ImportBatch.new(user_id, format=format, digest=digest))

    def is_same(leased: Row) -> bool:
        return bool(leased["digest"] == digest and leased["state"] == "under_way")

    async with _keep_lease(await _wait_for_lease(user_id, begin, is_same, "under_way"), "interrupted") as batch:
        yield batch


@asynccontextmanager
async def lease_background_import(user_id: ObjectId, import_id: ObjectId) -> AsyncIterator[Row]:
    """Wait for the lease, and yield this background import.

    Raises LeaseLostError if the import has ended or another process works on it.
    """

    async def begin() -> Row | None:
        batch = await ImportBatch.find(user_id, import_id)
        if batch is None or "background" not in batch:
            raise LeaseLostError
        return await _acquire(batch, "under_way")

    def is_same(leased: Row) -> bool:
        return bool(leased["_id"] == import_id and "background" in leased)

    async with _keep_lease(await _wait_for_lease(user_id, begin, is_same, "under_way"), "interrupted") as batch:
        yield batch


@asynccontextmanager
async def lease_for_undo(user_id: ObjectId, import_id: ObjectId) -> AsyncIterator[Row]:
    """Wait for the lease, and yield this import. Raises LeaseLostError if it does not exist any more."""

    async def begin() -> Row | None:
        batch = await ImportBatch.find(user_id, import_id)
        if batch is None:
            raise LeaseLostError
        return await _acquire(batch, "being_undone")

    def is_same(leased: Row) -> bool:
        return bool(leased["_id"] == import_id)

    async with _keep_lease(await _wait_for_lease(user_id, begin, is_same, "being_undone"), "being_undone") as batch:
        yield batch


async def remove_expired_leases() -> None:
    """Wait until the leases that exist now have expired or were renewed. Remove those that have expired.

    A crash has left them. The changes of these imports are recorded then.
    """
    for leased in await ImportBatch.find_all_leased():
        expires_at = aware_utc(leased["taken_at"]) + LEASE_DURATION
        await asyncio.sleep(max(0.0, (expires_at - utc_now()).total_seconds()))
        await _remove_expired(leased)  # only if it was not renewed


async def add_import(batch: ImportBatch) -> Row | None:
    """Store a new import. Returns None if another import of the user has the lease, or on a write conflict.

    Raises InvalidTokenError if the account is being deleted: a deletion removes only what was stored before it began.
    """

    async def attempt() -> Row:
        if not await User.lock(batch.user_id):
            raise InvalidTokenError
        return await batch.add()

    try:
        return await ImportBatch.run_in_transaction(attempt)
    except DuplicateError:
        return None


async def require_lease(update: Awaitable[object]) -> None:
    """Await an update of the import. Raises LeaseLostError if it did not match."""
    if not await update:
        raise LeaseLostError


async def write_part(
    batch: Row, attempt: Callable[[], Awaitable[T | None]], *, task_ids: Collection[ObjectId] = ()
) -> T:
    """Write a part of the import in one transaction, which also renews the lease. Raises LeaseLostError.

    The transaction renews the lease at its beginning. Until it ends, no other process can take the import over: that
    update would conflict. A renewal in the background would conflict with the transaction, so there is none.

    After a conflict the part can take seconds. Other requests of the user do not wait for its turn. A retry locks the
    tasks with `task_ids` first, which the part changes. A change of these tasks waits for it, and then those behind it.

    Raises DatabaseUnavailableError after too many conflicts.
    """

    async def leased_attempt() -> T | None:
        await require_lease(ImportBatch.renew_lease(batch))
        return await attempt()

    async def lock_tasks() -> None:
        for task_id in sorted(task_ids):  # in the same order in each process, which avoids deadlocks
            await Task.lock_by_id(batch["user_id"], task_id)

    _writing.add(batch["_id"])
    try:
        return await retry_long_transaction(batch["_id"], leased_attempt, lock=lock_tasks)
    finally:
        _writing.discard(batch["_id"])


async def _wait_for_lease(
    user_id: ObjectId,
    begin: Callable[[], Awaitable[Row | None]],
    is_same: Callable[[Row], bool],
    state: ImportState,
) -> Row:
    """Return the import that `begin` leases once no import of the user is leased.

    If the lease of the same import has expired, take it over. If another import's lease has expired, remove it.
    """
    while True:
        leased = await ImportBatch.find_leased(user_id)
        batch = None
        if leased is None:
            batch = await begin()
        elif not ImportBatch.is_leased(leased):
            if is_same(leased):
                batch = await _acquire(leased, state)
            else:
                await _remove_expired(leased)
        if batch is not None:
            return batch
        await asyncio.sleep(POLL_SECONDS)


async def _acquire(batch: Row, state: ImportState) -> Row | None:
    # In a transaction, so that it fails, instead of waiting for one that a killed process has left open.
    return await ImportBatch.run_in_transaction(lambda: ImportBatch.acquire_lease(batch, state))


async def _remove_expired(batch: Row) -> None:
    await ImportBatch.run_in_transaction(lambda: ImportBatch.remove_expired_lease(batch, import_interrupted))


@asynccontextmanager
async def _keep_lease(batch: Row, state_after_error: ImportState) -> AsyncIterator[Row]:
    """Renew the lease until the block ends. After an error or a cancellation, release it with this state."""
    renewing = asyncio.create_task(_renew_periodically(batch))
    try:
        yield batch
    except LeaseLostError:
        raise
    except (Exception, asyncio.CancelledError):
        with suppress(Exception):  # if this fails, the lease expires
            async with asyncio.timeout(RELEASE_TIMEOUT_SECONDS):
                await ImportBatch.release_lease(batch, state_after_error, import_interrupted)
        raise
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing


async def _renew_periodically(batch: Row) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        if batch["_id"] not in _writing:
            with suppress(Exception):  # the next attempt may succeed; otherwise the lease expires
                await ImportBatch.renew_lease(batch)
