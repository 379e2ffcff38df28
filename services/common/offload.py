"""Work that takes its time and waits for nothing: done in a thread, so that others get their turns."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def run_in_thread(work: Callable[[], T]) -> T:
    """What the work answers.

    Whoever gives up waiting for it waits nevertheless until it has ended: what it works on may be
    taken away only then.
    """
    under_way = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await asyncio.wait({under_way})
        raise
