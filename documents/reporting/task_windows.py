"""The tasks of a report, read in windows of their last end, the latest first.

A single query for all tasks of a year would make all other requests wait for the embedded store (decision 10). On
MongoDB a window is a range of an index, too.
"""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from bson.raw_bson import RawBSONDocument

from app.clock import naive_utc, utc_now
from documents.reporting.entry_queries import EntryQueries

TASKS_PER_WINDOW = 100
"""The number of tasks that a window should have. The length of a window is adjusted by that of the previous one."""

FIRST_WINDOW_LENGTH = timedelta(days=32)
"""The length of the first window: a report of a month is one query."""

MIN_WINDOW_LENGTH = timedelta(hours=1)
MAX_WINDOW_LENGTH = timedelta(days=36_500)
MAX_CHANGE = 4
"""How many times longer or shorter a window can be than the previous one."""

MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
"""The clocks of two workers may differ by this time."""


async def read_in_windows(queries: EntryQueries) -> AsyncGenerator[list[RawBSONDocument], None]:
    """Yield the tasks in the range of a report, undecoded, window by window.

    The last end of a task can move to a window that was read before. So the last window has the tasks that were updated
    since the first one was read. A task can be in several windows.
    """
    began = naive_utc(utc_now())
    since = queries.entry_filter.since
    low = since if queries.entry_filter.task_id is not None else _begin(since, min(queries.entry_filter.until, began))
    window = await queries.find_tasks_ended_since(low)
    yield window
    if low == since:
        return
    length = FIRST_WINDOW_LENGTH
    while low > since:
        length = next_length(length, len(window))
        high, low = low, _begin(since, low, length)
        window = await queries.find_tasks_in_window(low, high)
        yield window
    yield await queries.find_tasks_updated_since(began - MAX_CLOCK_DIFFERENCE)


def _begin(since: datetime, high: datetime, length: timedelta = FIRST_WINDOW_LENGTH) -> datetime:
    """Return the begin of the window of this length that ends at `high`."""
    return since if high - since <= length else high - length


def next_length(length: timedelta, tasks: int) -> timedelta:
    """Return the length of the next window, given that of the last one and the number of its tasks."""
    change = min(MAX_CHANGE, max(1 / MAX_CHANGE, TASKS_PER_WINDOW / max(tasks, 1)))
    return min(MAX_WINDOW_LENGTH, max(MIN_WINDOW_LENGTH, length * change))
