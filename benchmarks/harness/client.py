"""A minimal HTTP/1.1 client for one keep-alive connection, and functions that send many requests."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlencode

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 60
SETTLE_SECONDS = 0.004
"""How long work after a response is waited for, because it counts too."""

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
END_OF_HEAD = b"\r\n\r\n"
BEARER = "Authorization: Bearer"


def exit_code(run: Callable[[], object]) -> int:
    """Return 0 after the run, or print the error and return 1."""
    try:
        run()
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


class BenchmarkError(Exception):
    """The run cannot continue; the message says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `token_header` is the header with the token, up to the token itself."""

    method: str
    path: str
    token: str
    body: Any = None
    media_type: str = JSON
    if_match: str | None = None
    token_header: str = BEARER

    def encoded(self) -> bytes:
        """Return the bytes of the request."""
        write = json.dumps if self.media_type == JSON else urlencode
        body = b"" if self.body is None else write(self.body).encode()
        content = "" if self.body is None else f"Content-Type: {self.media_type}\r\n"
        length = f"Content-Length: {len(body)}\r\n" if self.method in {"POST", "PATCH", "PUT"} else ""
        condition = "" if self.if_match is None else f"If-Match: {self.if_match}\r\n"
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/json\r\n"
            f"{self.token_header} {self.token}\r\n{content}{length}{condition}\r\n"
        )
        return head.encode() + body


class Connection(asyncio.Protocol):
    """A keep-alive connection. `send` raises BenchmarkError for any response other than 2xx.

    It uses little CPU time itself, because where a service uses all cores, the client shares them.
    """

    _transport: asyncio.WriteTransport

    def __init__(self, port: int) -> None:
        self._port = port
        self._response: asyncio.Future[None] | None = None
        self._received = bytearray()
        self._missing: int | None = None
        """The number of bytes of the response that have not arrived, or None before the end of its head."""

    async def __aenter__(self) -> Self:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, HOST, self._port)
        except OSError as error:
            raise BenchmarkError(f"no service listens on port {self._port}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.close()

    @property
    def local_port(self) -> int:
        """The port of this end of the connection."""
        address: tuple[str, int] = self._transport.get_extra_info("sockname")
        return address[1]

    async def send(self, call: Call) -> None:
        """Send the request and read the complete response."""
        await self._request(call)
        if not self._received.startswith(b"HTTP/1.1 2"):
            raise BenchmarkError(f"{call.method} {call.path}: {self._received[:1000].decode()}")

    async def exchange(self, call: Call) -> tuple[int, bytes]:
        """Send the request, and return the status and the body of the response, whatever the status is."""
        await self._request(call)
        head, _, body = self._received.partition(END_OF_HEAD)
        return int(head[9:12]), bytes(body)

    def _request(self, call: Call) -> asyncio.Future[None]:
        """Send the request. Return a future, which is done when the response has arrived."""
        self._received, self._missing = bytearray(), None
        self._response = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            self.connection_lost(None)
        else:
            self._transport.write(call.encoded())
        return self._response

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, for the requests."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Add a part of the response, which may be all of it."""
        if self._response is None or self._response.done():
            return  # the response is complete, or nobody waits for it
        self._received += data
        if self._missing is not None:
            self._missing -= len(data)
        elif (end := self._received.find(END_OF_HEAD)) >= 0:
            length = _content_length(bytes(self._received[:end]))
            if length is None:
                self._response.set_exception(BenchmarkError("a response without Content-Length"))
                return
            self._missing = end + len(END_OF_HEAD) + length - len(self._received)
        if self._missing == 0:
            self._response.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """End the request that waits for a response."""
        if self._response is not None and not self._response.done():
            self._response.set_exception(BenchmarkError(f"the connection to port {self._port} ended"))


def _content_length(head: bytes) -> int | None:
    _, header, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if header else None


async def send_in_turn(
    connection: Connection, calls: Iterable[Call], *, delay: float = 0, interval: float = 0
) -> list[float]:
    """Send the requests one after another. Return their response times, in seconds.

    The first one is due after `delay`, and each of the others `interval` after the one before.
    """
    times = []
    due = time.perf_counter() + delay
    for call in calls:
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        began = time.perf_counter()
        await connection.send(call)
        times.append(time.perf_counter() - began)
        due += interval
    return times


async def send_all(connections: Sequence[Connection], calls: Sequence[Call], *, pace: float = 0) -> list[float]:
    """Send each request on the next free connection. Return the response times, in seconds.

    With `pace`, one request is due in each period of that many seconds. It is late if the service is slower.
    """
    remaining = iter(calls)
    interval = pace * len(connections)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(send_in_turn(connection, remaining, delay=pace * place, interval=interval))
                for place, connection in enumerate(connections)
            ]
    except TimeoutError as error:
        path = f"{calls[0].method} {calls[0].path}"
        raise BenchmarkError(f"{path}: {len(calls)} requests took longer than {TIMEOUT_SECONDS} s") from error
    return [seconds for task in tasks for seconds in task.result()]
