"""Responses of server-sent events."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

MEDIA_TYPE = "text/event-stream"

log = structlog.get_logger()


class EventSource(Protocol):
    """What an event stream sends. `on_ready` is called when `read` may have something to return."""

    on_ready: Callable[[], None]

    async def read(self) -> bytes | None:
        """Return the next bytes: empty when there are none now, None at the end."""

    def end(self) -> None:
        """End the stream at once."""

    def close(self) -> None:
        """Release what the stream holds."""


class EventStreamResponse(Response):
    """The headers of a response of events. `EventStreamSender` sends the events of the source."""

    def __init__(self, source: EventSource) -> None:
        self.source = source
        self.status_code = 200
        self.background = None
        self.init_headers({"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- nothing is received
        """Send the headers, and leave the events to the middleware."""
        scope["state"]["event_source"] = self.source
        if scope.get("is_head_request"):
            self.source.end()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


class EventStreamSender:
    """Middleware that sends the events of an EventStreamResponse until its source ends or the client disconnects.

    It must be the outermost one: the memory that the others need for a request is free while the stream is open.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        try:
            await self.app(scope, receive, send)
        except BaseException:
            if source := _take_source(scope):
                source.close()
            raise
        if source := _take_source(scope):
            _release_request(scope)
            await _send_events(source, scope["state"], receive, send)


def _take_source(scope: Scope) -> EventSource | None:
    source: EventSource | None = scope["state"].pop("event_source", None) if scope["type"] == "http" else None
    return source


def _release_request(scope: Scope) -> None:
    """Remove what only the application needs. The server refers to the scope until the stream ends."""
    state = {"is_shutting_down": scope["state"].get("is_shutting_down", False)}
    needed = {name: scope[name] for name in ("type", "method", "http_version", "path")}
    scope["headers"].clear()
    scope.clear()
    scope.update(needed, state=state)


async def _send_events(source: EventSource, state: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send the events of the source. `app/http/connections.py` ends the source when the service shuts down.

    An idle stream has one task, which waits for the client to disconnect. Another task exists only while there is
    something to send.
    """
    sender = _Sender(source, send)
    try:
        if state["is_shutting_down"]:
            source.end()
        state["end_stream"] = source.end
        source.on_ready = sender.start
        sender.start()
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        source.close()
        await sender.stop()


class _Sender:
    """Sends what a source has, in a task that ends when there is nothing more now."""

    __slots__ = ("_has_ended", "_send", "_source", "_task")

    def __init__(self, source: EventSource, send: Send) -> None:
        self._source = source
        self._send = send
        self._task: asyncio.Task[None] | None = None
        self._has_ended = False

    def start(self) -> None:
        """Send what there is, unless the task does so already."""
        if not self._has_ended and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._send_events())

    async def stop(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _send_events(self) -> None:
        events: bytes | None = b""
        try:
            while events := await self._source.read():
                await self._send({"type": "http.response.body", "body": events, "more_body": True})
        except Exception:
            log.exception("event_stream_crash")
            events = None
        if events is None:
            self._has_ended = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
