"""What pydantic found wrong, as an answer tells it: where, in a short sentence, and never what was sent."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError as PydanticError

from app.errors import FieldError

MAX_ERRORS = 100
MAX_SEGMENT_LENGTH = 200
"""Of a pointer: a name that a client made up may be as long as its body."""

PATH_SAFE_CHARACTERS = "/:@!$&'()*+,;=~"
_IN_A_FRAGMENT = PATH_SAFE_CHARACTERS + "?"


def json_pointer(path: Iterable[str | int]) -> str:
    """A place in a body as a JSON pointer in a URI fragment (RFC 6901 section 6)."""
    steps = (str(step)[:MAX_SEGMENT_LENGTH].replace("~", "~0").replace("/", "~1") for step in path)
    return "#" + "".join(f"/{quote(step, safe=_IN_A_FRAGMENT)}" for step in steps)


def error_message(error: Any) -> str:
    """What pydantic found, without what was sent."""
    said = str(error["msg"]).removeprefix("Value error, ")
    return said[:1].lower() + said[1:]


def body_errors(error: PydanticError) -> tuple[FieldError, ...]:
    """What is wrong with a body."""
    return tuple(FieldError(error_message(found), pointer=json_pointer(found["loc"])) for found in _findings(error))


def query_errors(error: PydanticError) -> tuple[FieldError, ...]:
    """What is wrong with query parameters."""
    return tuple(
        FieldError(error_message(found), parameter=str(next(iter(found["loc"]), ""))) for found in _findings(error)
    )


def _findings(error: PydanticError) -> list[Any]:
    """Not all of very many: an answer is not to be a thousand times its request."""
    if error.error_count() > MAX_ERRORS:
        return [{"loc": (), "msg": f"has {error.error_count():,} mistakes, too many to list"}]
    return [*error.errors(include_url=False, include_context=False, include_input=False)]
