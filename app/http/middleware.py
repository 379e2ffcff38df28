"""Pure ASGI middleware: each does one thing to every request, without holding its body."""

import re
from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLargeError, ServiceError
from app.http.problems import problem
from app.http.root_path import own_path
from app.request_context import request_context

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}

log = structlog.get_logger()


class RequestLog:
    """Gives each request an id (X-Request-ID, the client's own if it is a sane one) and a line in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        request_id = sent if _REQUEST_ID.fullmatch(sent) else uuid4().hex
        scope["request_id"] = request_id
        began, status = perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        client = scope.get("client")
        with structlog.contextvars.bound_contextvars(
            request_id=request_id, client_address=client[0] if client else None
        ):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    route=_route(scope),
                    status=status,
                    milliseconds=round((perf_counter() - began) * 1000, 1),
                    user_id=scope.get("user_id"),
                    error_code=scope.get("error_code"),
                )


class CurrentRequest:
    """Makes known, to whatever runs for a request, where it comes from."""

    def __init__(self, app: ASGIApp, *, audit_retention: timedelta) -> None:
        self.app = app
        self.audit_retention = audit_retention

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        with request_context(scope, self.audit_retention):
            await self.app(scope, receive, send)


class HeadAsGet:
    """Answers HEAD wherever GET is answered (RFC 9110 section 9.3.2); the server leaves the body out.

    `asked_for_head` tells whoever would go to great lengths for a body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET", "asked_for_head": True}
        await self.app(scope, receive, send)


class SecurityHeaders:
    """Adds the headers that keep a browser from misusing an answer, where the answer has none of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                names = {name.lower() for name, _ in own}
                message["headers"] = [
                    *own,
                    *(header for header in self._headers if header[0] not in names),
                ]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class CrashGuard:
    """Answers a crash with a problem that tells nothing of its cause, and writes the cause into the log.

    When the answer has begun, the connection is broken off instead: what was cut must not look whole.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        begun = False

        async def send_and_notice(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_notice)
        except ClientDisconnect:
            log.info("client_disconnected")
        except Exception as crash:
            log.exception("crash", error=type(crash).__name__)
            if scope["type"] != "http" or begun:
                raise
            await problem(Request(scope), ServiceError())(scope, receive, send)


class BodyLimit:
    """Stops reading a body at the limit: the reader gets BodyTooLargeError, so that the token is looked at first.

    `exceptions` are the limits of some paths.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, exceptions: Mapping[str, int]) -> None:
        self.app = app
        self.most_bytes = most_bytes
        self.exceptions = exceptions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most_bytes = self.exceptions.get(own_path(scope), self.most_bytes)
        announced = Headers(scope=scope).get("content-length", "")
        read = 0

        async def receive_up_to_the_limit() -> Message:
            nonlocal read
            if announced.isdecimal() and int(announced) > most_bytes:
                raise BodyTooLargeError(f"The body is larger than {most_bytes:,} bytes.")
            message = await receive()
            read += len(message.get("body", b""))
            if read > most_bytes:
                raise BodyTooLargeError(f"The body is larger than {most_bytes:,} bytes.")
            return message

        await self.app(scope, receive_up_to_the_limit, send)


def _route(scope: Scope) -> str | None:
    """The path of the endpoint that served the request, with its parameters by name."""
    return scope["app"].state.paths.get(scope.get("endpoint")) if "app" in scope else None
