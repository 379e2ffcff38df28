"""Whether the embedded store still works: a ping, and a small write again and again.

With the standard library alone, for the keeper's sake.
"""

import socket
import struct
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"

PULSE_SECONDS = 5.0
"""How often the keeper writes to the store, to see that it still can."""

PULSE_DATABASE = "task_timer_keeper"

MAX_STEP_SECONDS = 1.0
"""How often the keeper looks for the answer at least."""

_MIN_SILENCE_SECONDS = 0.05
_OP_MSG = 2013
_HEADER = struct.Struct("<iiii")


class Pulse:
    """Small writes, one after the other, that show whether the store still works.

    A store can answer every ping and yet never finish a write again: when one of its threads waits
    for room in the cache while it keeps the others from making any.
    """

    def __init__(self, port: int) -> None:
        self.silence = 0.0
        """How long the write under way has had no answer, in seconds."""

        self.connection: socket.socket | None = None
        self._port = port
        self._number = 0
        self._due_in = PULSE_SECONDS

    def go_on(self, seconds: float) -> None:
        """Look what has come of the write, or send the next one, now that this time has passed.

        A long step is not believed: then it was this process that stood still.
        """
        step = min(seconds, MAX_STEP_SECONDS)
        if self.silence == 0 and self.connection is None:
            self._due_in -= step
            if self._due_in <= 0:
                self._send()
            return
        self.silence += step
        if self.connection is None:
            self._send()
        else:
            self._receive(self.connection)

    def end(self) -> None:
        """Let go of the store."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _send(self) -> None:
        self._number += 1
        try:
            # The system itself answers these two, so they take no time even when the store hangs.
            self.connection = socket.create_connection((LOOPBACK, self._port), timeout=MAX_STEP_SECONDS)
            self.connection.sendall(_message(_a_write(self._number)))
            self.connection.setblocking(False)
        except OSError:
            self._lose()

    def _receive(self, connection: socket.socket) -> None:
        try:
            answer = connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            answer = b""
        if not answer:
            self._lose()
            return
        # A refusal is an answer, too: what a restart would not mend is not for the keeper.
        self.end()
        self.silence = 0.0
        self._due_in = PULSE_SECONDS

    def _lose(self) -> None:
        self.end()
        self.silence = max(self.silence, _MIN_SILENCE_SECONDS)


def answers(port: int, *, within: float) -> bool:
    """Whether a MongoDB server on this port of the loopback answers a ping in time."""
    return _is_done(port, {"ping": 1, "$db": "admin"}, within)


def takes_a_write(port: int, *, within: float) -> bool:
    """Whether a MongoDB server on this port of the loopback does a small write in time."""
    return _is_done(port, _a_write(0), within)


def _is_done(port: int, command: Mapping[str, object], within: float) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=within) as connection:
            connection.sendall(_message(command))
            size, *_ = _HEADER.unpack(read_exactly(connection, _HEADER.size))
            reply = read_exactly(connection, size - _HEADER.size)
    except (OSError, struct.error):
        return False
    return b"\x01ok\x00" + struct.pack("<d", 1) in reply


def _a_write(number: int) -> dict[str, object]:
    """The command that changes the one document of the keeper."""
    change = {"q": {"_id": "pulse"}, "u": {"$set": {"number": number}}, "upsert": True}
    return {"update": "pulse", "updates": [change], "$db": PULSE_DATABASE}


def _message(command: Mapping[str, object]) -> bytes:
    """A command as a message of the MongoDB wire protocol."""
    body = struct.pack("<iB", 0, 0) + _bson(command)
    return _HEADER.pack(_HEADER.size + len(body), 1, 0, _OP_MSG) + body


def _bson(fields: Mapping[str, object]) -> bytes:
    """A document of those kinds of values that the keeper's own commands hold."""
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
    """So many bytes of a connection. Raises ConnectionError when it ends before."""
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError
        received += part
    return received
