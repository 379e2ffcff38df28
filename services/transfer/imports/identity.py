"""What a row of a file is known again by: all that it says, or the id that it has in an export of this service."""

import hashlib
import json
from dataclasses import dataclass

from bson import ObjectId

from app.clock import naive_utc
from documents.common.base import object_id
from services.transfer.import_formats.results import ImportedRow

_CONTENT_DIGITS = 40
_EARLIER_DIGITS = 32
_ID_DIGITS = 24
_SECOND_DIGITS = 10

_EARLIER_NOTE = 1_000
"""How long a note was in the imports that the earlier keys come from."""
_IN_JSON = json.JSONEncoder(default=str, sort_keys=True)


@dataclass(frozen=True, slots=True)
class OwnPart:
    """An entry of our own export, or the part of it that an export has cut out; seconds since 1970."""

    entry_id: str
    started: int
    ended: int

    def overlaps(self, other: "OwnPart") -> bool:
        """Whether they share time."""
        return self.started < other.ended and other.started < self.ended

    def continues(self, other: "OwnPart") -> bool:
        """Whether the one ends where the other begins: two parts of an entry that was cut in two."""
        return self != other and (self.started == other.ended or self.ended == other.started)


def entry_id_of(row: ImportedRow) -> str | None:
    """The id that the row has in an export of this service; None where there is none, or none that is one."""
    entry_id = None if row.entry_id is None else object_id(row.entry_id)
    return None if entry_id is None else str(entry_id)


def row_key(row: ImportedRow) -> str:
    """The key of the row, in hexadecimal digits: rows that say the same have the same one.

    A row of our own export has the key of its entry id and its span: see `own_part`.
    """
    entry_id = entry_id_of(row)
    if entry_id is not None:
        span = (int(row.started_at.timestamp()), int(row.ended_at.timestamp()))
        return entry_id + "".join(f"{second:0{_SECOND_DIGITS}x}" for second in span)
    return hashlib.sha256(_IN_JSON.encode(row.content()).encode()).hexdigest()[:_CONTENT_DIGITS]


def own_part(key: str) -> OwnPart | None:
    """What the key of a row of our own export holds; None for any other key."""
    if len(key) != _ID_DIGITS + 2 * _SECOND_DIGITS:
        return None
    start, end = key[_ID_DIGITS:-_SECOND_DIGITS], key[-_SECOND_DIGITS:]
    return OwnPart(key[:_ID_DIGITS], int(start, 16), int(end, 16))


def is_earlier(key: str) -> bool:
    """Whether the key is of an import of before, which `earlier_key` makes anew."""
    return len(key) == _EARLIER_DIGITS


def earlier_key(user_id: ObjectId, row: ImportedRow) -> str:
    """The key that imports of before gave to the entry of this row: of its task, its note and its span alone."""
    note = (row.note or "")[:_EARLIER_NOTE]
    span = (naive_utc(row.started_at).isoformat(), naive_utc(row.ended_at).isoformat())
    said = user_id.binary + "\0".join((row.project or "", row.title, note, *span)).encode()
    return hashlib.sha256(said).hexdigest()[:_EARLIER_DIGITS]


def derived_id(user_id: ObjectId, old: str) -> ObjectId:
    """The id that a thing of a file gets in the account of this user: the same one whenever it is read in.

    It keeps the second and the counter of the old one, so that things stay in the order of their making.
    """
    was = ObjectId(old).binary
    return ObjectId(was[:4] + hashlib.sha256(user_id.binary + was[:9]).digest()[:5] + was[9:])
