import asyncio
from typing import Any

import pytest
from pymongo import MongoClient

from app.database import deadlines
from app.database.client import operation_timeout_ms
from app.database.deadlines import with_deadline, without_deadline
from app.errors import DatabaseUnavailableError


class TestWithoutDeadline:
    def test_operation_may_take_longer_than_the_timeout_of_the_client(self, database_url: str) -> None:
        for _ in range(3):
            # The first operation of a client connects as well, which takes more than a millisecond.
            with MongoClient[dict[str, Any]](database_url, timeoutMS=1) as client, without_deadline():
                assert client.admin.command("serverStatus")["ok"] == 1


class TestTimeoutInTheAddress:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ("", 5000),
            ("?timeoutMS=500", 500),
            ("?w=1&timeoutms=4999", 4999),
            ("?timeoutMS=5001", 5000),
            ("?timeoutMS=0", 5000),
            ("?connectTimeoutMS=500", 5000),
        ],
    )
    def test_shorter_timeout_of_the_address_is_used(self, options: str, expected: int) -> None:
        assert operation_timeout_ms(f"mongodb://127.0.0.1/{options}") == expected


class TestWithDeadline:
    async def test_operation_that_takes_too_long_is_cancelled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deadlines, "MAX_WAIT_SECONDS", 0.01)
        operation: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with pytest.raises(DatabaseUnavailableError):
            await with_deadline(operation)
        assert operation.cancelled()

    async def test_result_and_error_of_the_operation_are_passed_on(self) -> None:
        async def fail() -> None:
            raise ValueError

        assert await with_deadline(asyncio.sleep(0, "result")) == "result"
        with pytest.raises(ValueError, match=r"^$"):
            await with_deadline(fail())

    async def test_cancellation_of_the_caller_is_not_a_timeout(self) -> None:
        operation: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        caller = asyncio.create_task(with_deadline(operation))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert operation.cancelled()

    async def test_timeout_of_the_caller_is_not_one_of_the_database(self) -> None:
        operation: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await with_deadline(operation)
