"""Pure ASGI middleware. Each class does one thing to every request, without buffering its body."""

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
    """Gives each request an id and writes one line to the log when it ends.

    The id is the client's X-Request-ID if that is valid, else a new one. The response has it in X-Request-ID.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        request_id = sent if _REQUEST_ID.fullmatch(sent) else uuid4().hex
        scope["request_id"] = request_id
        started, status = perf_counter(), 0

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
                    milliseconds=round((perf_counter() - started) * 1000, 1),
                    user_id=scope.get("user_id"),
                    error_code=scope.get("error_code"),
                )


class CurrentRequest:
    """Makes the origin of the request available through `app.request_context.current_request`."""

    def __init__(self, app: ASGIApp, *, audit_retention: timedelta) -> None:
        self.app = app
        self.audit_retention = audit_retention

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":  # the lifespan, in which background work starts
            await self.app(scope, receive, send)
            return
        with request_context(scope, self.audit_retention):
            await self.app(scope, receive, send)


class HeadAsGet:
    """Handles HEAD as GET (RFC 9110 section 9.3.2). The server omits the body.

    `is_head_request` in the scope lets an endpoint skip the work that only the body needs.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET", "is_head_request": True}
        await self.app(scope, receive, send)


class SecurityHeaders:
    """Adds the security headers for browsers, except those that the response sets itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                names = {name.lower() for name, _ in headers}
                message["headers"] = [
                    *headers,
                    *(header for header in self._headers if header[0] not in names),
                ]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class CrashGuard:
    """Responds to an unexpected exception with a problem that does not show the cause, and logs the cause.

    If the response has started, the connection is aborted instead, so that a truncated body does not look complete.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        response_started = False

        async def send_and_notice(message: Message) -> None:
            nonlocal response_started
            response_started = response_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_notice)
        except ClientDisconnect:
            log.info("client_disconnected")
        except Exception as crash:
            log.exception("crash", error=type(crash).__name__)
            if scope["type"] != "http" or response_started:
                raise
            await problem(Request(scope), ServiceError())(scope, receive, send)


class BodyLimit:
    """Limits the size of request bodies. `exceptions` are the limits of individual paths.

    The endpoint gets BodyTooLargeError when it reads the body, so the access token is checked first.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, exceptions: Mapping[str, int]) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.exceptions = exceptions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        max_bytes = self.exceptions.get(own_path(scope), self.max_bytes)
        content_length = Headers(scope=scope).get("content-length", "")
        received = 0

        async def receive_up_to_the_limit() -> Message:
            nonlocal received
            if content_length.isdecimal() and int(content_length) > max_bytes:
                raise BodyTooLargeError(f"The body is larger than {max_bytes:,} bytes.")
            message = await receive()
            received += len(message.get("body", b""))
            if received > max_bytes:
                raise BodyTooLargeError(f"The body is larger than {max_bytes:,} bytes.")
            return message

        await self.app(scope, receive_up_to_the_limit, send)


def _route(scope: Scope) -> str | None:
    """Return the path of the route that handled the request, with the names of its parameters."""
    return scope["app"].state.paths.get(scope.get("endpoint")) if "app" in scope else None
