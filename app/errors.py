"""The one hierarchy of errors that a service raises. app/http/problems.py turns them into answers."""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one part of a request. Exactly one of pointer, parameter and header says which."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None


class CommandError(Exception):
    """A command of the shell cannot do what it was asked to; the text says why in one sentence."""


class ServiceError(Exception):
    """An error that the caller is told about.

    A subclass fixes the status, the title (the status' own phrase, RFC 9457 section 4.2.1) and the
    stable code. `detail` is a sentence for a person; `extra` are members added to the answer.
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
    """The error as the members of a problem (RFC 9457 section 3.1), but for those that tell of its request."""
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        **error.extra,
    }
    if error.errors:
        told["errors"] = [_field_error(wrong) for wrong in error.errors]
    return told


def _field_error(wrong: FieldError) -> dict[str, str]:
    places = {"pointer": wrong.pointer, "parameter": wrong.parameter, "header": wrong.header}
    return {
        **{kind: place for kind, place in places.items() if place is not None},
        "detail": wrong.detail,
    }


class MalformedRequestError(ServiceError):
    """What came is no HTTP."""

    status = 400
    title = "Bad Request"
    code = "malformed_request"
    detail = "This cannot be read as a request of HTTP."


class AuthenticationError(ServiceError):
    """Nobody is known to be asking. The answer carries WWW-Authenticate (RFC 6750 section 3)."""

    status = 401
    title = "Unauthorized"
    code = "not_authenticated"
    detail = "This needs a bearer token: get one from POST /auth/token."


class PermissionDeniedError(ServiceError):
    """Somebody is known to be asking, and may not."""

    status = 403
    title = "Forbidden"


class NotFoundError(ServiceError):
    """There is no such thing, or it is somebody else's: the two answer alike."""

    status = 404
    title = "Not Found"
    code = "not_found"
    detail = "There is nothing at this address."


class MethodNotAllowedError(ServiceError):
    """The address is right, the method is not. The answer carries Allow."""

    status = 405
    title = "Method Not Allowed"
    code = "method_not_allowed"
    detail = "This address does not take that method."


class RequestTimeoutError(ServiceError):
    """The rest of a request did not come in time."""

    status = 408
    title = "Request Timeout"
    code = "request_timeout"
    detail = "The rest of the request did not come in time."


class ConflictError(ServiceError):
    """The state of things forbids it."""

    status = 409
    title = "Conflict"


class StaleVersionError(ServiceError):
    """If-Match named another version than the present one (RFC 9110 section 13.1.1)."""

    status = 412
    title = "Precondition Failed"
    code = "stale_version"
    detail = "It has changed since the version that If-Match names: read it again."


class BodyTooLargeError(ServiceError):
    """The request's body is over the limit."""

    status = 413
    title = "Content Too Large"
    code = "body_too_large"
    detail = "The body is larger than this service takes."


class UnsupportedMediaTypeError(ServiceError):
    """The request's body is of another type than the one that is read here."""

    status = 415
    title = "Unsupported Media Type"
    code = "unsupported_media_type"
    detail = "The body must be JSON, sent as application/json."


class ValidationError(ServiceError):
    """The request itself is wrong; `errors` says where."""

    status = 422
    title = "Unprocessable Content"
    code = "invalid_request"
    detail = "The request is not valid: see errors."


class RateLimitError(ServiceError):
    """This was asked for too often. The answer says when to ask again."""

    status = 429
    title = "Too Many Requests"
    code = "rate_limited"
    detail = "Too many requests. Try again later."


class HeadTooLargeError(ServiceError):
    """The request's line and headers are over the limit (RFC 6585 section 5)."""

    status = 431
    title = "Request Header Fields Too Large"
    code = "head_too_large"
    detail = "The head of the request is larger than this service takes."


class TooManyConnectionsError(ServiceError):
    """The service holds as many connections as it may."""

    status = 503
    title = "Service Unavailable"
    code = "too_many_connections"
    detail = "There are too many connections just now. Try again in a moment."


class DatabaseUnavailableError(ServiceError):
    """The database does not answer, or too many changes meet: the request may be sent again."""

    status = 503
    title = "Service Unavailable"
    code = "database_unavailable"
    detail = "The database does not answer just now. Try again in a moment."
