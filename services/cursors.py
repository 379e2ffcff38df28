"""Cursors: where a page ended, so that the next begins right after it, whatever was inserted since."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from bson import ObjectId
from bson.errors import InvalidId

from app.clock import rfc3339, stored
from app.errors import FieldError, ValidationError

_DIGEST_BYTES = 12
_LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """The last item of a page: its value of the sort key (a stored instant, a text, a number or None), and its id."""

    value: Any
    id: ObjectId


class InvalidCursorError(ValidationError):
    """The cursor was changed, or belongs to another list."""

    def __init__(self) -> None:
        wrong = "is not a cursor of this list: it was changed, or the sort or a filter is another one"
        super().__init__(errors=(FieldError(wrong, parameter="cursor"),))


def encode_cursor(position: Position, *, scope: bytes) -> str:
    """The cursor of a position in the list that `scope` stands for: its owner, its sort and its filters."""
    instant = isinstance(position.value, datetime)
    said = orjson.dumps([instant, rfc3339(position.value) if instant else position.value, str(position.id)])
    return base64.urlsafe_b64encode(_digest(said, scope) + said).decode()


def decode_cursor(cursor: str, *, scope: bytes) -> Position:
    """The position that a cursor of this very list stands for. Raises InvalidCursorError."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        said = raw[_DIGEST_BYTES:]
        if raw[:_DIGEST_BYTES] != _digest(said, scope) or base64.urlsafe_b64encode(raw).decode() != cursor:
            raise InvalidCursorError
        instant, value, last_id = orjson.loads(said)
        if instant:
            value = stored(datetime.fromisoformat(value))
        elif not isinstance(value, str | int | None) or (isinstance(value, int) and abs(value) > _LARGEST_NUMBER):
            raise InvalidCursorError
        return Position(value, ObjectId(last_id))
    except (binascii.Error, ValueError, TypeError, InvalidId) as wrong:
        raise InvalidCursorError from wrong


def _digest(said: bytes, scope: bytes) -> bytes:
    # It finds changes and mix-ups; it need not be secret, since a position opens nothing that the owner may not see.
    return hashlib.blake2b(
        said, digest_size=_DIGEST_BYTES, key=hashlib.blake2b(scope, digest_size=32).digest()
    ).digest()
