"""Documents read in windows of one of their times, the latest first (portable form: decision 10).

The time is the last end, or the creation.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

SINGLE_WINDOW_LENGTH = timedelta(days=32)
"""A range of at most this length is one window: a report of a month is one query."""

FIRST_WINDOW_LENGTH = timedelta(days=8)
"""The length of the first window of a longer range. It has the tasks in use, which are the largest."""

MIN_WINDOW_LENGTH = timedelta(hours=1)
MAX_WINDOW_LENGTH = timedelta(days=36_500)
MAX_CHANGE = 4
"""How many times longer or shorter a window can be than the previous one."""

T = TypeVar("T")

ReadWindow = Callable[[datetime, datetime | None], Awaitable[Sequence[T]]]
"""Returns the documents whose time is in [low, high). None as `high` is the end of all time."""


async def read_in_windows(
    read: ReadWindow[T], since: datetime, until: datetime, *, size: int
) -> AsyncGenerator[Sequence[T], None]:
    """Yield the documents with a time at `since` or later, window by window, each with about `size` documents.

    The first window has no end.
    """
    length = SINGLE_WINDOW_LENGTH if until - since <= SINGLE_WINDOW_LENGTH else FIRST_WINDOW_LENGTH
    high, low = None, _begin(since, until, length)
    while True:
        window = await read(low, high)
        yield window
        if low == since:
            return
        length = next_length(length, len(window), size=size)
        high, low = low, _begin(since, low, length)


def _begin(since: datetime, high: datetime, length: timedelta) -> datetime:
    """Return the begin of the window of this length that ends at `high`."""
    return since if high - since <= length else high - length


def next_length(length: timedelta, count: int, *, size: int) -> timedelta:
    """Return the length of the next window, given that of the last one and the number of its documents."""
    change = min(MAX_CHANGE, max(1 / MAX_CHANGE, size / max(count, 1)))
    return min(MAX_WINDOW_LENGTH, max(MIN_WINDOW_LENGTH, length * change))
