"""SIGTERM during a load: requests in progress are completed, no other is accepted, and no write is lost."""

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
from tests.operation.crash.scenario import CrashScenario
from tests.support.http import Client, Json, ago
from tests.support.processes import eventually

EXPECT_HEADERS = {"Content-Type": "application/json", "Expect": "100-continue"}
MAX_SHUTDOWN_SECONDS = 10
"""The documented limit. A shutdown usually takes much less."""


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def shared_scenario(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[CrashScenario]:
    with ExitStack() as stack:
        yield CrashScenario(tmp_path_factory.mktemp("service"), "ending", workers=request.param, stack=stack)


@pytest.fixture
def scenario(shared_scenario: CrashScenario) -> CrashScenario:
    """A running service with its clients. It is started again if a failed test has ended it."""
    if shared_scenario.service.process.poll() is not None:
        shared_scenario.start()
    return shared_scenario


def refuses_connections(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return False
    return True


class SlowRequest:
    """A POST whose body is sent later: the service has responded with 100 Continue and waits for the body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._body = body

    @classmethod
    async def begin(cls, client: Client, path: str, body: Json) -> "SlowRequest":
        content = json.dumps(body).encode()
        request = client.build_request("POST", path, content=content, headers=EXPECT_HEADERS)
        reader, writer = await asyncio.open_connection(request.url.host, request.url.port)
        lines = [f"POST {request.url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        return cls(reader, writer, content)

    async def send_body(self) -> httpx.Response:
        """Send the body, and return the response. The service closes the connection afterwards."""
        self._writer.write(self._body)
        head, _, content = (await self._reader.read()).partition(b"\r\n\r\n")
        self._writer.close()
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        assert headers["connection"] == "close"
        assert len(content) == int(headers["content-length"])
        return httpx.Response(int(status.split()[1]), headers=headers, content=content)


class TestSigtermDuringALoad:
    async def test_started_requests_are_completed_and_no_others(
        self, scenario: CrashScenario, database: Database
    ) -> None:
        service, signalled_at = scenario.service, 0.0

        def send_sigterm() -> None:
            nonlocal signalled_at
            signalled_at = time.monotonic()
            service.send(signal.SIGTERM)

        async with scenario.clients() as clients:
            await scenario.load(clients, send_sigterm, stop_sending=False)
            assert service.exit_code() == 0, service.output
        assert time.monotonic() - signalled_at < MAX_SHUTDOWN_SECONDS
        assert service.left_nothing_running()
        assert scenario.ledger.broken
        # Each client sent requests until its connection was closed. The service has not read the last ones.
        scenario.ledger.unanswered.clear()
        scenario.start()
        await scenario.compare(database)


class TestSigtermDuringASlowRequest:
    async def test_request_is_completed_and_new_connections_are_refused(
        self, scenario: CrashScenario, database: Database
    ) -> None:
        async with scenario.clients() as clients:
            task_id, entry_count = next(iter(scenario.ledger.tasks)), len(scenario.ledger.entries)
            body = {"started_at": ago(hours=2), "duration_seconds": 60}
            slow_request = await SlowRequest.begin(clients[0], f"/tasks/{task_id}/time-entries", body)
            scenario.service.send(signal.SIGTERM)
            signalled_at = time.monotonic()
            assert eventually(lambda: refuses_connections(scenario.port))
            response = await slow_request.send_body()
        assert response.status_code == 201, response.text
        scenario.ledger.add(response)
        assert scenario.service.exit_code() == 0, scenario.service.output
        assert time.monotonic() - signalled_at < MAX_SHUTDOWN_SECONDS
        scenario.start()
        await scenario.compare(database)
        assert len(scenario.ledger.entries) == entry_count + 1
