"""Transactions: several writes that are committed together or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TypeVar

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from app.database.cancellation import keep_cancellation
from app.database.client import Client
from app.errors import DatabaseUnavailableError

T = TypeVar("T")

_ABORT_TIMEOUT_SECONDS = 0.5

_NO_SUCH_TRANSACTION = 251

_WRITE_CONFLICT_CODES = {112, 16777220}
"""MongoDB labels a write conflict as a transient transaction error. Other servers that implement its protocol may
only send the code. The second one is that of a server on PostgreSQL."""

_session: ContextVar[AsyncClientSession | None] = ContextVar("transaction_session", default=None)


class WriteConflictError(Exception):
    """Data that the transaction has read was changed by others. The transaction must be retried from its beginning."""


def current_session() -> AsyncClientSession | None:
    """Return the session of the current transaction, or None. Pass it to every call of the driver."""
    return _session.get()


async def transaction(client: Client, work: Callable[[], Awaitable[T | None]]) -> T | None:
    """Run `work` in a transaction, commit it, and return its result.

    The transaction is aborted, and None is returned, when `work` returns None or when a concurrent write
    conflicts with it. An exception of `work` aborts it too, and is raised. Inside another transaction, `work`
    becomes a part of that one.
    """
    if _session.get() is not None:
        return await work()
    session = client.start_session()
    token = _session.set(session)
    try:
        await session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority"))
        result = await work()
        if result is not None:
            await _commit(session)
    except WriteConflictError:
        return None
    except PyMongoError as error:
        if not _is_conflict(error):
            raise
        return None
    else:
        return result
    finally:
        _session.reset(token)
        await _end_session(session)


def _is_conflict(error: PyMongoError) -> bool:
    """Return whether a concurrent write aborted the transaction, so that it can be retried."""
    if isinstance(error, ConnectionFailure):
        return False
    if error.has_error_label("TransientTransactionError"):
        return True
    if isinstance(error, BulkWriteError):
        return any(each["code"] in _WRITE_CONFLICT_CODES for each in error.details.get("writeErrors", ()))
    return isinstance(error, OperationFailure) and error.code in _WRITE_CONFLICT_CODES


async def _commit(session: AsyncClientSession) -> None:
    """Commit the transaction. Raises DatabaseUnavailableError when the outcome is unknown.

    The driver retries a commit once. If the embedded store was restarted in between, it no longer knows the
    transaction, whether it was committed or not. Such a transaction must not be retried.
    """
    try:
        await keep_cancellation(session.commit_transaction())
    except OperationFailure as error:
        if error.code != _NO_SUCH_TRANSACTION:
            raise
        raise DatabaseUnavailableError from error


async def _end_session(session: AsyncClientSession) -> None:
    """Abort the transaction unless it was committed, so that it blocks no other writes.

    If the database does not respond, the transaction expires there by itself.
    """
    with suppress(PyMongoError, TimeoutError):
        async with asyncio.timeout(_ABORT_TIMEOUT_SECONDS):
            await keep_cancellation(session.end_session())
