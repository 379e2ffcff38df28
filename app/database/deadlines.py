"""Time limits of database operations."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pymongo

from app.errors import DatabaseUnavailableError

T = TypeVar("T")

MAX_WAIT_SECONDS = 5.5
"""How long a request waits for an operation, including the time in the queue for one of the driver's threads."""


async def with_deadline(operation: Awaitable[T]) -> T:
    """Return the result of the operation. Raises DatabaseUnavailableError after MAX_WAIT_SECONDS.

    The client's timeoutMS is not enough: it starts when one of the driver's few threads runs the operation.
    If the database does not respond, most operations wait for such a thread.
    """
    try:
        async with asyncio.timeout(MAX_WAIT_SECONDS):
            return await operation
    except TimeoutError:
        raise DatabaseUnavailableError from None


@contextmanager
def without_deadline() -> Iterator[None]:
    """Remove the time limit from the operations in this block.

    The value must be 0: with None the client's timeoutMS would apply.
    """
    with pymongo.timeout(0):
        yield
