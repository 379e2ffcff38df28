"""Cancellation of database operations."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def keep_cancellation(operation: Awaitable[T]) -> T:
    """Return the result of an operation of the driver. Raises CancelledError if the caller is cancelled meanwhile.

    The driver uses asyncio.wait_for, which in Python 3.11 can lose a cancellation (gh-86296). The operation then
    returns as usual, and a background task that should have ended would run forever.
    """
    task = asyncio.current_task()
    requests = 0 if task is None else task.cancelling()  # more than 0 if the caller cleans up after a cancellation
    try:
        return await operation
    finally:
        if task is not None and task.cancelling() > requests:
            raise asyncio.CancelledError
