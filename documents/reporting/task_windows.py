"""The tasks of a report, read in windows of their last end.

A single query for all tasks of a year would make all other requests wait for the embedded store (decision 10). On
MongoDB a window is a range of an index, too.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta

from bson.raw_bson import RawBSONDocument

from app.clock import naive_utc, utc_now
from documents.reporting.entry_queries import EntryQueries
from documents.tracking.queries.read_windows import read_in_windows

TASKS_PER_WINDOW = 100

MAX_CLOCK_DIFFERENCE = timedelta(minutes=1)
"""The clocks of two workers may differ by this time."""


async def read_task_windows(queries: EntryQueries) -> AsyncGenerator[Sequence[RawBSONDocument], None]:
    """Yield the tasks in the range of a report, undecoded, window by window.

    The last end of a task can move to a window that was read before. So the last window has the tasks that were updated
    since the first one was read. A task can be in several windows.
    """
    began = naive_utc(utc_now())
    since, until = queries.entry_filter.since, min(queries.entry_filter.until, began)
    if queries.entry_filter.task_id is not None:
        yield await queries.find_tasks_in_window(since, None)
        return
    windows = 0
    async with aclosing(read_in_windows(queries.find_tasks_in_window, since, until, size=TASKS_PER_WINDOW)) as reading:
        async for window in reading:
            windows += 1
            yield window
    if windows > 1:
        yield await queries.find_tasks_updated_since(began - MAX_CLOCK_DIFFERENCE)
