"""A cache that limits how much of a worker's time the readers of shared reports can take."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from weakref import WeakValueDictionary

from bson import ObjectId
from cachetools import TLRUCache

MAX_BYTES = 32 * 2**20
"""The size of all stored results. A larger result is not stored."""

LIFETIME_FACTOR = 9
"""A result is reused for this many times as long as its computation took.

So a report takes at most a tenth of the time of a worker, and one that takes 20 milliseconds is never older than
about 200.
"""


@dataclass(frozen=True, slots=True)
class _Result:
    """A stored result: the serialized report, or None if there is none, and for how many seconds it is reused."""

    report: bytes | None
    lifetime: float


class ReportCache:
    """Serialized reports. Reports of the same user are computed one at a time, so equal requests share one result."""

    def __init__(self, max_bytes: int = MAX_BYTES, timer: Callable[[], float] = monotonic) -> None:
        self._timer = timer
        self._locks: WeakValueDictionary[ObjectId, asyncio.Lock] = WeakValueDictionary()
        self._results: TLRUCache[Hashable, _Result] = TLRUCache(
            max_bytes,
            ttu=lambda _key, result, now: now + result.lifetime,
            timer=timer,
            getsizeof=lambda result: 1 + len(result.report or b""),
        )

    async def get(
        self, user_id: ObjectId, key: Hashable, compute: Callable[[], Awaitable[bytes | None]]
    ) -> bytes | None:
        """Return the stored result with this key, or compute and store it."""
        result = self._results.get(key)
        if result is not None:
            return result.report
        lock = self._locks.setdefault(user_id, asyncio.Lock())
        async with lock:
            result = self._results.get(key)  # another request may have stored it meanwhile
            if result is None:
                started = self._timer()
                report = await compute()
                result = _Result(report, (self._timer() - started) * LIFETIME_FACTOR)
                if self._results.getsizeof(result) <= self._results.maxsize:
                    self._results[key] = result
            return result.report
