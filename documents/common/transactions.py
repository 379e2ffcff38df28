"""Several changes as one: all of them are kept, or none."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TypeVar

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from app.database.client import Client
from app.database.deadlines import with_deadline
from app.errors import DatabaseUnavailableError

T = TypeVar("T")

_ENDING_SECONDS = 0.5
"""How long a transaction that is given up waits for the database to hear of it."""

_NO_SUCH_TRANSACTION = 251

_WRITE_CONFLICTS = {112, 16777220}
"""MongoDB labels a write conflict as transient. Other engines that speak its protocol only give its code, the second
one for PostgreSQL's own."""

_under_way: ContextVar[AsyncIOMotorClientSession | None] = ContextVar("transaction_under_way", default=None)


class WriteConflictError(Exception):
    """What a transaction has read is no longer so: it is to be tried again from its beginning."""


def current_session() -> AsyncIOMotorClientSession | None:
    """The session of the transaction that the caller is part of, or None. Every call of the driver takes it."""
    return _under_way.get()


async def transaction(client: Client, work: Callable[[], Awaitable[T | None]]) -> T | None:
    """What `work` answers, once all that it wrote is kept.

    None says that nothing was kept: `work` answered None, or another change came in between. Inside
    of another transaction the work is a part of that one. Raises whatever `work` raises, and then
    nothing was kept either.
    """
    if _under_way.get() is not None:
        return await work()
    session = await with_deadline(client.start_session())
    mark = _under_way.set(session)
    try:
        session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority"))
        answer = await work()
        if answer is not None:
            await _commit(session)
    except WriteConflictError:
        return None
    except PyMongoError as error:
        if not _is_another_change(error):
            raise
        return None
    else:
        return answer
    finally:
        _under_way.reset(mark)
        await _end(session)


def _is_another_change(error: PyMongoError) -> bool:
    """Whether a transaction was given up since another one changed the same: it may be done again."""
    if isinstance(error, ConnectionFailure):
        return False
    if error.has_error_label("TransientTransactionError"):
        return True
    if isinstance(error, BulkWriteError):
        return any(wrong["code"] in _WRITE_CONFLICTS for wrong in error.details.get("writeErrors", ()))
    return isinstance(error, OperationFailure) and error.code in _WRITE_CONFLICTS


async def _commit(session: AsyncIOMotorClientSession) -> None:
    """Keeps what was written. Raises DatabaseUnavailableError when nobody can tell whether it was kept.

    The driver asks twice. An embedded store that has died in between knows nothing of the transaction any more, kept
    or not: then it is not to be done again.
    """
    try:
        await with_deadline(session.commit_transaction())
    except OperationFailure as error:
        if error.code != _NO_SUCH_TRANSACTION:
            raise
        raise DatabaseUnavailableError from error


async def _end(session: AsyncIOMotorClientSession) -> None:
    """Gives up what was not committed, so that nobody waits for it; a silent database gives it up by itself."""
    with suppress(PyMongoError, TimeoutError):
        async with asyncio.timeout(_ENDING_SECONDS):
            await session.end_session()
