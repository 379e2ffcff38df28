"""Clients that do not read their stream: they cost others nothing, and miss nothing when they read again."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.feed.event_clients import Event, following, parse_event
from tests.support.http import Client

LARGE = "\N{EURO SIGN}" * 20_000
"""A description of 60 kB. The system buffers some of these on each side of a connection."""

LARGE_CHANGES = 75
PATIENCE_SECONDS = 60


@asynccontextmanager
async def stalled_stream(client: Client) -> AsyncIterator[asyncio.StreamReader]:
    """Open a stream on a connection that buffers little, and yield it. The client has read the headers only."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (client.base_url.host, client.base_url.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=4096)
    headers = f"Host: x\r\nAuthorization: {client.headers['authorization']}\r\n"
    writer.write(f"GET {client.base_url.path}events HTTP/1.1\r\n{headers}\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    try:
        yield reader
    finally:
        writer.close()


async def read_events(reader: asyncio.StreamReader, count: int) -> list[Event]:
    """Read this number of events from a chunked body."""
    text, events = b"", list[Event]()
    while len(events) < count:
        size = int(await reader.readline(), 16)
        text += (await reader.readexactly(size + 2))[:-2]
        *blocks, text = text.split(b"\n\n")
        events += [event for event in (parse_event(block.decode()) for block in blocks) if event.data is not None]
    return events


class TestStalledClient:
    async def test_others_are_served_and_the_client_misses_nothing(self, alice: Client) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), stalled_stream(alice) as stalled, following(alice) as other:
            for _ in range(LARGE_CHANGES):
                await alice.make_task(description=LARGE)
            assert [event.id for event in await other.events(LARGE_CHANGES)] == [*range(1, LARGE_CHANGES + 1)]
            events = await read_events(stalled, LARGE_CHANGES)
            assert [event.id for event in events] == [*range(1, LARGE_CHANGES + 1)]
