"""A stub in front of the store that answers repeated queries at once, so that a service is measured alone.

It forwards each message of MongoDB's wire protocol to the store, and stores the responses to `find` and `aggregate`.
When a query is repeated, it sends the stored response. So it is right only for data that does not change. Run it with
`python -m benchmarks.harness.stub_store PORT STORE_PORT`.
"""

import asyncio
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import bson
import uvloop

from benchmarks.harness.client import HOST
from benchmarks.harness.processes import ROOT, free_port

HEADER = struct.Struct("<iiii")
"""The length of a message, its id, the id of the message that it responds to, and the operation code."""

LENGTH = struct.Struct("<i")
OP_MSG = 2013
BODY_OFFSET = HEADER.size + 5
"""After the header come four bytes of flags, and one byte for the kind of the first section: 0 is a document."""

STORED_COLLECTIONS = {"tasks", "users", "refresh_tokens"}
FIRST_VARYING_FIELD = b"\x03lsid\0"
NEXT_CONSTANT_FIELD = b"\x02$db\0"
"""Two messages with the same query differ only from the one to the other, in BSON: in the session and in two times."""


class Messages:
    """Splits the bytes of a connection into messages."""

    def __init__(self) -> None:
        self._buffer = b""

    def split(self, data: bytes) -> list[bytes]:
        """Return the complete messages, after these bytes have arrived."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= HEADER.size:
            (length, *_) = HEADER.unpack_from(self._buffer)
            if len(self._buffer) < length:
                break
            messages.append(self._buffer[:length])
            self._buffer = self._buffer[length:]
        return messages


class Responses:
    """The stored responses by query."""

    def __init__(self) -> None:
        self._stored: dict[bytes, bytes] = {}

    def find(self, key: bytes) -> bytes | None:
        """Return the stored response, without its header, or None."""
        return self._stored.get(key)

    def add(self, key: bytes, response: bytes) -> None:
        """Store a response."""
        self._stored[key] = response[HEADER.size :]


def key_of(message: bytes) -> bytes:
    """Return what identifies the query of a message."""
    before, _, after = message[HEADER.size :].partition(FIRST_VARYING_FIELD)
    return before + after[after.find(NEXT_CONSTANT_FIELD) :]


def has_stored_response(message: bytes) -> bool:
    """Return whether the response to this message is stored: whether it is a query outside a transaction."""
    if HEADER.unpack_from(message)[3] != OP_MSG or message[BODY_OFFSET - 1]:
        return False
    (length,) = LENGTH.unpack_from(message, BODY_OFFSET)
    command = bson.decode(message[BODY_OFFSET : BODY_OFFSET + length])
    name, collection = next(iter(command.items()))
    return name in {"find", "aggregate"} and collection in STORED_COLLECTIONS and "autocommit" not in command


class Upstream(asyncio.Protocol):
    """The connection to the store."""

    def __init__(self, client: "Downstream") -> None:
        self._client = client
        self._messages = Messages()

    def data_received(self, data: bytes) -> None:
        """Forward responses."""
        for message in self._messages.split(data):
            self._client.respond(message)

    def connection_lost(self, _error: Exception | None) -> None:
        """Close the connection of the client, too."""
        self._client.transport.close()


class Downstream(asyncio.Protocol):
    """The connection of a client."""

    transport: asyncio.Transport

    def __init__(self, store_port: int, responses: Responses) -> None:
        self._store_port = store_port
        self._responses = responses
        self._messages = Messages()
        self._queries: dict[int, bytes] = {}
        """The queries whose responses are stored, by the ids of their messages."""
        self._store: asyncio.WriteTransport | None = None
        self._waiting: list[bytes] = []
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the store."""
        self.transport = cast("asyncio.Transport", transport)
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._store, _ = await loop.create_connection(lambda: Upstream(self), HOST, self._store_port)
        self._store.writelines(self._waiting)

    def data_received(self, data: bytes) -> None:
        """Answer or forward requests."""
        for message in self._messages.split(data):
            self._request(message)

    def _request(self, message: bytes) -> None:
        (_, message_id, _, _) = HEADER.unpack_from(message)
        key = key_of(message)
        response = self._responses.find(key)
        if response is not None:
            header = HEADER.pack(HEADER.size + len(response), message_id, message_id, OP_MSG)
            self.transport.write(header + response)
            return
        if has_stored_response(message):
            self._queries[message_id] = key
        if self._store is None:
            self._waiting.append(message)
        else:
            self._store.write(message)

    def respond(self, message: bytes) -> None:
        """Forward a response of the store, and store it if it is that of a query."""
        (_, _, request_id, _) = HEADER.unpack_from(message)
        key = self._queries.pop(request_id, None)
        if key is not None:
            self._responses.add(key, message)
        self.transport.write(message)

    def connection_lost(self, _error: Exception | None) -> None:
        """Close the connection to the store, too."""
        if self._store is not None:
            self._store.close()


async def serve(port: int, store_port: int) -> None:
    """Serve until the process ends."""
    responses = Responses()
    server = await asyncio.get_running_loop().create_server(lambda: Downstream(store_port, responses), HOST, port)
    await server.serve_forever()


@contextmanager
def stub_store(store_port: int) -> Iterator[int]:
    """Run the stub in a process of its own. Yields its port."""
    port = free_port()
    command = [sys.executable, "-m", __name__, str(port), str(store_port)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield port
        finally:
            process.terminate()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
