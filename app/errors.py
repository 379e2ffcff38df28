"""The errors that services raise. app/http/problems.py turns them into responses."""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one part of a request. Exactly one of pointer, parameter and header is set."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class CommandError(Exception):
    """A command of `task-timer` failed. The message says why in one sentence."""


class ServiceError(Exception):
    """An error that the response describes.

    A subclass sets the status, the title (the reason phrase of the status, RFC 9457 section 4.2.1) and
    the stable code. `detail` is a sentence for the user. `extra` are additional members of the response.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal Server Error"
    code: ClassVar[str] = "internal_error"
    detail: ClassVar[str] = "Something went wrong on the server."

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail or self.detail)
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra


def problem_members(error: ServiceError) -> dict[str, Any]:
    """Return the members of a problem (RFC 9457 section 3.1) except those about the request."""
    members: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        **error.extra,
    }
    if error.errors:
        members["errors"] = [_field_error(field) for field in error.errors]
    return members


def _field_error(error: FieldError) -> dict[str, str]:
    locations = {"pointer": error.pointer, "parameter": error.parameter, "header": error.header}
    return {
        **{kind: location for kind, location in locations.items() if location is not None},
        "detail": error.detail,
    }


class MalformedRequestError(ServiceError):
    """The client sent something that is not HTTP."""

    status = 400
    title = "Bad Request"
    code = "malformed_request"
    detail = "The request is not valid HTTP."


class AuthenticationError(ServiceError):
    """The request has no valid credentials. The response has WWW-Authenticate (RFC 6750 section 3)."""

    status = 401
    title = "Unauthorized"
    code = "not_authenticated"
    detail = "A bearer token is required: get one from POST /auth/token."


class PermissionDeniedError(ServiceError):
    """The user is known but does not have the permission."""

    status = 403
    title = "Forbidden"


class NotFoundError(ServiceError):
    """The resource does not exist or belongs to another user. Both cases have the same response."""

    status = 404
    title = "Not Found"
    code = "not_found"
    detail = "There is nothing at this path."


class MethodNotAllowedError(ServiceError):
    """The path exists but does not support the method. The response has Allow."""

    status = 405
    title = "Method Not Allowed"
    code = "method_not_allowed"
    detail = "This path does not support the method."


class RequestTimeoutError(ServiceError):
    """The client did not send the rest of the request in time."""

    status = 408
    title = "Request Timeout"
    code = "request_timeout"
    detail = "The rest of the request did not arrive in time."


class ConflictError(ServiceError):
    """The current state of the resource does not allow the request."""

    status = 409
    title = "Conflict"


class StaleVersionError(ServiceError):
    """If-Match does not name the current version (RFC 9110 section 13.1.1)."""

    status = 412
    title = "Precondition Failed"
    code = "stale_version"
    detail = "The resource has changed since the version in If-Match: read it again."


class BodyTooLargeError(ServiceError):
    """The body of the request is larger than the limit."""

    status = 413
    title = "Content Too Large"
    code = "body_too_large"
    detail = "The body is larger than the limit."


class UnsupportedMediaTypeError(ServiceError):
    """The body of the request has a media type that this endpoint does not support."""

    status = 415
    title = "Unsupported Media Type"
    code = "unsupported_media_type"
    detail = "The body must be JSON, sent as application/json."


class ValidationError(ServiceError):
    """The request is not valid. `errors` says which parts."""

    status = 422
    title = "Unprocessable Content"
    code = "invalid_request"
    detail = "The request is not valid: see errors."


class RateLimitError(ServiceError):
    """The client has sent too many requests. The response has Retry-After."""

    status = 429
    title = "Too Many Requests"
    code = "rate_limited"
    detail = "Too many requests. Try again later."


class HeadTooLargeError(ServiceError):
    """The request line and headers are larger than the limit (RFC 6585 section 5)."""

    status = 431
    title = "Request Header Fields Too Large"
    code = "head_too_large"
    detail = "The request line and headers are larger than the limit."


class TooManyConnectionsError(ServiceError):
    """The service has as many connections as it accepts."""

    status = 503
    title = "Service Unavailable"
    code = "too_many_connections"
    detail = "There are too many connections. Try again in a moment."


class DatabaseUnavailableError(ServiceError):
    """The database does not respond, or there are too many concurrent changes. The client may retry."""

    status = 503
    title = "Service Unavailable"
    code = "database_unavailable"
    detail = "The database is not available. Try again in a moment."
