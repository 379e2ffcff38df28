"""How long the database may take to answer."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pymongo

from app.errors import DatabaseUnavailableError

T = TypeVar("T")

MAX_WAIT_SECONDS = 5.5
"""How long a request waits for an answer, the queue before the driver's threads included."""


async def with_deadline(answer: Awaitable[T]) -> T:
    """What the database answers. Raises DatabaseUnavailableError when that takes too long.

    timeoutMS begins when one of the driver's few threads takes the operation up; behind a silent
    database most operations wait for such a thread.
    """
    try:
        async with asyncio.timeout(MAX_WAIT_SECONDS):
            return await answer
    except TimeoutError:
        raise DatabaseUnavailableError from None


@contextmanager
def without_deadline() -> Iterator[None]:
    """Lets each operation take as long as it takes.

    It is 0 that says so: None would leave it to the timeoutMS of the client.
    """
    with pymongo.timeout(0):
        yield
