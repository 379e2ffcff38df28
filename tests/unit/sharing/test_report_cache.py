"""The cache of shared reports, with a clock that the tests move."""

import asyncio

import pytest
from bson import ObjectId

from services.sharing.report_cache import LIFETIME_FACTOR, ReportCache

OWNER, OTHER_OWNER = ObjectId(), ObjectId()


class Computation:
    """A report that takes some seconds of the clock. Counts how often it is computed, and how many run at once."""

    def __init__(self, *, seconds: float, report: bytes | None = b"{}") -> None:
        self.seconds = seconds
        self.report = report
        self.now = 1000.0
        self.count = self.running = self.most_running = 0

    def clock(self) -> float:
        return self.now

    async def compute(self) -> bytes | None:
        self.count += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.now += self.seconds
        self.running -= 1
        return self.report


class TestReportCache:
    async def test_result_is_reused_for_nine_times_as_long_as_it_took(self) -> None:
        slow = Computation(seconds=2)
        cache = ReportCache(timer=slow.clock)
        await cache.get(OWNER, "report", slow.compute)
        slow.now += 2 * LIFETIME_FACTOR - 0.1
        assert await cache.get(OWNER, "report", slow.compute) == b"{}"
        assert slow.count == 1
        slow.now += 0.2
        await cache.get(OWNER, "report", slow.compute)
        assert slow.count == 2

    async def test_concurrent_requests_for_one_report_compute_it_once(self) -> None:
        slow = Computation(seconds=1)
        cache = ReportCache(timer=slow.clock)
        results = await asyncio.gather(*(cache.get(OWNER, "report", slow.compute) for _ in range(20)))
        assert results == [b"{}"] * 20
        assert slow.count == 1

    async def test_reports_of_one_owner_are_computed_one_at_a_time(self) -> None:
        slow = Computation(seconds=1)
        cache = ReportCache(timer=slow.clock)
        await asyncio.gather(*(cache.get(OWNER, number, slow.compute) for number in range(5)))
        assert (slow.count, slow.most_running) == (5, 1)

    async def test_reports_of_different_owners_are_computed_at_the_same_time(self) -> None:
        slow = Computation(seconds=1)
        cache = ReportCache(timer=slow.clock)
        await asyncio.gather(*(cache.get(owner, owner, slow.compute) for owner in (OWNER, OTHER_OWNER)))
        assert (slow.count, slow.most_running) == (2, 2)

    async def test_failed_report_is_not_computed_again_at_once(self) -> None:
        slow = Computation(seconds=1, report=None)
        cache = ReportCache(timer=slow.clock)
        for _ in range(3):
            assert await cache.get(OWNER, "report", slow.compute) is None
        assert slow.count == 1

    async def test_error_is_raised_and_not_stored(self) -> None:
        slow = Computation(seconds=1)
        cache = ReportCache(timer=slow.clock)

        async def fail() -> bytes:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            await cache.get(OWNER, "report", fail)
        assert await cache.get(OWNER, "report", slow.compute) == b"{}"

    async def test_large_result_is_returned_and_not_stored(self) -> None:
        slow = Computation(seconds=1, report=b"x" * 100)
        cache = ReportCache(max_bytes=100, timer=slow.clock)
        for _ in range(2):
            assert await cache.get(OWNER, "report", slow.compute) == slow.report
        assert slow.count == 2

    async def test_stored_results_do_not_exceed_the_size(self) -> None:
        slow = Computation(seconds=0.001, report=b"x" * 40)
        cache = ReportCache(max_bytes=100, timer=slow.clock)
        for number in (1, 2, 3, 1):
            await cache.get(OWNER, number, slow.compute)
        assert slow.count == 4
