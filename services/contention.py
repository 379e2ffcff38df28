"""How long a change is tried again when others keep getting in before it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from app.errors import DatabaseUnavailableError
from documents.base import DuplicateError
from documents.tasks import Task
from documents.transactions import MovedOnError, session_under_way

T = TypeVar("T")

CONTENTION_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.16
"""In seconds, at the most. It doubles: the more there are at it, the less they should be in each other's way."""


async def until_settled(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """The first answer of `attempt` that is not None: None says that the document moved on in between.

    Inside of a transaction there is one attempt, since nothing moves there: the transaction as a whole
    is tried again. Raises DatabaseUnavailableError after 5 s, and whatever `attempt` raises.
    """
    if session_under_way() is not None:
        settled = await attempt()
        if settled is None:
            raise MovedOnError
        return settled
    give_up, pause = monotonic() + CONTENTION_SECONDS, _FIRST_PAUSE
    while monotonic() < give_up:
        settled = await attempt()
        if settled is not None:
            return settled
        await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 -- spreads the tries, guards nothing
        pause = min(2 * pause, _LONGEST_PAUSE)
    raise DatabaseUnavailableError("Too many changes of the same thing at once. Try again in a moment.")


async def settled_as_one(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """The same of an attempt that is one transaction: all that it writes is kept, or nothing.

    A unique index that refuses it says that another write came first. So it is also where nothing is
    there twice: the embedded store says it of two transactions that change the same document.
    """

    async def as_one() -> T | None:
        try:
            return await Task.in_transaction(attempt)
        except DuplicateError:
            return None

    return await until_settled(as_one)
