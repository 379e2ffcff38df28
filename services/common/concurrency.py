"""How long a change is tried again when others keep getting in before it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar
from weakref import WeakKeyDictionary

from app.errors import DatabaseUnavailableError
from documents.common.base import DuplicateError
from documents.common.idempotency_keys import IdempotencyKey
from documents.common.transactions import WriteConflictError, current_session

T = TypeVar("T")

CONTENTION_SECONDS = 5.0
TOO_MANY_CONFLICTS = "Too many changes of the same thing at once. Try again in a moment."
_MAX_PAUSE_LENGTH = 0.01

_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""Where those stand who did not succeed at first: one after the other, so that each has its turn."""


async def retry_on_conflict(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """The first answer of `attempt` that is not None: None says that the document moved on in between.

    Inside of a transaction there is one attempt, since nothing moves there: the transaction as a whole
    is tried again. Raises DatabaseUnavailableError after 5 s, and whatever `attempt` raises.
    """
    if current_session() is not None:
        settled = await attempt()
        if settled is None:
            raise WriteConflictError
        return settled
    settled = await attempt()
    return settled if settled is not None else await _settled_in_turn(attempt)


async def _settled_in_turn(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """The same from the second attempt on. The first of the line is in nobody's way but that of newcomers."""
    give_up = monotonic() + CONTENTION_SECONDS
    line = _lines.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    try:
        async with asyncio.timeout(CONTENTION_SECONDS):
            await line.acquire()
    except TimeoutError:
        raise DatabaseUnavailableError(TOO_MANY_CONFLICTS) from None
    try:
        while monotonic() < give_up:
            settled = await attempt()
            if settled is not None:
                return settled
            await asyncio.sleep(random.uniform(0, _MAX_PAUSE_LENGTH))  # noqa: S311 -- spreads the tries, guards nothing
    finally:
        line.release()
    raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)


async def retry_transaction(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """The same of an attempt that is one transaction: all that it writes is kept, or nothing.

    A unique index that refuses it says that another write came first. So it is also where nothing is
    there twice: the embedded store says it of two transactions that change the same document.
    """

    async def as_one() -> T | None:
        try:
            return await IdempotencyKey.run_in_transaction(attempt)  # the transaction is of the whole database
        except DuplicateError:
            return None

    return await retry_on_conflict(as_one)
