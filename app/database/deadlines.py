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

    A timer of the event loop costs less than asyncio.timeout, and every request waits for operations.
    """
    future = asyncio.ensure_future(operation)
    timer = future.get_loop().call_later(MAX_WAIT_SECONDS, future.cancel)
    try:
        return await future
    except asyncio.CancelledError:
        if _is_being_cancelled():
            raise
        raise DatabaseUnavailableError from None  # only the timer cancels the operation alone
    finally:
        timer.cancel()


def _is_being_cancelled() -> bool:
    """Return whether the current task, and not only the operation, is cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def without_deadline() -> Iterator[None]:
    """Remove the time limit from the operations in this block.

    The value must be 0: with None the client's timeoutMS would apply.
    """
    with pymongo.timeout(0):
        yield
