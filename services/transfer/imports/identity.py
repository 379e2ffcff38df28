"""Import keys: what identifies a row in later imports. It is the content of the row, or its id in our own export."""

import hashlib
import json
from dataclasses import dataclass

from bson import ObjectId

from app.clock import naive_utc
from documents.common.base import object_id
from services.transfer.import_formats.results import ImportedRow

_CONTENT_DIGITS = 40
_LEGACY_DIGITS = 32
_ID_DIGITS = 24
_SECOND_DIGITS = 10

_LEGACY_NOTE_LENGTH = 1_000
"""Earlier versions imported notes up to this length."""

_TO_JSON = json.JSONEncoder(default=str, sort_keys=True)


@dataclass(frozen=True, slots=True)
class EntryPart:
    """An entry of our own export, or the part of it that an export with `cut` contains. Times are Unix seconds."""

    entry_id: str
    started: int
    ended: int

    def overlaps(self, other: "EntryPart") -> bool:
        """Return whether the parts share time."""
        return self.started < other.ended and other.started < self.ended

    def is_adjacent_to(self, other: "EntryPart") -> bool:
        """Return whether one part begins where the other ends, like the parts of an entry that was cut."""
        return self != other and (self.started == other.ended or self.ended == other.started)


def entry_id_of(row: ImportedRow) -> str | None:
    """Return the entry id of a row of our own export, or None."""
    entry_id = None if row.entry_id is None else object_id(row.entry_id)
    return None if entry_id is None else str(entry_id)


def row_key(row: ImportedRow) -> str:
    """Return the import key of the row, in hexadecimal digits. Rows with equal content have equal keys.

    The key of a row with an entry id contains the id, the start and the end: see `entry_part`.
    """
    entry_id = entry_id_of(row)
    if entry_id is not None:
        times = (int(row.started_at.timestamp()), int(row.ended_at.timestamp()))
        return entry_id + "".join(f"{second:0{_SECOND_DIGITS}x}" for second in times)
    return hashlib.sha256(_TO_JSON.encode(row.content()).encode()).hexdigest()[:_CONTENT_DIGITS]


def entry_part(key: str) -> EntryPart | None:
    """Return the part that the key of a row with an entry id contains, or None for any other key."""
    if len(key) != _ID_DIGITS + 2 * _SECOND_DIGITS:
        return None
    start, end = key[_ID_DIGITS:-_SECOND_DIGITS], key[-_SECOND_DIGITS:]
    return EntryPart(key[:_ID_DIGITS], int(start, 16), int(end, 16))


def is_legacy_key(key: str) -> bool:
    """Return whether an earlier version created the key: see `legacy_key`."""
    return len(key) == _LEGACY_DIGITS


def legacy_key(user_id: ObjectId, row: ImportedRow) -> str:
    """Return the key that earlier versions gave the row: a hash of its task, note, start and end only."""
    note = (row.note or "")[:_LEGACY_NOTE_LENGTH]
    times = (naive_utc(row.started_at).isoformat(), naive_utc(row.ended_at).isoformat())
    content = user_id.binary + "\0".join((row.project or "", row.title, note, *times)).encode()
    return hashlib.sha256(content).hexdigest()[:_LEGACY_DIGITS]


def derived_id(user_id: ObjectId, file_id: str) -> ObjectId:
    """Return the id of an item of an account file in the account of this user. It is always the same.

    It has the timestamp and the counter of the id in the file, so that items stay in the order of the seconds in which
    they were created.
    """
    binary = ObjectId(file_id).binary
    return ObjectId(binary[:4] + hashlib.sha256(user_id.binary + binary[:9]).digest()[:5] + binary[9:])
