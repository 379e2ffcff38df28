"""The way from a request to its endpoint: routes, the limit of the body, and the response to an error."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Any

import structlog
from fastapi.routing import RouteContext
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import BodyTooLargeError, ServiceError
from app.http.endpoint import Endpoint
from app.http.problems import HANDLED_ERRORS, error_response, problem
from app.http.root_path import own_path

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """A route of the class Endpoint, whose handler is called without FastAPI's router."""

    path_regex: Pattern[str]
    endpoint: Callable[..., Any]
    handle: Callable[[Request], Awaitable[Response]]


class RouteTable:
    """The routes of the class Endpoint, by method and number of path segments.

    The order of the routes with the same key is that of FastAPI's router, which has the other routes too. A route
    that is added to the application later is found by FastAPI's router only.
    """

    def __init__(self) -> None:
        self._routes: dict[tuple[str, int], list[DirectRoute]] = {}

    def add_all(self, routes: Iterable[RouteContext]) -> None:
        """Add the routes of an application that have the class Endpoint."""
        for context in routes:
            if isinstance(context.original_route, Endpoint) and context.path and context.endpoint:
                handler = context.original_route.get_route_handler()
                route = DirectRoute(context.path_regex, context.endpoint, handler)
                for method in context.methods or ():
                    self._routes.setdefault((method, context.path.count("/")), []).append(route)

    def find(self, method: str, path: str) -> tuple[DirectRoute, dict[str, str]] | None:
        """Return the route of a request and its path parameters, or None."""
        for route in self._routes.get((method, path.count("/")), ()):
            if match := route.path_regex.match(path):
                return route, match.groupdict()
        return None


class Dispatcher:
    """The innermost middleware: it calls the endpoint of each request.

    The routes of the service, in `routes`, are called directly. FastAPI's router handles all other requests: pages,
    unknown paths and methods. Walking through its included routers costs more than most endpoints.

    A body is limited to `max_body_bytes`, or to the limit of its path in `body_limits`.
    """

    def __init__(
        self, app: ASGIApp, *, routes: RouteTable, max_body_bytes: int, body_limits: Mapping[str, int]
    ) -> None:
        self.app = app
        self._routes = routes
        self._max_body_bytes = max_body_bytes
        self._body_limits = body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request.

        The response to an unexpected exception does not show the cause, which is logged. If the response has started,
        the connection is aborted instead, so that a truncated body does not look complete.
        """
        try:
            await self._dispatch(scope, receive, send)
        except ClientDisconnect:
            log.info("client_disconnected")
        except Exception as crash:
            log.exception("crash", error=type(crash).__name__)
            if scope["type"] != "http" or _has_started(scope):
                raise
            await problem(Request(scope), ServiceError())(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = own_path(scope)
        body = _LimitedBody(scope, receive, self._body_limits.get(path, self._max_body_bytes))
        found = self._routes.find(scope["method"], path)
        if found is None:
            await self.app(scope, body, send)
        else:
            await _call(*found, Request(scope, body, send), send)


async def _call(route: DirectRoute, path_params: dict[str, str], request: Request, send: Send) -> None:
    """Call the endpoint of the route and send its response, or the response to its error."""
    scope = request.scope
    scope["endpoint"], scope["path_params"] = route.endpoint, path_params
    try:
        response = await route.handle(request)
        await response(scope, request.receive, send)
    except HANDLED_ERRORS as error:
        if _has_started(scope):
            raise
        response = error_response(request, error)
        await response(scope, request.receive, send)


def _has_started(scope: Scope) -> bool:
    """Return whether the response has started: see RequestLayer."""
    return "response_status" in scope


class _LimitedBody:
    """Receives a body of at most `max_bytes`.

    The endpoint gets BodyTooLargeError when it reads the body, so the access token is checked first.
    """

    __slots__ = ("_max_bytes", "_receive", "_received", "_scope")

    def __init__(self, scope: Scope, receive: Receive, max_bytes: int) -> None:
        self._scope = scope
        self._receive = receive
        self._max_bytes = max_bytes
        self._received = 0

    async def __call__(self) -> Message:
        """Return the next part of the body, or the end of the connection. Raises BodyTooLargeError."""
        if not self._received:
            self._check(_content_length(self._scope))
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._check(self._received)
        return message

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise BodyTooLargeError(f"The body is larger than {self._max_bytes:,} bytes.")


def _content_length(scope: Scope) -> int:
    length: bytes = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(length) if length.isdigit() else 0
