"""Checks whether the embedded store still works: a ping, and a small write at regular intervals.

Uses only the standard library, because the supervisor imports it.
"""

import socket
import struct
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"

MAX_PROBE_INTERVAL_SECONDS = 5.0
"""The longest time between a completed write and the next one."""

PROBE_DATABASE = "task_timer_keeper"

MAX_STEP_SECONDS = 1.0
"""The longest time between two checks for the response to a write."""

_MIN_UNANSWERED_SECONDS = 0.05
_OP_MSG = 2013
_HEADER = struct.Struct("<iiii")


class WriteProbe:
    """Small writes, one after the other, that show whether the store still works.

    A store can respond to every ping and yet never complete a write again: one of its threads waits
    for space in the cache and blocks the threads that could free some.
    """

    def __init__(self, port: int, *, patience: float) -> None:
        """`patience` is the time in seconds after which a store that completes no write is restarted."""
        self.interval = min(MAX_PROBE_INTERVAL_SECONDS, patience / 4)
        """The time in seconds between a completed write and the next one."""

        self.unanswered_seconds = 0.0
        """How long the current write has had no response."""

        self.connection: socket.socket | None = None
        self._port = port
        self._count = 0
        self._next_in = self.interval

    def advance(self, elapsed: float) -> None:
        """Read the response to the current write, or send the next write when it is due.

        `elapsed` is the time since the last call, in seconds. At most MAX_STEP_SECONDS of it count:
        after a longer gap it was this process that was suspended.
        """
        step = min(elapsed, MAX_STEP_SECONDS)
        if self.unanswered_seconds == 0 and self.connection is None:
            self._next_in -= step
            if self._next_in <= 0:
                self._send()
            return
        self.unanswered_seconds += step
        if self.connection is None:
            self._send()
        else:
            self._receive(self.connection)

    def close(self) -> None:
        """Close the connection to the store."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _send(self) -> None:
        self._count += 1
        try:
            # The kernel completes both calls, so they return at once even when the store hangs.
            self.connection = socket.create_connection((LOOPBACK, self._port), timeout=MAX_STEP_SECONDS)
            self.connection.sendall(_message(_write_command(self._count)))
            self.connection.setblocking(False)
        except OSError:
            self._fail()

    def _receive(self, connection: socket.socket) -> None:
        try:
            response = connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            response = b""
        if not response:
            self._fail()
            return
        # An error response counts too: the store is alive, and a restart would not help.
        self.close()
        self.unanswered_seconds = 0.0
        self._next_in = self.interval

    def _fail(self) -> None:
        self.close()
        self.unanswered_seconds = max(self.unanswered_seconds, _MIN_UNANSWERED_SECONDS)


def responds_to_ping(port: int, *, within: float) -> bool:
    """Return whether a MongoDB server on this loopback port responds to a ping within so many seconds."""
    return _succeeds(port, {"ping": 1, "$db": "admin"}, within)


def accepts_write(port: int, *, within: float) -> bool:
    """Return whether a MongoDB server on this loopback port completes a small write within so many seconds."""
    return _succeeds(port, _write_command(0), within)


def _succeeds(port: int, command: Mapping[str, object], within: float) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=within) as connection:
            connection.sendall(_message(command))
            size, *_ = _HEADER.unpack(read_exactly(connection, _HEADER.size))
            reply = read_exactly(connection, size - _HEADER.size)
    except (OSError, struct.error):
        return False
    return b"\x01ok\x00" + struct.pack("<d", 1) in reply


def _write_command(number: int) -> dict[str, object]:
    """Return the command that updates the one document of the probe."""
    change = {"q": {"_id": "pulse"}, "u": {"$set": {"number": number}}, "upsert": True}
    return {"update": "pulse", "updates": [change], "$db": PROBE_DATABASE}


def _message(command: Mapping[str, object]) -> bytes:
    """Encode a command as an OP_MSG message of the MongoDB wire protocol."""
    body = struct.pack("<iB", 0, 0) + _bson(command)
    return _HEADER.pack(_HEADER.size + len(body), 1, 0, _OP_MSG) + body


def _bson(fields: Mapping[str, object]) -> bytes:
    """Encode a document with the value types that the probe's commands contain."""
    elements = b"".join(_element(name.encode() + b"\x00", value) for name, value in fields.items())
    return struct.pack("<i", len(elements) + 5) + elements + b"\x00"


def _element(name: bytes, value: object) -> bytes:
    match value:
        case bool():
            return b"\x08" + name + bytes([value])
        case int():
            return b"\x12" + name + struct.pack("<q", value)
        case str():
            text = value.encode() + b"\x00"
            return b"\x02" + name + struct.pack("<i", len(text)) + text
        case list():
            return b"\x04" + name + _bson({str(index): item for index, item in enumerate(value)})
        case dict():
            return b"\x03" + name + _bson(value)
    raise TypeError(value)


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes from a connection. Raises ConnectionError if it ends before that."""
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError
        received += part
    return received
