"""Which rows of a file are entries already that earlier imports have made: each of them for one row."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bson import ObjectId

from services.transfer.import_formats.results import ImportedRow
from services.transfer.imports.identity import (
    OwnPart,
    derived_id,
    earlier_key,
    entry_id_of,
    is_earlier,
    own_part,
    row_key,
)

READ_IN_BEFORE = "was read in before: an earlier import has made an entry from an equal row"
EXPORTED_FROM_HERE = "is an entry of this account: it has its entry_id"
READ_IN_BY_ID = "was read in before: an earlier import has made an entry from this entry_id"


@dataclass(slots=True)
class KnownEntries:
    """The entries of a user that are known again, by the id that each has here.

    `made` holds the keys of those that imports have made, `own` of those that an earlier try of this
    very import has written, and `ids` which of the entry ids of the file are those of entries here.
    """

    made: dict[ObjectId, str] = field(default_factory=dict)
    own: dict[ObjectId, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that makes no entry, and why not."""

    row: int
    reason: str


@dataclass(slots=True)
class Matched:
    """The rows that are still to be written, each with its key, and those that are left out."""

    rows: list[tuple[ImportedRow, str]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def wanted_ids(user_id: ObjectId, rows: Iterable[ImportedRow]) -> dict[ObjectId, str]:
    """The entry ids of the file, by the ids that such an entry can have here: its own, or one from an account file."""
    named = {entry_id_of(row) for row in rows} - {None}
    return {entry_id: name for name in named if name for entry_id in (ObjectId(name), derived_id(user_id, name))}


def matched(user_id: ObjectId, rows: list[ImportedRow], known: KnownEntries) -> Matched:
    """What of the file is to be written.

    Of equal rows as many are left out as earlier imports have made entries from; within the file each
    row is time of its own. A row of our own export goes by its entry id, see `_OwnParts`.
    """
    made, own = Counter(known.made.values()), Counter(known.own.values())
    found, rest = Matched(), []
    for row in rows:
        key = row_key(row)
        if entry_id_of(row) in known.ids:
            found.left_out.append(LeftOut(row.number, EXPORTED_FROM_HERE))
        elif _taken(made, key):
            found.left_out.append(LeftOut(row.number, READ_IN_BY_ID if own_part(key) else READ_IN_BEFORE))
        elif not _taken(own, key):
            rest.append((row, key))
    parts, has_earlier = _OwnParts(known, made), any(map(is_earlier, made))
    for row, key in rest:
        if has_earlier and _taken(made, earlier_key(user_id, row)):
            found.left_out.append(LeftOut(row.number, READ_IN_BEFORE))
        elif parts.has(key):
            found.left_out.append(LeftOut(row.number, READ_IN_BY_ID))
        else:
            found.rows.append((row, key))
    found.left_out.sort(key=lambda left: left.row)
    return found


def _taken(keys: Counter[str], key: str) -> bool:
    """Whether there is an entry of this key left, which is taken then."""
    if keys[key] <= 0:
        return False
    keys[key] -= 1
    return True


class _OwnParts:
    """The entries that imports have made from exports of this service, and which of them no row was taken for.

    A row is such an entry when it has the id of one, whatever else of it was changed since; unless it
    begins where that ends, or the other way about: so do the parts of an entry that two exports have cut.
    """

    def __init__(self, known: KnownEntries, left: Counter[str]) -> None:
        self._known: dict[str, list[OwnPart]] = {}
        self._left: dict[str, list[OwnPart]] = {}
        for key in set(known.made.values()):
            if part := own_part(key):
                self._known.setdefault(part.entry_id, []).append(part)
                self._left.setdefault(part.entry_id, []).extend([part] * left[key])

    def has(self, key: str) -> bool:
        """Whether the row of this key is one of them, which is taken then."""
        row = own_part(key)
        if row is None or row.entry_id not in self._known:
            return False
        left = self._left[row.entry_id]
        same = next((part for part in left if row.overlaps(part)), None)
        if same is None and not any(row.continues(part) for part in self._known[row.entry_id]):
            same = next(iter(left), None)
        if same is not None:
            left.remove(same)
        return same is not None
