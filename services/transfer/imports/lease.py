"""One import of a user at a time: whoever is at one says so every two seconds, and is waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from bson import ObjectId

from app.security.tokens import InvalidTokenError
from documents.accounts.users import User
from documents.common.base import DuplicateError, Row
from documents.transfer.import_batches import ImportBatch, ImportFormat, ImportState
from services.common.concurrency import retry_transaction

T = TypeVar("T")

BEAT_SECONDS = 2.0
MAX_REST_SECONDS = 6.0
"""How long nothing is said while a part is written: shorter than others wait before they take the import over."""

FAREWELL_SECONDS = 1.0
"""How long an import that ends by an error waits for the database to hear of it."""

LOOK_SECONDS = 0.2
"""How often who waits looks whether it is their turn."""


_writing: set[ObjectId] = set()
"""The imports of which a part is being written in this process."""


class ImportTakenOverError(Exception):
    """Another has taken the import over, since nothing was heard for too long: nothing more may be written."""


@asynccontextmanager
async def reading_in(user_id: ObjectId, *, format: ImportFormat, digest: str) -> AsyncIterator[Row]:  # noqa: A002
    """The import of this file, in the hands of the caller: a new one, or one that was interrupted.

    Waits while another import of the user is under way. What ends here by an error is interrupted.
    """

    async def begin() -> Row | None:
        unfinished = await ImportBatch.find_unfinished(user_id, digest)
        if unfinished is not None:
            return await _taken(unfinished, "under_way")
        return await add_import(ImportBatch.new(user_id, format=format, digest=digest))

    def goes_on(held: Row) -> bool:
        return bool(held["digest"] == digest and held["state"] == "under_way")

    async with _held(await _in_turn(user_id, begin, goes_on, "under_way"), "interrupted") as batch:
        yield batch


@asynccontextmanager
async def going_on(user_id: ObjectId, import_id: ObjectId) -> AsyncIterator[Row]:
    """This import that nobody waits for, in the hands of the caller once it is its turn.

    Raises ImportTakenOverError when it is not to be read in any more, or another does it.
    """

    async def begin() -> Row | None:
        found = await ImportBatch.find(user_id, import_id)
        if found is None or "background" not in found:
            raise ImportTakenOverError
        return await _taken(found, "under_way")

    def goes_on(held: Row) -> bool:
        return bool(held["_id"] == import_id and "background" in held)

    async with _held(await _in_turn(user_id, begin, goes_on, "under_way"), "interrupted") as batch:
        yield batch


@asynccontextmanager
async def taking_back(user_id: ObjectId, import_id: ObjectId) -> AsyncIterator[Row]:
    """This import of the user, in the hands of the caller. Waits like the other.

    Raises ImportTakenOverError when there is none any more.
    """

    async def begin() -> Row | None:
        found = await ImportBatch.find(user_id, import_id)
        if found is None:
            raise ImportTakenOverError
        return await _taken(found, "being_undone")

    def goes_on(held: Row) -> bool:
        return bool(held["_id"] == import_id)

    async with _held(await _in_turn(user_id, begin, goes_on, "being_undone"), "being_undone") as batch:
        yield batch


async def add_import(batch: ImportBatch) -> Row | None:
    """Store a new import. Returns None if another import of the user holds the lease, or on a write conflict.

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


async def require_hold(kept: Awaitable[object]) -> None:
    """Raises ImportTakenOverError when a change of the import has found it in other hands."""
    if not await kept:
        raise ImportTakenOverError


async def written_as_one(batch: Row, attempt: Callable[[], Awaitable[T | None]]) -> T:
    """What a part of the import answers, once all that it writes is kept. Raises as settled_as_one does.

    The part changes the import as well, and so says that somebody is at it. Nobody else says it meanwhile: that
    would undo each try of a part that takes longer than the time between two beats.
    """
    _writing.add(batch["_id"])
    try:
        return await retry_transaction(attempt)
    finally:
        _writing.discard(batch["_id"])


async def _in_turn(
    user_id: ObjectId,
    begin: Callable[[], Awaitable[Row | None]],
    goes_on: Callable[[Row], bool],
    state: ImportState,
) -> Row:
    """What `begin` answers, once nobody is at an import of the user; or the one that is to go on after a crash."""
    while True:
        held = await ImportBatch.find_held(user_id)
        mine = None
        if held is None:
            mine = await begin()
        elif not ImportBatch.is_held(held):
            if goes_on(held):
                mine = await _taken(held, state)
            else:
                await _leave(held)
        if mine is not None:
            return mine
        await asyncio.sleep(LOOK_SECONDS)


async def _taken(batch: Row, state: ImportState) -> Row | None:
    """The import in the hands of the caller.

    A transaction of its own gives way to one that a process which was killed has left open.
    """
    return await ImportBatch.run_in_transaction(lambda: ImportBatch.take(batch, state))


async def _leave(batch: Row) -> None:
    """Makes an import nobody's of whose holder nothing has been heard for long."""
    await ImportBatch.run_in_transaction(lambda: ImportBatch.interrupt(batch))


@asynccontextmanager
async def _held(batch: Row, left: ImportState) -> AsyncIterator[Row]:
    beating = asyncio.create_task(_beat(batch))
    try:
        yield batch
    except ImportTakenOverError:
        raise
    except (Exception, asyncio.CancelledError):
        with suppress(Exception):  # when even that fails, the next try takes it over after a while
            async with asyncio.timeout(FAREWELL_SECONDS):
                await ImportBatch.let_go(batch, left)
        raise
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _beat(batch: Row) -> None:
    rested = 0.0
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        if batch["_id"] in _writing and rested < MAX_REST_SECONDS:
            rested += BEAT_SECONDS
            continue
        rested = 0.0
        with suppress(Exception):  # the next may come through; if none does, the import is taken over
            await ImportBatch.keep_hold(batch)
