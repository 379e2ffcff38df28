"""A minimal HTTP/1.1 client for one keep-alive connection, and functions that send many requests."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 60
SETTLE_SECONDS = 0.004
"""How long work after a response is waited for, because it counts too."""

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
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


class Connection:
    """A keep-alive connection. `send` raises BenchmarkError for any response other than 2xx."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        try:
            self._reader, self._writer = await asyncio.open_connection(HOST, self._port)
        except OSError as error:
            raise BenchmarkError(f"no service listens on port {self._port}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def send(self, call: Call) -> None:
        """Send the request and read the complete response."""
        status, body = await self.exchange(call)
        if not 200 <= status < 300:
            raise BenchmarkError(f"{call.method} {call.path}: {status} {body[:500].decode()}")

    async def exchange(self, call: Call) -> tuple[int, bytes]:
        """Send the request, and return the status and the body of the response, whatever the status is."""
        self._writer.write(call.encoded())
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            body = await self._reader.readexactly(_content_length(head))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise BenchmarkError(f"{call.method} {call.path}: the connection ended") from error
        return int(head[9:12]), body


def _content_length(head: bytes) -> int:
    _, header, rest = head.lower().partition(b"\r\ncontent-length:")
    if not header:
        raise BenchmarkError("a response without Content-Length")
    return int(rest.partition(b"\r\n")[0])


async def send_in_turn(connection: Connection, calls: Sequence[Call]) -> list[float]:
    """Send the requests one after another. Return their response times, in seconds."""
    times = []
    for call in calls:
        began = time.perf_counter()
        await connection.send(call)
        times.append(time.perf_counter() - began)
    return times


async def send_all(connections: Sequence[Connection], calls: Sequence[Call]) -> list[float]:
    """Distribute the requests over the connections, and send them one at a time on each. Return the response times."""
    width = len(connections)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(send_in_turn(connection, calls[place::width]))
                for place, connection in enumerate(connections)
            ]
    except TimeoutError as error:
        path = f"{calls[0].method} {calls[0].path}"
        raise BenchmarkError(f"{path}: {len(calls)} requests took longer than {TIMEOUT_SECONDS} s") from error
    return [seconds for task in tasks for seconds in task.result()]
