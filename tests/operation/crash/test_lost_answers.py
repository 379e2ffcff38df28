"""A store that dies after it has done its work and before it says so: the work is done once, whatever is answered."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from pydantic import SecretStr

from app.config import Settings
from app.embedded.store import EmbeddedStore
from app.main import create_app
from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.operation.crash.siege import ACCOUNT, STORE, command
from tests.support.http import API, Client, Json, ago, problem
from tests.support.processes import family, free_port, one_of
from tests.support.services import serving_beside

LOOPBACK = "127.0.0.1"
CHUNK = 65_536
INSERT, UPDATE, COMMIT = b"\x02insert\x00", b"\x02update\x00", b"\x10commitTransaction\x00"
"""How a command of the MongoDB wire protocol begins."""


class Relay:
    """Passes on what goes to the store and what comes from it, until the store dies of a command."""

    def __init__(self, url: str) -> None:
        self.port = free_port()
        self.url = url.replace(f":{urlsplit(url).port}/", f":{self.port}/")
        self.deadly: bytes | None = None
        self.deaths = 0
        self._store_port = urlsplit(url).port
        self._under_way: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serves until the block ends and all who have come through are gone."""
        async with await asyncio.start_server(self._connect, LOOPBACK, self.port):
            yield
            if self._under_way:
                await asyncio.wait(self._under_way)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await task

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            store_reader, store_writer = await asyncio.open_connection(LOOPBACK, self._store_port)
            doomed = asyncio.Event()
            there = asyncio.create_task(self._requests(reader, store_writer, doomed))
            while data := await store_reader.read(CHUNK):
                if doomed.is_set():
                    self._kill_the_store()
                    break
                writer.write(data)
            there.cancel()
            store_writer.close()
        writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while data := await reader.read(CHUNK):
            if self.deadly is not None and self.deadly in data:
                self.deadly = None
                doomed.set()
            writer.write(data)
        writer.close()

    def _kill_the_store(self) -> None:
        self.deaths += 1
        one_of([process for process in family(os.getpid()) if self._is_the_stores(process)], STORE).kill()

    def _is_the_stores(self, process: psutil.Process) -> bool:
        return str(self._store_port) in command(process)


@asynccontextmanager
async def client_of_a_store_that_dies(
    folder: Path, settings: Settings, database: Database
) -> AsyncIterator[tuple[Client, Relay]]:
    """A signed-in user of a service that reaches its store through a relay."""
    with EmbeddedStore(Settings(_env_file=None, embedded_data_dir=folder / "data")) as url:
        relay = Relay(url)
        app = create_app(settings.model_copy(update={"database_url": SecretStr(relay.url)}))
        async with (
            relay.serving(),
            serving_beside(app, database) as address,
            Client(base_url=address + API, timeout=30) as client,
        ):
            assert (await client.post("/users", json=ACCOUNT)).status_code == 201
            form = {"username": ACCOUNT["email"], "password": ACCOUNT["password"]}
            token = (await client.post("/auth/token", data=form)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield client, relay


async def until_it_is_back(client: Client) -> None:
    async with asyncio.timeout(60):
        while (await client.get(str(client.base_url.join("/health/ready")))).is_error:  # noqa: ASYNC110 -- its supervisor restarts it
            await asyncio.sleep(0.05)


class TestAStoreThatDiesBetweenItsWorkAndItsWord:
    async def test_has_made_one_task_and_each_entry_once(
        self, tmp_path: Path, settings: Settings, database: Database
    ) -> None:
        async with client_of_a_store_that_dies(tmp_path, settings, database) as (client, relay):
            relay.deadly = INSERT
            problem(await client.post("/tasks", json={"title": "Once"}), 503, "database_unavailable")
            await until_it_is_back(client)
            (task,) = (await client.list())["items"]
            for deadly, overlap, hours in ((UPDATE, "allow", 4), (COMMIT, "forbid", 2)):
                relay.deadly = deadly
                body: Json = {"started_at": ago(hours=hours), "duration_seconds": 60}
                answer = await client.post(f"/tasks/{task['id']}/time-entries", json=body, params={"overlap": overlap})
                problem(answer, 503, "database_unavailable")
                await until_it_is_back(client)
            assert relay.deaths == 3
            found = await client.read(task)
            assert (found["entry_count"], found["tracked_seconds"]) == (2, 120)
            assert (await examine()).findings == []
