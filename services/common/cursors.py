"""Pagination cursors. A cursor holds the position of a page's last item, so the next page begins right after it.

Items that are inserted in the meantime do not shift the pages.
"""

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
    """The position of an item in a list: its sort value, and its id if several items can have the same value.

    The value is a stored instant (naive UTC), an ObjectId, a string, an integer or None.
    """

    value: Any
    id: ObjectId | None = None


class InvalidCursorError(ValidationError):
    """The cursor was altered, or belongs to another list."""

    def __init__(self) -> None:
        detail = "is not a cursor of this list: it was altered, or the sort order or a filter has changed"
        super().__init__(errors=(FieldError(detail, parameter="cursor"),))


def cursor_scope(list_name: str, user_id: ObjectId, query: BaseModel) -> bytes:
    """Return a digest of all that determines the items of a list and their order: the owner, filters and sort."""
    parameters = query.model_dump(mode="json", exclude={"limit", "cursor"})
    serialized = orjson.dumps([list_name, parameters], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(user_id.binary + serialized).digest()


def page_of(
    items: list[Item], *, limit: int, position: Callable[[Item], Position], scope: bytes
) -> tuple[list[Item], str | None]:
    """Return at most `limit` items, and the cursor of the next page if there are more items."""
    if len(items) <= limit:
        return items, None
    return items[:limit], encode_cursor(position(items[limit - 1]), scope=scope)


def encode_cursor(position: Position, *, scope: bytes) -> str:
    """Return the cursor of a position, valid in the list with this scope only (see `cursor_scope`)."""
    last_id = None if position.id is None else str(position.id)
    payload = orjson.dumps([*_encode_value(position.value), last_id])
    return base64.urlsafe_b64encode(_digest(payload, scope) + payload).decode()


def decode_cursor(cursor: str, *, scope: bytes) -> Position:
    """Return the position of a cursor of this list. Raises InvalidCursorError."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        payload = raw[_DIGEST_BYTES:]
        if raw[:_DIGEST_BYTES] != _digest(payload, scope):
            raise InvalidCursorError
        kind, value, last_id = orjson.loads(payload)
        position = Position(_decode_value(kind, value), None if last_id is None else ObjectId(last_id))
    except (binascii.Error, ValueError, TypeError, OverflowError, InvalidId) as error:
        raise InvalidCursorError from error
    if encode_cursor(position, scope=scope) != cursor:  # accept the canonical encoding only
        raise InvalidCursorError
    return position


def _encode_value(value: Any) -> tuple[str, Any]:
    """Return the kind of a value, and the value as JSON can represent it."""
    if isinstance(value, datetime):
        return "instant", rfc3339(value)
    return ("id", str(value)) if isinstance(value, ObjectId) else ("plain", value)


def _decode_value(kind: str, value: Any) -> Any:
    if kind == "instant":
        return naive_utc(datetime.fromisoformat(value))
    if kind == "id":
        return ObjectId(value)
    if not isinstance(value, str | int | None) or (isinstance(value, int) and abs(value) > _MAX_NUMBER):
        raise InvalidCursorError
    return value


def _digest(payload: bytes, scope: bytes) -> bytes:
    # The digest detects altered and mixed-up cursors. It needs no secret: the query filters by owner in any case.
    return hashlib.blake2b(
        payload, digest_size=_DIGEST_BYTES, key=hashlib.blake2b(scope, digest_size=32).digest()
    ).digest()
