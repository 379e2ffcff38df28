"""Streams of a service with two workers: changes reach the clients of both, and a shutdown ends the streams."""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.feed.event_clients import Event, following
from tests.feed.test_slow_streams import LARGE, LARGE_CHANGES, stalled_stream
from tests.support.http import API, PASSWORD, Client
from tests.support.processes import Program, free_port, new_database, running

STREAMS = 8
MAX_SHUTDOWN_SECONDS = 7
"""Less than the 8 seconds that requests in progress may take, which a stream would use up."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[Program]:
    """A service of two workers."""
    with serving(tmp_path_factory.mktemp("service"), database_url, workers=2) as service:
        yield service


@contextmanager
def serving(folder: Path, database_url: str, *, workers: int) -> Iterator[Program]:
    """Run a service on a new database."""
    settings = {"PORT": free_port(), "WORKERS": workers, "RATE_LIMITS_ENABLED": "false"}
    with (
        new_database(database_url) as database,
        running("serve", folder=folder, **settings, **database) as service,
    ):
        service.wait_until_ready()
        yield service


@asynccontextmanager
async def new_user(service: Program, name: str) -> AsyncIterator[Client]:
    """Register a user, and yield a signed-in client. Each of its requests uses a connection of its own."""
    headers = {"Connection": "close"}
    async with Client(base_url=service.base_url + API, timeout=30, headers=headers) as client:
        account = {"email": f"{name}@example.com", "password": PASSWORD}
        assert (await client.post("/users", json=account)).status_code == 201
        form = {"username": account["email"], "password": PASSWORD}
        token = (await client.post("/auth/token", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


async def write_changes(client: Client, count: int) -> None:
    """Make changes of several types, by several requests at a time."""
    task = await client.make_task()

    async def write(number: int) -> None:
        if number % 2:
            await client.make_task(title=str(number))
        else:
            await client.request_until_available("PATCH", f"/tasks/{task['id']}", json={"title": str(number)})

    await asyncio.gather(*(write(number) for number in range(count - 1)))


async def read_with_reconnects(client: Client, count: int, *, events_per_stream: int) -> list[Event]:
    """Read this number of events, and connect again after some of them with the id of the last one."""
    events: list[Event] = []
    while len(events) < count:
        async with following(client, last_event_id=events[-1].id if events else 0) as stream:
            events += await stream.events(min(events_per_stream, count - len(events)))
    return events


class TestTwoWorkers:
    async def test_change_reaches_all_streams(self, service: Program) -> None:
        async with new_user(service, "reaching") as client, AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(following(client)) for _ in range(STREAMS)]
            for number in range(1, 4):
                await client.make_task(title=str(number))
                events = [await stream.event() for stream in streams]
                assert {event.id for event in events} == {number}

    async def test_client_that_reconnects_after_each_event_misses_and_repeats_nothing(self, service: Program) -> None:
        async with new_user(service, "storm") as client:
            reading = asyncio.create_task(read_with_reconnects(client, 40, events_per_stream=1))
            await write_changes(client, 40)
            assert [event.id for event in await reading] == [*range(1, 41)]

    async def test_sixteen_clients_get_every_change_once_and_in_order(self, service: Program) -> None:
        changes, users = 36, 4
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(new_user(service, f"mixed{number}")) for number in range(users)]
            readers = [
                (client, asyncio.create_task(read_with_reconnects(client, changes, events_per_stream=rest)))
                for client in clients
                for rest in (changes, 17, 7, 4)
            ]
            await asyncio.gather(*(write_changes(client, changes) for client in clients))
            results = defaultdict(list)
            for client, reader in readers:
                results[client].append(await reader)
            for client in clients:
                listed = (await client.get("/changes", params={"limit": 200})).json()["items"]
                assert [change["seq"] for change in listed] == [*range(1, changes + 1)]
                for events in results[client]:
                    assert [event.data for event in events] == listed


class TestShutdown:
    @pytest.mark.parametrize("workers", [1, 2])
    async def test_sigterm_ends_streams_at_once(self, tmp_path: Path, database_url: str, workers: int) -> None:
        with serving(tmp_path, database_url, workers=workers) as service:
            async with new_user(service, "ending") as client, AsyncExitStack() as stack:
                idle = [
                    await stack.enter_async_context(following(client, type="timer.started")) for _ in range(STREAMS)
                ]
                await stack.enter_async_context(stalled_stream(client))
                async with following(client) as stream:
                    for _ in range(LARGE_CHANGES):
                        await client.make_task(description=LARGE)
                    await stream.events(LARGE_CHANGES)
                service.send(signal.SIGTERM)
                began = time.monotonic()
                assert [await stream.rest() for stream in idle] == [[]] * STREAMS
                exit_code = await asyncio.to_thread(service.exit_code)
                assert time.monotonic() - began < MAX_SHUTDOWN_SECONDS
                assert exit_code == 0, service.output
