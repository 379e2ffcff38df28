"""The cookie with the refresh token of a browser session. Scripts cannot read it, and other origins cannot use it."""

from dataclasses import dataclass

from starlette.requests import Request

from app.errors import PermissionDeniedError

SESSION_COOKIE = "task_timer_session"


class CrossOriginRequestError(PermissionDeniedError):
    """The request would use the session cookie, but does not come from a page of this service."""

    code = "cross_origin_request"
    detail = "The session cookie is for pages of this service only. Other clients send their tokens in the request."


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The session cookie: the value that a request sent, and the attributes of the next one (RFC 6265).

    Attributes:
        sent: The refresh token, None if there is no cookie, or an empty string if there are several. A browser sends
            several if a sibling domain has set one too, and their order does not show which is whose.
        path: The path of the routes that use the cookie.
        max_age: The lifetime of a refresh token in seconds.
        is_secure: Whether the request came by https.

    """

    sent: str | None
    path: str
    max_age: int
    is_secure: bool

    @classmethod
    def of_request(cls, request: Request, *, path: str, max_age: int) -> "SessionCookie":
        """Return the cookie of a request. `path` is the path of its routes without ROOT_PATH."""
        values = _sent_values(request)
        sent = None if not values else values[0] if len(values) == 1 else ""
        root_path: str = request.scope.get("root_path", "")
        return cls(sent, root_path + path, max_age, request.url.scheme == "https")

    def set_cookie(self, refresh_token: str) -> str:
        """Return the value of the header Set-Cookie that stores a refresh token."""
        return self._header(refresh_token, self.max_age)

    def clear_cookie(self) -> str:
        """Return the value of the header Set-Cookie that deletes the cookie."""
        return self._header("", 0)

    def _header(self, value: str, max_age: int) -> str:
        secure = "; Secure" if self.is_secure else ""
        return f"{SESSION_COOKIE}={value}; Path={self.path}; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"


def is_own_origin(request: Request) -> bool:
    """Return whether the request comes from a page of this service.

    Browsers send Sec-Fetch-Site to https and localhost only. Without it, Origin must name the scheme and the host of
    the request. Scripts can set neither of them.
    """
    sites, origins = request.headers.getlist("sec-fetch-site"), request.headers.getlist("origin")
    own_origin = f"{request.url.scheme}://{request.headers.get('host', '')}".lower()
    return sites == ["same-origin"] if sites else [origin.lower() for origin in origins] == [own_origin]


def refuse_foreign_page(request: Request) -> None:
    """Return unless the request comes from a page of another origin. Raises CrossOriginRequestError.

    A request with neither Sec-Fetch-Site nor Origin is that of a program: browsers send Origin with every POST.
    """
    if "sec-fetch-site" in request.headers or "origin" in request.headers:
        require_own_origin(request)


def require_own_origin(request: Request) -> None:
    """Return if the request comes from a page of this service. Raises CrossOriginRequestError."""
    if not is_own_origin(request):
        raise CrossOriginRequestError


def _sent_values(request: Request) -> list[str]:
    pairs = (pair.partition("=") for line in request.headers.getlist("cookie") for pair in line.split(";"))
    return [value.strip() for name, _, value in pairs if name.strip() == SESSION_COOKIE]
