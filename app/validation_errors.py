"""Convert pydantic's errors to FieldErrors: the location and a short sentence, never the invalid value."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError as PydanticError

from app.errors import FieldError

MAX_ERRORS = 100
MAX_SEGMENT_LENGTH = 200
"""The maximum length of a name in a pointer. A client can send names as long as the body."""

PATH_SAFE_CHARACTERS = "/:@!$&'()*+,;=~"
_FRAGMENT_SAFE_CHARACTERS = PATH_SAFE_CHARACTERS + "?"


def json_pointer(path: Iterable[str | int]) -> str:
    """Return a location in a body as a JSON pointer in a URI fragment (RFC 6901 section 6)."""
    segments = (str(segment)[:MAX_SEGMENT_LENGTH].replace("~", "~0").replace("/", "~1") for segment in path)
    return "#" + "".join(f"/{quote(segment, safe=_FRAGMENT_SAFE_CHARACTERS)}" for segment in segments)


def error_message(error: Any) -> str:
    """Return the message of an error of pydantic, which begins with a lower-case letter."""
    message = str(error["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def body_errors(error: PydanticError) -> tuple[FieldError, ...]:
    """Return the errors in a body."""
    return tuple(FieldError(error_message(item), pointer=json_pointer(item["loc"])) for item in _limited(error))


def query_errors(error: PydanticError) -> tuple[FieldError, ...]:
    """Return the errors in query parameters."""
    return tuple(
        FieldError(error_message(item), parameter=str(next(iter(item["loc"]), ""))) for item in _limited(error)
    )


def _limited(error: PydanticError) -> list[Any]:
    """Return the errors, or a single one if there are too many: a response must not be far larger than its request."""
    if error.error_count() > MAX_ERRORS:
        return [{"loc": (), "msg": f"has {error.error_count():,} errors, too many to list"}]
    return [*error.errors(include_url=False, include_context=False, include_input=False)]
