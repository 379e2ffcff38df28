"""Exports are streamed: errors, disconnects and concurrent exports."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from bson import ObjectId

from documents.tracking.tasks import Task
from documents.transfer.export_queries import MAX_CONCURRENT_READS, read_batches
from tests.conftest import Database
from tests.support.http import Client, Json, problem
from tests.support.stored_documents import task_row
from tests.transfer.exports.files import (
    BROKEN,
    NOVEMBER,
    many_entries,
)


async def open_cursors(database: Database) -> int:
    status = await database.client.admin.command("serverStatus")
    return int(status["metrics"]["cursor"]["open"]["total"])


class TestInterruptedExport:
    @pytest.mark.parametrize("form", ["csv", "ndjson"])
    async def test_error_aborts_the_connection(self, alice: Client, database: Database, form: str) -> None:
        await many_entries(alice, database, **BROKEN)
        async with alice.stream("GET", f"/exports/time-entries.{form}", params=NOVEMBER) as response:
            assert response.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                await response.aread()
        assert (await alice.get("/users/me")).status_code == 200

    async def test_error_before_the_first_byte_is_answered_with_500(self, alice: Client, database: Database) -> None:
        await many_entries(alice, database, **BROKEN)
        problem(await alice.get("/exports/time-entries.xlsx", params=NOVEMBER), 500, "internal_error")

    async def test_disconnect_of_the_client_closes_the_cursor(self, alice: Client, database: Database) -> None:
        await many_entries(alice, database)
        before = await open_cursors(database)
        async with alice.stream("GET", "/exports/time-entries.ndjson", params=NOVEMBER) as response:
            await anext(response.aiter_raw())  # what comes after it may lie in the sockets already
        for _ in range(1200):
            if await open_cursors(database) <= before:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the cursor stays open")


class _HeldCursor:
    """An empty cursor that answers when it is released."""

    def __init__(self, *, held: bool = True) -> None:
        self.asked, self.released = asyncio.Event(), asyncio.Event()
        if not held:
            self.released.set()

    async def to_list(self, _length: int) -> list[Json]:
        self.asked.set()
        await self.released.wait()
        return []

    async def close(self) -> None:
        """Do nothing."""


async def _all_of(batches: AsyncIterator[list[Any]]) -> list[Any]:
    return [batch async for batch in batches]


class TestReadBatches:
    async def test_cursor_is_closed_with_the_generator(self, alice: Client, database: Database) -> None:
        await database.tasks.insert_many([task_row(alice.user["_id"]) for _ in range(5)])
        found: Any = Task.collection().find({"user_id": alice.user["_id"]}, batch_size=2)
        batches = read_batches(alice.user["_id"], found, 2)
        assert len(await anext(batches)) == 2
        assert found.alive
        await batches.aclose()
        assert not found.alive

    async def test_exports_of_one_user_do_not_block_others(self) -> None:
        alice, bob, held = ObjectId(), ObjectId(), _HeldCursor()
        reading = [asyncio.create_task(_all_of(read_batches(alice, held, 1))) for _ in range(MAX_CONCURRENT_READS + 1)]
        await asyncio.wait_for(held.asked.wait(), 5)
        assert await asyncio.wait_for(_all_of(read_batches(bob, _HeldCursor(held=False), 1)), 5) == []
        held.released.set()
        assert await asyncio.gather(*reading) == [[]] * len(reading)
