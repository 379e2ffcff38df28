"""Running CPU-bound or blocking work in a thread."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def run_in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a thread, so that it does not block the event loop, and return its result.

    When the caller is cancelled, the cancellation is delivered only after the thread has ended. Until then
    `work` may still use files and buffers that the caller closes or deletes.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise
