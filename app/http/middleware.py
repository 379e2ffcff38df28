"""Pure ASGI middleware that prepares each request and completes each response, without buffering its body."""

import re
from datetime import timedelta
from secrets import token_hex
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.root_path import full_path
from app.request_context import request_context

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}

FILE_SECURITY_HEADERS = ("X-Content-Type-Options", "Cross-Origin-Resource-Policy", "Cache-Control")
"""The headers of files that a document of the service loads. The others only apply to documents."""

_RAW_SECURITY_HEADERS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_RAW_FILE_HEADERS = [(name.lower().encode(), SECURITY_HEADERS[name].encode()) for name in FILE_SECURITY_HEADERS]

log = structlog.get_logger()


class RequestLayer:
    """Gives each request an id, makes it the current request, and writes one line to the log when it ends.

    The id is the client's X-Request-ID if that is valid, else a new one. The response has it in X-Request-ID, and the
    security headers for browsers, except those that the response sets itself. An endpoint that sends a file of the page
    sets `is_page_file` in the scope.

    HEAD is handled as GET (RFC 9110 section 9.3.2): the server omits the body. `is_head_request` in the scope lets an
    endpoint skip the work that only the body needs. ROOT_PATH is described in app/http/root_path.py.
    """

    def __init__(self, app: ASGIApp, *, root_path: str, audit_retention: timedelta) -> None:
        self.app = app
        self._root_path = root_path
        self._audit_retention = audit_retention

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":  # the lifespan, in which background work starts
            await self.app(scope, receive, send)
            return
        scope = self._prepared(scope)
        started = perf_counter()
        with request_context(scope, self._audit_retention):
            try:
                await self.app(scope, receive, _Sender(scope, send))
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    route=_route(scope),
                    status=scope.get("response_status", 0),
                    milliseconds=round((perf_counter() - started) * 1000, 1),
                    user_id=scope.get("user_id"),
                    error_code=scope.get("error_code"),
                )

    def _prepared(self, scope: Scope) -> Scope:
        """Return the scope for the application. The server's own scope is not changed: it must not see another method.

        `request_id` is the id of the request.
        """
        prepared = {**scope, "request_id": _request_id(scope)}
        if scope["method"] == "HEAD":
            prepared |= {"method": "GET", "is_head_request": True}
        if self._root_path:
            prepared |= {"path": full_path(self._root_path, scope["path"]), "root_path": self._root_path}
        return prepared


class _Sender:
    """Sends a response with the headers that every response has. `response_status` in the scope is then its status."""

    __slots__ = ("_scope", "_send")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            self._scope["response_status"] = message["status"]
            headers = message["headers"]
            names = {name for name, _ in headers}
            security_headers = _RAW_FILE_HEADERS if self._scope.get("is_page_file") else _RAW_SECURITY_HEADERS
            message["headers"] = [
                *headers,
                *(header for header in security_headers if header[0] not in names),
                (b"x-request-id", self._scope["request_id"].encode()),
            ]
        await self._send(message)


def _request_id(scope: Scope) -> str:
    sent: bytes = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return sent.decode() if _REQUEST_ID.fullmatch(sent) else token_hex(16)


def _route(scope: Scope) -> str | None:
    """Return the path of the route that handled the request, with the names of its parameters."""
    return scope["app"].state.paths.get(scope.get("endpoint")) if "app" in scope else None
