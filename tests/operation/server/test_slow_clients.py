"""Clients that are slow, silent or send without end, over raw sockets: they are disconnected, and others are served."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.config import Settings
from app.http.connections import MAX_HEADERS
from app.process_limits import raise_open_file_limit
from tests.support.http import API, LONG, Json
from tests.support.processes import PATIENCE_SECONDS, Program, eventually, free_port, running
from tests.support.services import environment

TIMEOUT_SECONDS = 3
"""REQUEST_HEAD_SECONDS and CLIENT_SILENCE_SECONDS of the service."""

IDLE_CONNECTIONS = 10_000 if LONG else 2_000
SPARE_CONNECTIONS = 20
LOW_OPEN_FILE_LIMIT = 512
HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n"
COMPLETE_REQUEST = HEAD + b"\r\n"
POST = b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
PARTIAL_BODY = POST + b"Content-Length: 100\r\n\r\nusername="
PARTIAL_CHUNK = POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nuse"
COMPLETE_CHUNK = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nu\r\n"


@dataclass(frozen=True)
class RawResponse:
    """The last response on a connection, which the service has closed."""

    raw: bytes

    @property
    def status(self) -> int | None:
        return int(self.raw.rpartition(b"HTTP/1.1 ")[2][:3]) if self.raw else None

    @property
    def problem(self) -> Json:
        head, _, body = self.raw.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head.lower()
        assert b"connection: close" in head.lower()
        assert b"x-content-type-options: nosniff" in head.lower()
        problem: Json = json.loads(body)
        assert problem["status"] == self.status
        assert problem["request_id"].encode() in head
        return problem


class RawConnection:
    """A raw connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        """Read the status line and headers of the next response."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def read_to_end(self) -> RawResponse:
        """Read until the service closes the connection, which it must do."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return RawResponse(await self.reader.read())

    async def send_repeatedly(self, piece: bytes, *, every: float) -> None:
        """Send the piece repeatedly until the service has closed the connection."""
        while not self.reader.at_eof():
            await asyncio.sleep(every)
            await self.send(piece)


@asynccontextmanager
async def connected(service: Program) -> AsyncIterator[RawConnection]:
    address = urlsplit(service.base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


async def response_to(service: Program, *parts: bytes) -> RawResponse:
    """Send these bytes and nothing else, and return the response after the service has closed the connection."""
    async with connected(service) as connection:
        for part in parts:
            await connection.send(part)
        return await connection.read_to_end()


async def assert_others_are_served(service: Program) -> None:
    async with httpx.AsyncClient(base_url=service.base_url, timeout=PATIENCE_SECONDS) as other:
        for path, status in (("/health/live", 200), ("/health/ready", 200), (f"{API}/tasks", 401)):
            assert (await other.get(path)).status_code == status


@pytest.fixture(scope="module")
def service(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A service with short timeouts, in its own process."""
    limits = {"REQUEST_HEAD_SECONDS": TIMEOUT_SECONDS, "CLIENT_SILENCE_SECONDS": TIMEOUT_SECONDS}
    folder = tmp_path_factory.mktemp("service")
    with running("serve", folder=folder, **{**environment(settings), **limits, "PORT": free_port()}) as service:
        service.wait_until_ready()
        yield service


class TestSilentClient:
    INCOMPLETE_REQUESTS = (
        b"G",
        HEAD,
        HEAD + b"X-Long: ",
        b"\r\n\r\n",
        PARTIAL_BODY,
        PARTIAL_CHUNK,
        COMPLETE_CHUNK,
        COMPLETE_CHUNK + b"0\r\nX-Trailer: ",
        POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    )

    async def test_incomplete_request_is_answered_with_408(self, service: Program) -> None:
        others = asyncio.create_task(assert_others_are_served(service))
        responses = await asyncio.gather(*(response_to(service, sent) for sent in self.INCOMPLETE_REQUESTS))
        await others
        for sent, response in zip(self.INCOMPLETE_REQUESTS, responses, strict=True):
            assert (response.status, response.problem["code"]) == (408, "request_timeout"), sent

    async def test_idle_connection_is_closed_without_a_response(self, service: Program) -> None:
        never, *after_a_response = await asyncio.gather(
            response_to(service), response_to(service, COMPLETE_REQUEST), response_to(service, COMPLETE_REQUEST + HEAD)
        )
        assert never.raw == b""
        for response in after_a_response:
            assert response.status == 200
            assert response.raw.endswith(b'{"status":"healthy"}')

    async def test_client_that_sends_single_bytes_is_disconnected(self, service: Program) -> None:
        async def send_slowly(first: bytes, piece: bytes) -> RawResponse:
            async with connected(service) as connection:
                await connection.send(first)
                sending = asyncio.create_task(connection.send_repeatedly(piece, every=TIMEOUT_SECONDS / 20))
                try:
                    return await connection.read_to_end()
                finally:
                    sending.cancel()
                    await asyncio.wait({sending})

        for response in await asyncio.gather(
            send_slowly(HEAD, b"X: y\r\n"), send_slowly(HEAD + b"X: ", b"y"), send_slowly(b"", b"\r\n")
        ):
            assert response.problem["code"] == "request_timeout"


class TestSlowClient:
    async def test_slow_body_is_accepted(self, service: Program) -> None:
        body = b"username=nobody%40example.com&password=" + b"x" * 40
        async with connected(service) as connection:
            await connection.send(POST + b"Content-Length: %d\r\n\r\n" % len(body))
            for place in range(0, len(body), 5):
                await connection.send(body[place : place + 5])
                await asyncio.sleep(TIMEOUT_SECONDS / 10)  # in total longer than the timeout
            assert (await connection.head()).startswith(b"HTTP/1.1 401 ")

    async def test_pause_between_requests_is_accepted(self, service: Program) -> None:
        async with connected(service) as connection:
            for _ in range(4):
                await connection.send(HEAD)
                await asyncio.sleep(TIMEOUT_SECONDS / 10)
                await connection.send(b"\r\n")
                assert (await connection.head()).startswith(b"HTTP/1.1 200 ")
                await connection.reader.readexactly(len(b'{"status":"healthy"}'))


class TestLargeHead:
    SIZE = Settings.model_fields["max_head_bytes"].default

    @pytest.mark.parametrize(
        ("first", "piece"),
        [
            (b"GET /", b"a"),
            (b"GET /health?", b"a=b&"),
            (HEAD + b"X-Long: ", b"a"),
            (HEAD, b"X-Many: a\r\n"),
            (b"", b"\r\n"),
            (COMPLETE_CHUNK + b"0\r\n", b"X-Trailer: a\r\n"),
            (COMPLETE_CHUNK + b"0\r\nX-Trailer: ", b"a"),
            (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"),
        ],
    )
    async def test_endless_head_is_answered_with_431(self, service: Program, first: bytes, piece: bytes) -> None:
        without_end = piece * (4096 // len(piece))
        async with connected(service) as connection:
            await connection.send(first)
            sending = asyncio.create_task(connection.send_repeatedly(without_end, every=0))
            try:
                response = await connection.read_to_end()
            finally:
                sending.cancel()
                await asyncio.wait({sending})
        assert (response.status, response.problem["code"]) == (431, "head_too_large")
        await assert_others_are_served(service)

    async def test_head_over_the_limit_is_answered_with_431(self, service: Program) -> None:
        for size, status in ((self.SIZE - 200, 200), (self.SIZE + 1, 431)):
            head = HEAD + b"X-Long: " + b"a" * size + b"\r\nConnection: close\r\n\r\n"
            assert (await response_to(service, head)).status == status

    async def test_too_many_headers_are_answered_with_431(self, service: Program) -> None:
        for number, status in ((MAX_HEADERS - 2, 200), (MAX_HEADERS + 1, 431)):
            head = HEAD + b"X-Many: a\r\n" * number + b"Connection: close\r\n\r\n"
            assert (await response_to(service, head)).status == status


class TestMalformedRequest:
    @pytest.mark.parametrize(
        "sent",
        [
            b"\x16\x03\x01\x02\x00",
            b"GET\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
            HEAD + b": no name\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        ],
    )
    async def test_malformed_request_is_answered_with_a_problem(self, service: Program, sent: bytes) -> None:
        response = await response_to(service, sent)
        assert (response.status, response.problem["code"]) == (400, "malformed_request")

    async def test_earlier_request_is_answered_first(self, service: Program) -> None:
        response = await response_to(service, b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n" + b"nonsense\r\n\r\n")
        assert response.status == 200
        assert response.raw.count(b"HTTP/1.1 ") == 1
        assert response.raw.endswith(b'{"status":"healthy"}')


class TestUnreadResponse:
    async def test_connection_is_aborted_if_the_client_stops_reading(self, service: Program) -> None:
        address = urlsplit(service.base_url)
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, (address.hostname, address.port))
        reader, writer = await asyncio.open_connection(sock=small, limit=1)
        try:
            connection = RawConnection(reader, writer)
            requests = 40
            await connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * requests)
            received = await reader.readexactly(1)
            await asyncio.to_thread(eventually, lambda: "answer_not_taken" in service.output)
            with suppress(ConnectionResetError):
                received += (await connection.read_to_end()).raw
            assert 0 < received.count(b"HTTP/1.1 200 ") < requests
        finally:
            writer.transport.abort()
        await assert_others_are_served(service)


@contextmanager
def low_open_file_limit() -> Iterator[None]:
    """Set a low limit of open files, as many systems have it, for processes that are started in the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(LOW_OPEN_FILE_LIMIT, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TestIdleConnections:
    async def test_idle_connections_do_not_prevent_service(self, settings: Settings, tmp_path: Path) -> None:
        # This process holds the client side of the connections.
        raise_open_file_limit(Settings(_env_file=None, max_connections=IDLE_CONNECTIONS + 1_000))
        limits = {"REQUEST_HEAD_SECONDS": 600, "MAX_CONNECTIONS": IDLE_CONNECTIONS + SPARE_CONNECTIONS}
        with ExitStack() as stack:
            with low_open_file_limit():
                variables = {**environment(settings), **limits, "PORT": free_port()}
                service = stack.enter_context(running("serve", folder=tmp_path, **variables))
            service.wait_until_ready()
            idle = [await idle_connection(service, stack) for _ in range(IDLE_CONNECTIONS)]
            await assert_others_are_served(service)
            for place in (0, IDLE_CONNECTIONS // 2, IDLE_CONNECTIONS - 1):
                await self.is_still_answered(idle[place])

            idle += [await idle_connection(service, stack) for _ in range(SPARE_CONNECTIONS)]
            refused = await response_to(service)
            assert (refused.status, refused.problem["code"]) == (503, "too_many_connections")
            assert b"retry-after: " in refused.raw.lower()
            await self.is_still_answered(idle[0])

            for connection in idle:
                connection.close()
            service.wait_until_ready()
            await assert_others_are_served(service)

    async def is_still_answered(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await loop.sock_sendall(connection, COMPLETE_REQUEST)
            received = b""
            while not received.endswith(b'{"status":"healthy"}'):
                received += await loop.sock_recv(connection, 4096)


async def idle_connection(service: Program, stack: ExitStack) -> socket.socket:
    address = urlsplit(service.base_url)
    connection = stack.enter_context(socket.socket())
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (address.hostname, address.port))
    return connection
