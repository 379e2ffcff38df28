"""The store is killed after it executed a command and before it responded: the command is executed once."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from pydantic import SecretStr

from app.config import Settings
from app.embedded.store import EmbeddedStore
from app.embedded.store_program import SECANTUS_SERVER
from app.main import create_app
from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.operation.crash.scenario import ACCOUNT
from tests.support.feed.model import assert_feed_matches
from tests.support.http import API, Client, Json, ago, problem
from tests.support.processes import command_line, find_process, free_port, process_tree
from tests.support.services import serving_another

LOOPBACK = "127.0.0.1"
CHUNK = 65_536
INSERT, UPDATE, COMMIT = b"\x02insert\x00", b"\x02update\x00", b"\x10commitTransaction\x00"
"""The first bytes of commands in the MongoDB wire protocol."""

OF_A_TASK = b"\x06\x00\x00\x00tasks\x00"
"""The name of the collection, which follows the name of the command."""

SESSION = re.compile(rb"\x05id\x00\x10\x00\x00\x00\x04(.{16})", re.DOTALL)
"""The id of the session of a command."""


class Relay:
    """A TCP proxy that kills the store instead of forwarding its response to `fatal_command`.

    Only the commands of requests are fatal. The service also copies changes to the feed meanwhile: its commands do not
    insert tasks, and do not update entries. The session of a commit must be that of an update of entries.
    """

    def __init__(self, url: str) -> None:
        self.port = free_port()
        self.url = url.replace(f":{urlsplit(url).port}/", f":{self.port}/")
        self._fatal_command: bytes | None = None
        self._sessions: set[bytes] = set()
        self.kills = 0
        self._store_port = urlsplit(url).port
        self._connections: set[asyncio.Task[None]] = set()

    def kill_after(self, command: bytes) -> None:
        """Kill the store once it has executed the next command of a request of this kind."""
        self._fatal_command, self._sessions = command, set()

    def _is_fatal(self, data: bytes) -> bool:
        if self._fatal_command is None:
            return False
        session = set(SESSION.findall(data))
        updates_entries = UPDATE + OF_A_TASK in data and b"time_entries\x00" in data
        if updates_entries:
            self._sessions |= session
        if self._fatal_command == COMMIT:
            return COMMIT in data and not session.isdisjoint(self._sessions)
        return updates_entries if self._fatal_command == UPDATE else INSERT + OF_A_TASK in data

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Accept connections until the block ends, then wait until all are closed."""
        async with await asyncio.start_server(self._connect, LOOPBACK, self.port):
            yield
            if self._connections:
                await asyncio.wait(self._connections)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        await task

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            store_reader, store_writer = await asyncio.open_connection(LOOPBACK, self._store_port)
            kill_requested = asyncio.Event()
            forwarding = asyncio.create_task(self._forward_requests(reader, store_writer, kill_requested))
            while data := await store_reader.read(CHUNK):
                if kill_requested.is_set():
                    self._kill_store()
                    break
                writer.write(data)
            forwarding.cancel()
            store_writer.close()
        writer.close()

    async def _forward_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kill_requested: asyncio.Event
    ) -> None:
        while data := await reader.read(CHUNK):
            if self._is_fatal(data):
                self._fatal_command = None
                kill_requested.set()
            writer.write(data)
        writer.close()

    def _kill_store(self) -> None:
        self.kills += 1
        find_process(
            [process for process in process_tree(os.getpid()) if self._belongs_to_store(process)], SECANTUS_SERVER
        ).kill()

    def _belongs_to_store(self, process: psutil.Process) -> bool:
        return str(self._store_port) in command_line(process)


@asynccontextmanager
async def client_with_relay(
    folder: Path, settings: Settings, database: Database
) -> AsyncIterator[tuple[Client, Relay]]:
    """A signed-in client of a service that reaches its store through the relay."""
    with EmbeddedStore(Settings(_env_file=None, embedded_data_dir=folder / "data")) as url:
        relay = Relay(url)
        app = create_app(settings.model_copy(update={"database_url": SecretStr(relay.url)}))
        async with (
            relay.serving(),
            serving_another(app, database) as address,
            Client(base_url=address + API, timeout=30) as client,
        ):
            assert (await client.post("/users", json=ACCOUNT)).status_code == 201
            form = {"username": ACCOUNT["email"], "password": ACCOUNT["password"]}
            token = (await client.post("/auth/token", data=form)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield client, relay


async def wait_until_ready(client: Client) -> None:
    async with asyncio.timeout(60):
        while (await client.get(str(client.base_url.join("/health/ready")))).is_error:  # noqa: ASYNC110 -- its supervisor restarts it
            await asyncio.sleep(0.05)


class TestKillBeforeTheStoreResponds:
    async def test_task_and_entries_are_created_once(
        self, tmp_path: Path, settings: Settings, database: Database
    ) -> None:
        async with client_with_relay(tmp_path, settings, database) as (client, relay):
            relay.kill_after(INSERT)
            problem(await client.post("/tasks", json={"title": "Once"}), 503, "database_unavailable")
            await wait_until_ready(client)
            (task,) = (await client.list())["items"]
            for fatal_command, overlap, hours in ((UPDATE, "allow", 4), (COMMIT, "forbid", 2)):
                relay.kill_after(fatal_command)
                body: Json = {"started_at": ago(hours=hours), "duration_seconds": 60}
                response = await client.post(
                    f"/tasks/{task['id']}/time-entries", json=body, params={"overlap": overlap}
                )
                problem(response, 503, "database_unavailable")
                await wait_until_ready(client)
            assert relay.kills == 3
            stored = await client.read(task)
            assert (stored["entry_count"], stored["tracked_seconds"]) == (2, 120)
            assert (await examine()).findings == []
            await assert_feed_matches(client)
