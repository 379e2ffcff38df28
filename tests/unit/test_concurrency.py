import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import chain

import pytest

from app.errors import DatabaseUnavailableError
from services.common import concurrency
from services.common.concurrency import retry_on_conflict


class Record:
    """A record that is changed at the version that was read. Counts the attempts."""

    def __init__(self) -> None:
        self.version = 0
        self.attempts = 0

    async def change(self) -> int | None:
        """Try to change the record. Return the new version, or None after a conflict."""
        self.attempts += 1
        version = self.version
        await asyncio.sleep(0)
        if self.version != version:
            return None
        self.version += 1
        return self.version

    async def change_often(self, times: int) -> list[int]:
        return [await retry_on_conflict(self, self.change) for _ in range(times)]


class Turn:
    """A request that has its turn until it is released."""

    def __init__(self, resource: str, end: Callable[[], Awaitable[str | None]]) -> None:
        self.has_begun = asyncio.Event()
        self._may_end = asyncio.Event()
        self._end = end
        self.task = asyncio.create_task(retry_on_conflict(resource, self._attempt))

    async def _attempt(self) -> str | None:
        self.has_begun.set()
        await self._may_end.wait()
        return await self._end()

    def release(self) -> None:
        self._may_end.set()


async def succeed() -> str:
    return "done"


async def lose_database() -> str:
    raise DatabaseUnavailableError


class TestRetryOnConflict:
    async def test_attempt_is_retried_until_it_succeeds(self) -> None:
        results = iter([None, None, "done"])

        async def attempt() -> str | None:
            return next(results)

        assert await retry_on_conflict("resource", attempt) == "done"

    async def test_retries_end_after_the_time_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(concurrency, "CONTENTION_SECONDS", 0.5)
        tries = 0

        async def attempt() -> None:
            nonlocal tries
            tries += 1

        with pytest.raises(DatabaseUnavailableError, match="Too many concurrent changes"):
            await retry_on_conflict("resource", attempt)
        assert tries > 1

    async def test_exception_of_an_attempt_is_raised(self) -> None:
        async def attempt() -> None:
            raise KeyError

        with pytest.raises(KeyError):
            await retry_on_conflict("resource", attempt)


class TestTurns:
    async def test_fifty_clients_have_no_conflict(self) -> None:
        record = Record()
        versions = await asyncio.gather(*(record.change_often(4) for _ in range(50)))
        assert sorted(chain.from_iterable(versions)) == list(range(1, 201))
        assert record.attempts == 200

    async def test_requests_have_their_turns_in_the_order_of_arrival(self) -> None:
        first, order = Turn("resource", succeed), []

        async def attempt(number: int) -> bool:
            order.append(number)
            return True

        await first.has_begun.wait()
        later = [asyncio.create_task(retry_on_conflict("resource", partial(attempt, n))) for n in range(5)]
        await asyncio.sleep(0)
        assert order == []
        first.release()
        await asyncio.gather(first.task, *later)
        assert order == list(range(5))

    async def test_requests_for_another_resource_do_not_wait(self) -> None:
        first = Turn("resource", succeed)
        await first.has_begun.wait()
        assert await retry_on_conflict("other", succeed) == "done"
        first.release()
        assert await first.task == "done"

    async def test_queue_is_removed_after_the_last_turn(self) -> None:
        first = Turn("resource", succeed)
        first.release()
        await first.task
        assert "resource" not in concurrency._queues

    async def test_error_does_not_end_the_turns_of_others(self) -> None:
        async def fail() -> str:
            raise KeyError

        first = Turn("resource", fail)
        await first.has_begun.wait()
        second = asyncio.create_task(retry_on_conflict("resource", succeed))
        await asyncio.sleep(0)
        first.release()
        assert await second == "done"
        with pytest.raises(KeyError):
            await first.task

    async def test_request_with_too_many_conflicts_does_not_end_the_turns_of_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def conflict() -> None:
            return None

        monkeypatch.setattr(concurrency, "CONTENTION_SECONDS", 0.0)
        first = Turn("resource", conflict)
        await first.has_begun.wait()
        second = asyncio.create_task(retry_on_conflict("resource", succeed))
        first.release()
        assert await second == "done"
        with pytest.raises(DatabaseUnavailableError, match="Too many concurrent changes"):
            await first.task

    async def test_wait_for_a_turn_has_a_time_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, record = Turn("resource", succeed), Record()
        await first.has_begun.wait()
        monkeypatch.setattr(concurrency, "TURN_SECONDS", 0.1)
        with pytest.raises(DatabaseUnavailableError, match="Too many concurrent changes"):
            await retry_on_conflict("resource", record.change)
        assert record.attempts == 0
        first.release()
        assert await first.task == "done"

    async def test_requests_that_wait_fail_together_when_the_database_does_not_respond(self) -> None:
        first, record = Turn("resource", lose_database), Record()
        await first.has_begun.wait()
        waiting = [asyncio.create_task(retry_on_conflict("resource", record.change)) for _ in range(5)]
        await asyncio.sleep(0)
        first.release()
        results = await asyncio.gather(first.task, *waiting, return_exceptions=True)
        assert [type(result) for result in results] == [DatabaseUnavailableError] * 6
        assert record.attempts == 0
        assert await retry_on_conflict("resource", record.change) == 1
