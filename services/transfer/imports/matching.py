"""Matching the rows of a file with existing entries, so that no row is imported twice."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bson import ObjectId

from services.transfer.import_formats.results import ImportedRow
from services.transfer.imports.identity import (
    EntryPart,
    derived_id,
    entry_id_of,
    entry_part,
    is_legacy_key,
    legacy_key,
    row_key,
)

IMPORTED_FROM_EQUAL_ROW = "duplicate: an earlier import created an entry from an equal row"
IMPORTED_FROM_ENTRY_ID = "duplicate: an earlier import created an entry from this entry_id"
HAS_ENTRY_ID = "duplicate: this account has an entry with this entry_id"


@dataclass(slots=True)
class ExistingEntries:
    """The entries of a user that rows of a file can match.

    Attributes:
        imported: The import keys of entries of earlier imports, by the id of the entry.
        own: The same for entries that an earlier attempt of the current import has written.
        ids: The entry ids of the file that are ids of existing entries.
    """

    imported: dict[ObjectId, str] = field(default_factory=dict)
    own: dict[ObjectId, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is not imported, and the reason."""

    row: int
    reason: str


@dataclass(slots=True)
class MatchResult:
    """The rows to write, each with its import key, and the rows that are left out."""

    rows: list[tuple[ImportedRow, str]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def possible_entry_ids(user_id: ObjectId, rows: Iterable[ImportedRow]) -> dict[ObjectId, str]:
    """Return the entry ids of the file by the ids that such entries can have in this account.

    Those are the id itself, and the id that the import of an account file derives from it.
    """
    ids = {entry_id for row in rows if (entry_id := entry_id_of(row)) is not None}
    return {possible: entry_id for entry_id in ids for possible in (ObjectId(entry_id), derived_id(user_id, entry_id))}


def match_rows(user_id: ObjectId, rows: list[ImportedRow], existing: ExistingEntries) -> MatchResult:
    """Divide the rows into those to write and those to leave out.

    Equal rows of one file are separate entries. As many of them are left out as earlier imports have created
    entries from equal rows. A row of our own export is matched by its entry id: see `_EntryParts`.
    """
    imported, own = Counter(existing.imported.values()), Counter(existing.own.values())
    result, rest = MatchResult(), []
    for row in rows:
        key = row_key(row)
        if entry_id_of(row) in existing.ids:
            result.left_out.append(LeftOut(row.number, HAS_ENTRY_ID))
        elif _take(imported, key):
            reason = IMPORTED_FROM_ENTRY_ID if entry_part(key) else IMPORTED_FROM_EQUAL_ROW
            result.left_out.append(LeftOut(row.number, reason))
        elif not _take(own, key):
            rest.append((row, key))
    parts, has_legacy_keys = _EntryParts(existing, imported), any(map(is_legacy_key, imported))
    for row, key in rest:
        if has_legacy_keys and _take(imported, legacy_key(user_id, row)):
            result.left_out.append(LeftOut(row.number, IMPORTED_FROM_EQUAL_ROW))
        elif parts.take(key):
            result.left_out.append(LeftOut(row.number, IMPORTED_FROM_ENTRY_ID))
        else:
            result.rows.append((row, key))
    result.left_out.sort(key=lambda left_out: left_out.row)
    return result


def _take(keys: Counter[str], key: str) -> bool:
    """Count an entry of this key as matched. Return False if there is none left."""
    if keys[key] <= 0:
        return False
    keys[key] -= 1
    return True


class _EntryParts:
    """The entries that were imported from our own exports, and those of them that no row has matched yet.

    A row matches an entry with its entry id, even if its content differs. Exception: a row that begins where the
    entry ends, or ends where it begins, is another part of an entry that exports with `cut` have divided.
    """

    def __init__(self, existing: ExistingEntries, unmatched: Counter[str]) -> None:
        self._parts: dict[str, list[EntryPart]] = {}
        self._unmatched: dict[str, list[EntryPart]] = {}
        for key in set(existing.imported.values()):
            if part := entry_part(key):
                self._parts.setdefault(part.entry_id, []).append(part)
                self._unmatched.setdefault(part.entry_id, []).extend([part] * unmatched[key])

    def take(self, key: str) -> bool:
        """Count the entry that the row of this key matches as matched. Return False if there is none."""
        row = entry_part(key)
        if row is None or row.entry_id not in self._parts:
            return False
        unmatched = self._unmatched[row.entry_id]
        match = next((part for part in unmatched if row.overlaps(part)), None)
        if match is None and not any(row.is_adjacent_to(part) for part in self._parts[row.entry_id]):
            match = next(iter(unmatched), None)
        if match is not None:
            unmatched.remove(match)
        return match is not None
