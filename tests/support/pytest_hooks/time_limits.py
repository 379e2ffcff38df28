"""Time limits: a test that takes too long fails, and the next one begins."""

import asyncio
import functools
import inspect
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from tests.support.http import LONG

SECONDS = 3600 if LONG else 240
"""The default limit: many times the duration of any test on a busy machine."""

MARKER = "time_limit(seconds, grace=10): how long this test may take, fixtures included, and then to end"
GRACE_SECONDS = 10
"""The default time for a cancelled coroutine to clean up."""

_REPEAT_SECONDS = 5
"""The interval in which a test that ignores the interruption is interrupted again."""


def limit_of(item: pytest.Item) -> float:
    """Return the time limit of the test in seconds."""
    marker = item.get_closest_marker("time_limit")
    return float(marker.args[0]) if marker else SECONDS


def grace_of(item: pytest.Item) -> float:
    """Return the time in seconds that the test has to clean up after its limit."""
    marker = item.get_closest_marker("time_limit")
    return float(marker.args[1]) if marker and marker.args[1:] else GRACE_SECONDS


def limit(item: pytest.Item) -> None:
    """Cancel the coroutine of an asynchronous test at its time limit. Other tasks of its event loop continue."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _with_time_limit(limit_of(item), item.obj)


def _with_time_limit(seconds: float, test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def limited(*arguments: object, **fixtures: object) -> None:
        try:
            async with asyncio.timeout(seconds) as time:
                await test(*arguments, **fixtures)
        except TimeoutError:
            if time.expired():
                pytest.fail(f"took longer than {seconds:g} s")
            raise

    return limited


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Interrupt the block after this time, also if it does not run in the event loop."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"took longer than {seconds:g} s, and was interrupted")

    previous_handler = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous_handler)
