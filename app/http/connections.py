"""Connections of clients: how long each may keep the service waiting, and how much it may send that is no body.

uvicorn ends a connection that is idle after an answer, but waits for ever for the rest of a head or
a body, keeps a head of any size in memory, and goes on holding an answer that nobody takes.
"""

from asyncio import TimerHandle, Transport
from typing import Any, cast
from uuid import uuid4

import structlog
from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.config import Settings
from app.errors import (
    HeadTooLargeError,
    MalformedRequestError,
    RequestTimeoutError,
    ServiceError,
    TooManyConnectionsError,
)
from app.http.middleware import SECURITY_HEADERS
from app.http.problems import problem
from app.http.root_path import full_path
from app.process_limits import max_client_connections

LINGER_SECONDS = 2.0
"""How long what a refused client still sends is read and thrown away: else it may never see the refusal."""

MAX_HEADERS = 200
"""How many headers a request may have: a browser sends about twenty, and a proxy adds a few."""

log = structlog.get_logger()


class Connection(HttpToolsProtocol):
    """A client's connection, which ends when the client keeps it waiting for too long.

    One timer at most runs for what is to be read, and none while the service is at work. A small
    request that comes at once needs none at all.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._bounds = cast("Settings", self.app_state["settings"])
        self._in_body = False
        self._got_on = False
        self._unfinished = 0
        self._heard_at = 0.0
        self._refused = False
        self._wrong: ServiceError = MalformedRequestError()
        self._reading: TimerHandle | None = None
        self._writing: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Begins to wait for a head, unless there are too many others."""
        super().connection_made(transport)
        if len(self.connections) > max_client_connections(self._bounds):
            self._refuse(TooManyConnectionsError())
        else:
            self._reading = self.loop.call_later(self._bounds.request_head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of everything."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads on, while what is neither a body nor a whole head stays small."""
        if not self._refused:
            self._heard_at = self.loop.time()
            self._got_on = False
            super().data_received(data)
            self._look_at_what_came(len(data))

    def _look_at_what_came(self, size: int) -> None:
        if self._refused:
            return
        self._unfinished = 0 if self._got_on else self._unfinished + size
        if self._unfinished > self._bounds.max_head_bytes:
            self._refuse(self._too_large())
        elif self._reading is None:
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        if self._in_body:
            self._reading = self.loop.call_later(self._bounds.client_silence_seconds, self._look_for_more)
        elif self._under_way is None:
            self._reading = self.loop.call_later(self._bounds.request_head_seconds, self._head_is_late)

    @property
    def _under_way(self) -> RequestResponseCycle | None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def on_headers_complete(self) -> None:
        """Begins the request, if its head is of a size that is taken. Raises HeadTooLargeError."""
        self._stop_waiting()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._bounds.max_head_bytes or len(self.headers) > MAX_HEADERS:
            self._wrong = self._too_large()
            raise self._wrong
        self._got_on = self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hands a part of the body on."""
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the request's body: from here on it is the service that is waited for."""
        self._stop_waiting()
        self._got_on, self._in_body = True, False
        super().on_message_complete()

    def _too_large(self) -> ServiceError:
        return HeadTooLargeError(
            f"The head of the request is larger than {self._bounds.max_head_bytes:,} bytes, "
            f"or has more than {MAX_HEADERS} headers."
        )

    def _head_is_late(self) -> None:
        self._reading = None
        if self._unfinished:
            self._refuse(RequestTimeoutError())
        else:
            self.transport.close()

    def _look_for_more(self) -> None:
        """Ends the connection when nothing has come for too long, unless it was the service that would not read."""
        self._reading = None
        now, most = self.loop.time(), self._bounds.client_silence_seconds
        if self.flow.read_paused or self.cycle.waiting_for_100_continue or self.pipeline:
            self._heard_at = now
        left = self._heard_at + most - now
        if left <= 0:
            self._refuse(RequestTimeoutError())
        else:
            self._reading = self.loop.call_later(left, self._look_for_more)

    def send_400_response(self, _msg: str) -> None:
        """Refuses what could not be read, for the reason that is known."""
        self._refuse(self._wrong)

    def _refuse(self, error: ServiceError) -> None:
        """Answers with a problem, reads no more, and ends the connection soon.

        A request before it that is under way is answered first, and nothing is put into an answer that has begun.
        """
        self._refused = True
        self._stop_waiting()
        if self.transport.is_closing():
            return
        cycle = self._under_way
        client_address = self.client[0] if self.client else None
        log.info("connection_refused", status=error.status, error_code=error.code, client_address=client_address)
        if cycle is not None:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
        self.transport.write(self._problem(error))
        self._end_softly()

    def _problem(self, error: ServiceError) -> bytes:
        request_id = uuid4().hex
        scope = cast("dict[str, Any] | None", self.scope) or {}  # without a path until the head is whole
        about = {
            "type": "http",
            "path": full_path(self._bounds.root_path, scope.get("path", "/")),
            "request_id": request_id,
        }
        response = problem(Request(about), error)
        response.headers.update({**SECURITY_HEADERS, "X-Request-ID": request_id, "Connection": "close"})
        headers = [*self.server_state.default_headers, *response.raw_headers]
        head = [STATUS_LINE[error.status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n"]
        return b"".join(head) + bytes(response.body)

    def _end_softly(self) -> None:
        """Closing at once, with something unread, would take the answer away from the client (RFC 9112 section 9.6)."""
        self.transport.write_eof()
        self.flow.resume_reading()
        self._reading = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def on_response_complete(self) -> None:
        """Waits for the next request, or looks whether the client takes the end of a last answer."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Ends an idle connection."""
        super().timeout_keep_alive_handler()
        self._watch_writing()

    def pause_writing(self) -> None:
        """Waits until the client has taken more of the answer, for as long as it takes anything."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Goes on."""
        self._stop_watching()
        super().resume_writing()

    def _watch_writing(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left and self._writing is None:
            self._writing = self.loop.call_later(self._bounds.client_silence_seconds, self._look_at_writing, left)

    def _look_at_writing(self, before: int) -> None:
        self._writing = None
        if self.transport.get_write_buffer_size() >= before:
            log.info("answer_not_taken")
            self.transport.abort()
        else:
            self._watch_writing()

    def _stop_waiting(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _stop_watching(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
