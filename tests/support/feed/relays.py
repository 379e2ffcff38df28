"""The relays of the services in this process: they are paused while a test empties or compares collections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar
from weakref import WeakSet

from services.feed.relay import POLL_SECONDS, ChangeRelay

run_cycle = ChangeRelay.run_cycle


class _Cycles:
    """The relays, their cycles in progress, and how many callers have paused the relays."""

    relays: ClassVar[WeakSet[ChangeRelay]] = WeakSet()
    running = 0
    pauses = 0

    @classmethod
    def are_in_progress(cls) -> bool:
        return cls.running > 0 or any(relay._removal.is_in_progress for relay in cls.relays)


async def _run_cycle_unless_paused(self: ChangeRelay) -> float:
    if _Cycles.pauses:
        return 0.01
    _Cycles.relays.add(self)
    _Cycles.running += 1
    try:
        return await run_cycle(self)
    finally:
        _Cycles.running -= 1


@asynccontextmanager
async def relays_paused() -> AsyncIterator[None]:
    """Wait until no relay is in the middle of a cycle. None begins another one before the end of the block."""
    _Cycles.pauses += 1
    try:
        while _Cycles.are_in_progress():  # noqa: ASYNC110 -- a cycle takes milliseconds
            await asyncio.sleep(0.001)
        yield
    finally:
        _Cycles.pauses -= 1


def observe_relays() -> None:
    """Let relays_paused() pause the relays that this process starts from now on."""
    ChangeRelay.run_cycle = _run_cycle_unless_paused  # type: ignore[method-assign]


async def relay_everything(relay: ChangeRelay) -> None:
    """Run cycles until the outboxes are empty, and release the lease."""
    while await run_cycle(relay) < POLL_SECONDS:
        pass
    await relay.release()
