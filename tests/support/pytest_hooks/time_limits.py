"""No test takes for ever: one that takes too long fails, and the next one begins."""

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
"""How long a test may take: many times as long as any does on a busy machine."""

MARKER = "time_limit(seconds, grace=10): how long this test may take, fixtures included, and then to end"
GRACE_SECONDS = 10
"""How long a coroutine that was cancelled may take to clean up, unless the marker has another number of seconds."""

_AFTER_THAT = 5
"""A test that ignores its end is told again after so many seconds."""


def limit_of(item: pytest.Item) -> float:
    """How long this test may take, in seconds."""
    marker = item.get_closest_marker("time_limit")
    return float(marker.args[0]) if marker else SECONDS


def grace_of(item: pytest.Item) -> float:
    """How long this test may take to end when it has reached its limit, in seconds."""
    marker = item.get_closest_marker("time_limit")
    return float(marker.args[1]) if marker and marker.args[1:] else GRACE_SECONDS


def limit(item: pytest.Item) -> None:
    """Have the test's own coroutine end in time, if it is one: other tasks of its loop go on."""
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _ends_within(limit_of(item), item.obj)


def _ends_within(seconds: float, test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
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
    """Whatever runs in the block is interrupted after this time: what waits outside of the event loop as well."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"took longer than {seconds:g} s, and was interrupted")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AFTER_THAT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
