"""Time and size limits of client connections.

uvicorn closes a connection that is idle after a response. But it waits without a limit for the rest of
the headers or of a body, buffers headers of any size, and keeps a response that the client does not read.
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
"""How long the rest of a rejected request is read and discarded. Without this the client may not get the response."""

MAX_HEADERS = 200
"""The maximum number of headers of a request. A browser sends about twenty, and a proxy adds a few."""

log = structlog.get_logger()


class Connection(HttpToolsProtocol):
    """A client connection that is closed if the client is silent for too long.

    There is at most one timer for reading, and none while the service processes a request. A small
    request that arrives in one piece needs no timer.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._settings = cast("Settings", self.app_state["settings"])
        self._in_body = False
        self._has_progress = False
        self._head_bytes = 0
        self._last_data_at = 0.0
        self._rejected = False
        self._parse_error: ServiceError = MalformedRequestError()
        self._read_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Wait for a request, or reject the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > max_client_connections(self._settings):
            self._reject(TooManyConnectionsError())
        else:
            self._read_timer = self.loop.call_later(self._settings.request_head_seconds, self._on_head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self._cancel_read_timer()
        self._cancel_write_timer()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Complete the response in progress and close the connection. An event stream ends at once.

        A stream is aborted if the client does not read what was sent before.
        """
        super().shutdown()
        cycle = self._current_cycle
        if cycle is not None:
            state = cycle.scope["state"]
            state["is_shutting_down"] = True
            if "end_stream" in state:
                state["end_stream"]()
                if self.flow.write_paused:
                    self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse the data. Reject the request if its headers or trailers grow too large."""
        if not self._rejected:
            self._last_data_at = self.loop.time()
            self._has_progress = False
            super().data_received(data)
            self._check_received(len(data))

    def _check_received(self, size: int) -> None:
        if self._rejected:
            return
        self._head_bytes = 0 if self._has_progress else self._head_bytes + size
        if self._head_bytes > self._settings.max_head_bytes:
            self._reject(self._too_large())
        elif self._read_timer is None:
            self._start_read_timer()

    def _start_read_timer(self) -> None:
        if self._in_body:
            self._read_timer = self.loop.call_later(self._settings.client_silence_seconds, self._on_body_timer)
        elif self._current_cycle is None:
            self._read_timer = self.loop.call_later(self._settings.request_head_seconds, self._on_head_timeout)

    @property
    def _current_cycle(self) -> RequestResponseCycle | None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def on_headers_complete(self) -> None:
        """Begin the request. Raises HeadTooLargeError if its headers are too large or too many."""
        self._cancel_read_timer()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._settings.max_head_bytes or len(self.headers) > MAX_HEADERS:
            self._parse_error = self._too_large()
            raise self._parse_error
        self._has_progress = self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._has_progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body of the request. From here on the client waits for the service."""
        self._cancel_read_timer()
        self._has_progress, self._in_body = True, False
        super().on_message_complete()

    def _too_large(self) -> ServiceError:
        return HeadTooLargeError(
            f"The request line and headers are larger than {self._settings.max_head_bytes:,} bytes, "
            f"or there are more than {MAX_HEADERS} headers."
        )

    def _on_head_timeout(self) -> None:
        self._read_timer = None
        if self._head_bytes:
            self._reject(RequestTimeoutError())
        else:
            self.transport.close()

    def _on_body_timer(self) -> None:
        """Reject the request if the client was silent for too long. Time in which the service did not read is free."""
        self._read_timer = None
        now, timeout = self.loop.time(), self._settings.client_silence_seconds
        if self.flow.read_paused or self.cycle.waiting_for_100_continue or self.pipeline:
            self._last_data_at = now
        remaining = self._last_data_at + timeout - now
        if remaining <= 0:
            self._reject(RequestTimeoutError())
        else:
            self._read_timer = self.loop.call_later(remaining, self._on_body_timer)

    def send_400_response(self, _msg: str) -> None:
        """Reject a request that could not be parsed, with the specific error if it is known."""
        self._reject(self._parse_error)

    def _reject(self, error: ServiceError) -> None:
        """Respond with a problem, stop reading, and close the connection soon.

        The response to an earlier request is completed first. A response that has begun is never mixed with another.
        """
        self._rejected = True
        self._cancel_read_timer()
        if self.transport.is_closing():
            return
        cycle = self._current_cycle
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
        self.transport.write(self._problem_response(error))
        self._close_after_reading()

    def _problem_response(self, error: ServiceError) -> bytes:
        request_id = uuid4().hex
        scope = cast("dict[str, Any] | None", self.scope) or {}  # without a path until the headers are complete
        request_scope = {
            "type": "http",
            "path": full_path(self._settings.root_path, scope.get("path", "/")),
            "request_id": request_id,
        }
        response = problem(Request(request_scope), error)
        response.headers.update({**SECURITY_HEADERS, "X-Request-ID": request_id, "Connection": "close"})
        headers = [*self.server_state.default_headers, *response.raw_headers]
        head = [STATUS_LINE[error.status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n"]
        return b"".join(head) + bytes(response.body)

    def _close_after_reading(self) -> None:
        """Close the connection after a delay.

        Closing it at once, with unread data, would reset it, and the client could lose the response
        (RFC 9112 section 9.6).
        """
        self.transport.write_eof()
        self.flow.resume_reading()
        self._read_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def on_response_complete(self) -> None:
        """Wait for the next request. If the connection is closing, check that the client reads the last response."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self._watch_writing()

    def pause_writing(self) -> None:
        """Wait until the client has read more of the response, as long as it reads anything."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Continue to send the response."""
        self._cancel_write_timer()
        super().resume_writing()

    def _watch_writing(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent and self._write_timer is None:
            self._write_timer = self.loop.call_later(self._settings.client_silence_seconds, self._check_writing, unsent)

    def _check_writing(self, unsent_before: int) -> None:
        self._write_timer = None
        if self.transport.get_write_buffer_size() >= unsent_before:
            log.info("answer_not_taken")
            self.transport.abort()
        else:
            self._watch_writing()

    def _cancel_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
