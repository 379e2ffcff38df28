"""Retries of optimistic updates and of transactions after write conflicts."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import TypeVar
from weakref import WeakKeyDictionary

from app.errors import DatabaseUnavailableError
from documents.common.base import DuplicateError
from documents.common.idempotency_keys import IdempotencyKey
from documents.common.transactions import WriteConflictError, current_session

T = TypeVar("T")

CONTENTION_SECONDS = 5.0
TOO_MANY_CONFLICTS = "Too many concurrent changes to the same resource. Try again in a moment."
LONG_CONTENTION_SECONDS = 60.0
_MAX_PAUSE_SECONDS = 0.01

_retry_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""One lock per event loop. Retries run one at a time, so that each competes with first attempts only."""


async def retry_on_conflict(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """Call `attempt` until it returns a result, for at most CONTENTION_SECONDS.

    `attempt` returns None when the document has changed since it was read. Inside a transaction there is one
    attempt only, because a transaction reads from a snapshot: the transaction as a whole is retried.

    Raises DatabaseUnavailableError when the time is over, and any exception of `attempt`.
    """
    result = await attempt()
    if result is not None:
        return result
    if current_session() is not None:
        raise WriteConflictError
    return await _retry_one_at_a_time(attempt)


async def _retry_one_at_a_time(attempt: Callable[[], Awaitable[T | None]]) -> T:
    deadline = monotonic() + CONTENTION_SECONDS
    lock = _retry_locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    try:
        async with asyncio.timeout(CONTENTION_SECONDS):
            await lock.acquire()
    except TimeoutError:
        raise DatabaseUnavailableError(TOO_MANY_CONFLICTS) from None
    try:
        while monotonic() < deadline:
            result = await attempt()
            if result is not None:
                return result
            await _pause()
    finally:
        lock.release()
    raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)


async def retry_transaction(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """Run `attempt` in a transaction, and retry it as `retry_on_any_conflict` does."""
    # any document class: the transaction spans all
    return await retry_on_any_conflict(lambda: IdempotencyKey.run_in_transaction(attempt))


async def retry_long_transaction(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """Run `attempt` in a transaction, and retry it after conflicts, for at most LONG_CONTENTION_SECONDS.

    For work that no client waits for with a short timeout, and whose transactions can take seconds. Other retries do
    not wait for it. Raises as `retry_transaction` does.
    """
    deadline = monotonic() + LONG_CONTENTION_SECONDS
    while monotonic() < deadline:
        with suppress(DuplicateError):
            result = await IdempotencyKey.run_in_transaction(attempt)
            if result is not None:
                return result
        await _pause()
    raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0, _MAX_PAUSE_SECONDS))  # noqa: S311 -- jitter, not a secret


async def retry_on_any_conflict(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """Call `attempt` as `retry_on_conflict` does. A refusal by a unique index counts as a conflict too.

    It means that another request inserted the document first. The embedded store also reports two transactions that
    change the same document in this way.
    """

    async def attempt_once() -> T | None:
        try:
            return await attempt()
        except DuplicateError:
            return None

    return await retry_on_conflict(attempt_once)
