"""A stub server with the MongoDB wire protocol, for servers that are not available in the tests."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import bson

from app.embedded.liveness import read_exactly
from tests.support.http import Json

Answer = Callable[[str, Json], Json | None]
"""Returns the response to a command by its name and body, or None for the default response."""

HELLO: Json = {
    "isWritablePrimary": True,
    "ismaster": True,
    "helloOk": True,
    "setName": "stub",
    "minWireVersion": 0,
    "maxWireVersion": 25,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "logicalSessionTimeoutMinutes": 30,
    "ok": 1,
}
_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_DEFAULT_RESPONSES: Json = {
    "buildInfo": {"version": "8.0.4", "ok": 1},
    "find": {"cursor": {"id": 0, "ns": "stub.any", "firstBatch": []}, "ok": 1},
    "listCollections": {"cursor": {"id": 0, "ns": "stub.$cmd.listCollections", "firstBatch": []}, "ok": 1},
    "update": {"n": 1, "nModified": 1, "ok": 1},
}


def refusal(code: int, words: str, *labels: str) -> Json:
    """Return an error response."""
    return {"ok": 0, "code": code, "errmsg": words, "errorLabels": list(labels)}


@contextmanager
def stub_server(answer: Answer) -> Iterator[str]:
    """Run a server with these responses, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as connections:
        accepting = threading.Thread(target=_accept, args=(listener, connections, answer))
        accepting.start()
        try:
            yield f"mongodb://127.0.0.1:{listener.getsockname()[1]}/?directConnection=true"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listener: socket.socket, connections: ExitStack, answer: Answer) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connections.enter_context(connection)
        threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def _serve(connection: socket.socket, answer: Answer) -> None:
    with suppress(OSError, struct.error):
        while True:
            size, number, _, kind = struct.unpack("<iiii", read_exactly(connection, 16))
            if kind not in {_OP_QUERY, _OP_MSG}:
                connection.shutdown(socket.SHUT_RDWR)  # TLS, most likely
                return
            command = _command(kind, read_exactly(connection, size - 16))
            name = next(iter(command))
            response = answer(name, command) or _default_response(name)
            connection.sendall(_message(kind, number, response))


def _command(kind: int, body: bytes) -> Json:
    if kind == _OP_QUERY:
        start = body.index(b"\0", 4) + 9
        return bson.decode(body[start:])
    (size,) = struct.unpack_from("<i", body, 5)
    return bson.decode(body[5 : 5 + size])


def _default_response(name: str) -> Json:
    if name.lower() in {"hello", "ismaster"}:
        return HELLO
    response: Json = _DEFAULT_RESPONSES.get(name, {"ok": 1})
    return response


def _message(kind: int, number: int, response: Json) -> bytes:
    document = bson.encode(response)
    if kind == _OP_QUERY:
        body = struct.pack("<iqii", 0, 0, 0, 1) + document
        return struct.pack("<iiii", 16 + len(body), 0, number, _OP_REPLY) + body
    body = struct.pack("<iB", 0, 0) + document
    return struct.pack("<iiii", 16 + len(body), 0, number, _OP_MSG) + body
