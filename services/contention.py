"""How long a change is tried again when others keep getting in before it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import TypeVar

from app.errors import DatabaseUnavailableError
from documents.base import DuplicateError
from documents.transactions import MovedOnError, session_under_way

T = TypeVar("T")

CONTENTION_SECONDS = 5.0
_LONGEST_PAUSE = 0.01


async def until_settled(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """The first answer of `attempt` that is not None: None says that the document moved on in between.

    So does a unique index that refuses the write: another one came first. The embedded store also
    says it of two transactions that change the same document, whatever they change of it.

    Inside of a transaction there is one attempt, since nothing moves there: the transaction as a whole
    is tried again. Raises DatabaseUnavailableError after 5 s, and whatever else `attempt` raises.
    """
    if session_under_way() is not None:
        settled = await attempt()
        if settled is None:
            raise MovedOnError
        return settled
    give_up = monotonic() + CONTENTION_SECONDS
    while monotonic() < give_up:
        with suppress(DuplicateError):
            settled = await attempt()
            if settled is not None:
                return settled
        await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311 -- spreads the tries, guards nothing
    raise DatabaseUnavailableError("Too many changes of the same thing at once. Try again in a moment.")
