import asyncio

import pytest
from bson import ObjectId

from app.database.cancellation import keep_cancellation
from documents.accounts.users import User

PATIENCE_SECONDS = 30.0


async def lose_a_cancellation(reached: asyncio.Event) -> str:
    """Return as usual when the caller is cancelled, as the driver sometimes does."""
    try:
        reached.set()
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "result"
    raise AssertionError


class TestKeepCancellation:
    async def test_lost_cancellation_is_raised(self) -> None:
        reached = asyncio.Event()
        caller = asyncio.create_task(keep_cancellation(lose_a_cancellation(reached)))
        await reached.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    async def test_lost_timeout_of_the_caller_is_raised(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await keep_cancellation(lose_a_cancellation(asyncio.Event()))

    async def test_cancellation_replaces_an_error(self) -> None:
        async def fail() -> None:
            await lose_a_cancellation(reached)
            raise ValueError

        reached = asyncio.Event()
        caller = asyncio.create_task(keep_cancellation(fail()))
        await reached.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    async def test_result_and_error_are_passed_on(self) -> None:
        async def fail() -> None:
            raise ValueError

        assert await keep_cancellation(asyncio.sleep(0, "result")) == "result"
        with pytest.raises(ValueError, match=r"^$"):
            await keep_cancellation(fail())

    async def test_operation_after_a_cancellation_is_completed(self) -> None:
        """The caller may have to clean up."""

        async def clean_up() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return await keep_cancellation(asyncio.sleep(0, "cleaned up"))
            raise AssertionError

        caller = asyncio.create_task(clean_up())
        await asyncio.sleep(0)
        caller.cancel()
        assert await caller == "cleaned up"


class TestOperationsOfDocuments:
    @pytest.mark.parametrize("steps", range(30))
    async def test_task_is_cancelled_at_each_step_of_an_operation(self, empty_service: str, steps: int) -> None:
        assert empty_service

        async def read_for_ever() -> None:
            while True:
                await User.find_by_id(ObjectId())

        task = asyncio.create_task(read_for_ever())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait({task})
        assert task.cancelled()
