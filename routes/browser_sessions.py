"""The session cookie in requests and responses of the routes in auth.py: it replaces the refresh token in the body."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from starlette.responses import Response

from app.errors import AuthenticationError
from app.http.endpoint import Argument, JsonArgument, Operation
from app.http.json import json_response
from app.http.session_cookie import (
    SESSION_COOKIE,
    SessionCookie,
    is_own_origin,
    refuse_foreign_page,
    require_own_origin,
)
from app.openapi.response_headers import header_references
from routes.dependencies import Authenticator
from routes.responses import Responses, no_content
from services.accounts.schemas.users import SessionRefresh, TokenRead
from services.common.acting_user import ActingUser

_AUTH_PATH = "/auth"
_COOKIE_PARAMETER = {
    "name": SESSION_COOKIE,
    "in": "cookie",
    "description": "Set by POST /auth/token?session=cookie. It is accepted from pages of this service only: "
    "Sec-Fetch-Site is same-origin, or Origin is the service's own.",
    "schema": {"type": "string"},
}


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """How a request to /auth presents its session, and how the response passes on the next refresh token.

    Attributes:
        refresh_token: The refresh token of the body or of the cookie, if any.
        cookie: The cookie to set or to clear, or None for a client that stores its tokens itself.
        user: The user of a valid access token, if any.

    """

    refresh_token: str | None = None
    cookie: SessionCookie | None = None
    user: ActingUser | None = None

    def token_response(self, token: TokenRead) -> Response:
        """Return the tokens. A refresh token that is in the cookie is not in the body."""
        headers = {"Cache-Control": "no-store"}
        if self.cookie is None:
            return json_response(token, headers=headers)
        headers["Set-Cookie"] = self.cookie.set_cookie(token["refresh_token"])
        body = {name: value for name, value in token.items() if name != "refresh_token"}
        return json_response(body, headers=headers)

    def end_response(self) -> Response:
        """Return 204, and clear the cookie."""
        response = no_content()
        if self.cookie is not None:
            response.headers["Set-Cookie"] = self.cookie.clear_cookie()
        return response

    @contextmanager
    def cleared_if_refused(self) -> Iterator[None]:
        """Clear the cookie in the response to an AuthenticationError in the block."""
        try:
            yield
        except AuthenticationError as error:
            if self.cookie is not None:
                error.headers["Set-Cookie"] = self.cookie.clear_cookie()
            raise


def _cookie_of(request: Request) -> SessionCookie:
    lifetime = request.state.tokens.refresh_lifetime
    path = request.state.settings.api_prefix + _AUTH_PATH
    return SessionCookie.of_request(request, path=path, max_age=int(lifetime.total_seconds()))


async def new_session(request: Request) -> BrowserSession:
    """Return where the refresh token of a new session goes. Raises CrossOriginRequestError.

    The page of another origin is refused, so that it cannot sign its visitor in to an account of its own.
    """
    if request.query_params.get("session") != "cookie":
        return BrowserSession()
    refuse_foreign_page(request)
    return BrowserSession(cookie=_cookie_of(request))


class RefreshArgument(Argument[BrowserSession]):
    """The refresh token of the body, or without a body that of the cookie.

    Raises ValidationError and UnsupportedMediaTypeError for a wrong body, AuthenticationError if there is neither body
    nor cookie, and CrossOriginRequestError.
    """

    def __init__(self) -> None:
        self._body = JsonArgument(SessionRefresh)

    async def __call__(self, request: Request) -> BrowserSession:
        """Return the refresh token of this request."""
        if await request.body():
            return BrowserSession((await self._body(request)).refresh_token)
        cookie = _cookie_of(request)
        if cookie.sent is None:
            raise AuthenticationError("A refresh token is required, in the body or in the session cookie.")
        require_own_origin(request)
        return BrowserSession(cookie.sent, cookie)

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:
        """Add the optional body and the cookie."""
        self._body.describe(operation, schemas)
        operation["requestBody"]["required"] = False
        operation.setdefault("parameters", []).append(_COOKIE_PARAMETER)


class EndingSession(Authenticator, Argument[BrowserSession]):
    """The session to end: that of the access token, and that of the cookie.

    The cookie alone is enough, because the access token may have expired. With a valid access token, a cookie that is
    not sent from a page of this service is ignored. Raises what Authenticator raises, and CrossOriginRequestError.
    """

    async def __call__(self, request: Request) -> BrowserSession:  # type: ignore[override] # the session too
        """Return the sessions of this request."""
        cookie = _cookie_of(request)
        if cookie.sent is None:
            return BrowserSession(user=await super().__call__(request))
        try:
            user = await super().__call__(request)
        except AuthenticationError:
            require_own_origin(request)
            return BrowserSession(cookie.sent, cookie)
        return BrowserSession(cookie.sent, cookie, user) if is_own_origin(request) else BrowserSession(user=user)

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:  # noqa: ARG002 -- its schema is inline
        """Add the cookie."""
        operation.setdefault("parameters", []).append(_COOKIE_PARAMETER)


def cookie_responses(responses: Responses, *statuses: int) -> Responses:
    """Return the responses with the header Set-Cookie in those with these statuses."""
    header = {"headers": header_references("Set-Cookie")}
    return responses | {status: {**responses.get(status, {}), **header} for status in statuses}


NewSession = Annotated[BrowserSession, Depends(new_session)]
PresentedSession = Annotated[BrowserSession, Depends(RefreshArgument())]
SessionToEnd = Annotated[BrowserSession, Security(EndingSession(), scopes=())]
