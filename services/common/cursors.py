"""Cursors: where a page ended, so that the next begins right after it, whatever was inserted since."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson
from bson import ObjectId
from bson.errors import InvalidId
from pydantic import BaseModel

from app.clock import naive_utc, rfc3339
from app.errors import FieldError, ValidationError

Item = TypeVar("Item")

_DIGEST_BYTES = 12
_MAX_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """The last item of a page: its value of the sort key, and its id where others may have the same value.

    The value is a stored instant, an id, a text, a number or None.
    """

    value: Any
    id: ObjectId | None = None


class InvalidCursorError(ValidationError):
    """The cursor was changed, or belongs to another list."""

    def __init__(self) -> None:
        wrong = "is not a cursor of this list: it was changed, or the sort or a filter is another one"
        super().__init__(errors=(FieldError(wrong, parameter="cursor"),))


def cursor_scope(list_name: str, user_id: ObjectId, query: BaseModel) -> bytes:
    """What a cursor belongs to: everything of the query that decides which items come, and in which order."""
    asked = query.model_dump(mode="json", exclude={"limit", "cursor"})
    said = orjson.dumps([list_name, asked], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(user_id.binary + said).digest()


def page_of(
    found: list[Item], *, limit: int, position: Callable[[Item], Position], scope: bytes
) -> tuple[list[Item], str | None]:
    """The items of a page, and the cursor of the next one if more was found than the page holds."""
    if len(found) <= limit:
        return found, None
    return found[:limit], encode_cursor(position(found[limit - 1]), scope=scope)


def encode_cursor(position: Position, *, scope: bytes) -> str:
    """The cursor of a position in the list that `scope` stands for: its owner, its sort and its filters."""
    last_id = None if position.id is None else str(position.id)
    said = orjson.dumps([*_told(position.value), last_id])
    return base64.urlsafe_b64encode(_digest(said, scope) + said).decode()


def decode_cursor(cursor: str, *, scope: bytes) -> Position:
    """The position that a cursor of this very list stands for. Raises InvalidCursorError."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        said = raw[_DIGEST_BYTES:]
        if raw[:_DIGEST_BYTES] != _digest(said, scope):
            raise InvalidCursorError
        kind, value, last_id = orjson.loads(said)
        position = Position(_understood(kind, value), None if last_id is None else ObjectId(last_id))
    except (binascii.Error, ValueError, TypeError, OverflowError, InvalidId) as wrong:
        raise InvalidCursorError from wrong
    if encode_cursor(position, scope=scope) != cursor:  # there is one way to write it
        raise InvalidCursorError
    return position


def _told(value: Any) -> tuple[str, Any]:
    """A value and its kind, as JSON has them."""
    if isinstance(value, datetime):
        return "instant", rfc3339(value)
    return ("id", str(value)) if isinstance(value, ObjectId) else ("plain", value)


def _understood(kind: str, value: Any) -> Any:
    if kind == "instant":
        return naive_utc(datetime.fromisoformat(value))
    if kind == "id":
        return ObjectId(value)
    if not isinstance(value, str | int | None) or (isinstance(value, int) and abs(value) > _MAX_NUMBER):
        raise InvalidCursorError
    return value


def _digest(said: bytes, scope: bytes) -> bytes:
    # It finds changes and mix-ups; it need not be secret, since a position opens nothing that the owner may not see.
    return hashlib.blake2b(
        said, digest_size=_DIGEST_BYTES, key=hashlib.blake2b(scope, digest_size=32).digest()
    ).digest()
