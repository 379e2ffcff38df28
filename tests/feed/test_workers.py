"""Several workers: another one continues the relay, and the streams of all count for the limit of a user."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from app.config import Settings
from documents.common.leases import CHANGE_RELAY
from documents.feed.event_streams import MAX_STREAMS
from services.feed.relay import ACQUIRE_SECONDS, BATCH_SECONDS, LEASE_DURATION
from services.feed.stream_slots import StreamSlots, TooManyStreamsError
from tests.conftest import Database
from tests.feed.event_clients import following
from tests.support.feed.changes import read_changes
from tests.support.feed.interrupted import expire_lease
from tests.support.feed.relays import relays_paused
from tests.support.feed.workers import PATIENCE_SECONDS, worker
from tests.support.http import Client, Json, problem

HAND_OVER_SECONDS = 5.0


async def holder(database: Database) -> Json:
    """Return the lease when a process has it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            lease: Json | None = await database.leases.find_one({"_id": CHANGE_RELAY})
            if lease is not None and lease["announced"] > 0:
                return lease
            await asyncio.sleep(0.05)


@asynccontextmanager
async def open_stream(client: Client) -> AsyncIterator[AsyncExitStack]:
    """Open a stream. It is closed with the yielded stack, at the latest at the end of the block."""
    async with AsyncExitStack() as stack:
        stream = await stack.enter_async_context(following(client))
        await stream.block()
        yield stack


async def until_admitted(client: Client, *, seconds: float) -> None:
    """Wait until the service does not refuse a stream any more."""
    async with asyncio.timeout(seconds):
        while (await client.head("/events")).status_code == 429:  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.05)


class TestRelay:
    @pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "terminate"])
    async def test_another_worker_continues(
        self, kind: signal.Signals, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        async with relays_paused(), worker(settings, tmp_path) as first:
            await expire_lease(database)
            await alice.make_task()
            await read_changes(alice, 1)
            holder_before = (await holder(database))["holder"]
            async with worker(settings, tmp_path):
                await asyncio.sleep(1.5)  # the second worker tries, and does not acquire the lease
                assert (await holder(database))["holder"] == holder_before
                first.program.send(kind)
                ended = asyncio.create_task(first.wait())
                if kind == signal.SIGTERM:
                    await ended
                await alice.make_task()
                changes = await read_changes(alice, 2)
                assert (await holder(database))["holder"] != holder_before
            assert [change["seq"] for change in changes] == [1, 2]
            await ended

    def test_lease_of_a_killed_worker_is_acquired_within_five_seconds(self) -> None:
        assert LEASE_DURATION.total_seconds() + ACQUIRE_SECONDS + BATCH_SECONDS < HAND_OVER_SECONDS


class TestLimitOfStreams:
    async def test_streams_of_all_workers_count(self, alice: Client, settings: Settings, tmp_path: Path) -> None:
        async with worker(settings, tmp_path) as first, worker(settings, tmp_path) as second, AsyncExitStack() as stack:
            clients = [first.client(alice), second.client(alice)] * (MAX_STREAMS // 2)
            streams = [await stack.enter_async_context(open_stream(client)) for client in clients]
            for client in clients[:2]:
                problem(await client.get("/events"), 429, "too_many_streams")
            await streams[0].aclose()
            await until_admitted(clients[1], seconds=3)

    @pytest.mark.parametrize(
        ("kind", "seconds"), [(signal.SIGKILL, 30), (signal.SIGTERM, 3)], ids=["kill", "terminate"]
    )
    async def test_streams_of_a_worker_that_has_ended_do_not_count(
        self, kind: signal.Signals, seconds: float, alice: Client, settings: Settings, tmp_path: Path
    ) -> None:
        async with worker(settings, tmp_path) as first, worker(settings, tmp_path) as second, AsyncExitStack() as stack:
            client = second.client(alice)
            for _ in range(MAX_STREAMS):
                await stack.enter_async_context(open_stream(first.client(alice)))
            problem(await client.get("/events"), 429, "too_many_streams")
            first.program.send(kind)
            await first.wait()
            await until_admitted(client, seconds=seconds)
            streams = [await stack.enter_async_context(open_stream(client)) for _ in range(MAX_STREAMS)]
            problem(await client.get("/events"), 429, "too_many_streams")
            for stream in streams:
                await stream.aclose()

    async def test_requests_at_the_same_time_cannot_exceed_the_limit(self, alice: Client, database: Database) -> None:
        processes = [StreamSlots(), StreamSlots()]
        results = await asyncio.gather(
            *(processes[number % 2].take(alice.user["_id"]) for number in range(3 * MAX_STREAMS)),
            return_exceptions=True,
        )
        taken = [result for result in results if not isinstance(result, BaseException)]
        assert {type(result) for result in results} == {dict, TooManyStreamsError}
        rows = await database.open_streams.find({}).to_list(None)
        assert {row["_id"] for row in rows} == {slot["_id"] for slot in taken}
        assert len(rows) == len(taken) == MAX_STREAMS

    async def test_slots_of_a_process_that_closes_are_free_at_once(self, alice: Client) -> None:
        closed, other = StreamSlots(), StreamSlots()
        for _ in range(MAX_STREAMS):
            await closed.take(alice.user["_id"])
        with pytest.raises(TooManyStreamsError):
            await other.take(alice.user["_id"])
        await closed.close()
        assert (await other.take(alice.user["_id"]))["user_id"] == alice.user["_id"]

    async def test_released_slot_can_be_taken_again_while_others_have_the_rest(self, alice: Client) -> None:
        process, other = StreamSlots(), StreamSlots()
        slot = await process.take(alice.user["_id"])
        for _ in range(MAX_STREAMS - 1):
            await other.take(alice.user["_id"])
        process.release(slot)
        assert (await process.take(alice.user["_id"]))["slot"] == slot["slot"]
