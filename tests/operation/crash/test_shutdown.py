"""SIGTERM under load: what is under way is answered, nothing else is begun, and nothing is lost."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from tests.conftest import Database
from tests.operation.crash.siege import Siege
from tests.support.http import Client, Json, ago
from tests.support.processes import eventually

ASKING = {"Content-Type": "application/json", "Expect": "100-continue"}
MAX_END_SECONDS = 10
"""What is promised of SIGTERM; how soon it ends where nothing hangs is much less."""


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def shared_siege(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Siege]:
    with ExitStack() as stack:
        yield Siege(tmp_path_factory.mktemp("siege"), "ending", workers=request.param, stack=stack)


@pytest.fixture
def siege(shared_siege: Siege) -> Siege:
    """The service and its clients, running: a test that failed may have ended it."""
    if shared_siege.service.process.poll() is not None:
        shared_siege.start()
    return shared_siege


def refuses_connections(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return False
    return True


class SlowRequest:
    """A POST that the service has begun to answer: it has asked for the body, and waits for it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._body = body

    @classmethod
    async def begin(cls, client: Client, path: str, body: Json) -> "SlowRequest":
        content = json.dumps(body).encode()
        request = client.build_request("POST", path, content=content, headers=ASKING)
        reader, writer = await asyncio.open_connection(request.url.host, request.url.port)
        lines = [f"POST {request.url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        return cls(reader, writer, content)

    async def end(self) -> httpx.Response:
        """The answer, after which the connection is closed."""
        self._writer.write(self._body)
        head, _, content = (await self._reader.read()).partition(b"\r\n\r\n")
        self._writer.close()
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        assert headers["connection"] == "close"
        assert len(content) == int(headers["content-length"])
        return httpx.Response(int(status.split()[1]), headers=headers, content=content)


class TestSigtermUnderLoad:
    async def test_answers_what_has_begun_and_begins_nothing_more(self, siege: Siege, database: Database) -> None:
        service, told_at = siege.service, 0.0

        def tell() -> None:
            nonlocal told_at
            told_at = time.monotonic()
            service.send(signal.SIGTERM)

        async with siege.clients() as clients:
            await siege.load(clients, tell, rest=False)
            assert service.exit_code() == 0, service.output
        assert time.monotonic() - told_at < MAX_END_SECONDS
        assert service.left_nothing_running()
        assert siege.ledger.broken
        # Each client went on until its connection was closed. What it had sent by then was not read by anybody.
        siege.ledger.unanswered.clear()
        siege.start()
        await siege.compare(database)


class TestSigtermWhileARequestIsSlow:
    async def test_lets_nobody_in_and_waits_for_the_answer(self, siege: Siege, database: Database) -> None:
        async with siege.clients() as clients:
            task_id, known = next(iter(siege.ledger.tasks)), len(siege.ledger.entries)
            body = {"started_at": ago(hours=2), "duration_seconds": 60}
            slow = await SlowRequest.begin(clients[0], f"/tasks/{task_id}/time-entries", body)
            siege.service.send(signal.SIGTERM)
            told_at = time.monotonic()
            assert eventually(lambda: refuses_connections(siege.port))
            answer = await slow.end()
        assert answer.status_code == 201, answer.text
        siege.ledger.add(answer)
        assert siege.service.exit_code() == 0, siege.service.output
        assert time.monotonic() - told_at < MAX_END_SECONDS
        siege.start()
        await siege.compare(database)
        assert len(siege.ledger.entries) == known + 1
