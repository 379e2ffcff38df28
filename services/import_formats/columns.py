"""Which column of a file says what: headers are found whatever their case, spaces, dots and underscores."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.import_formats.files import unreadable
from services.import_formats.texts import shown

Field = Literal[
    "start_date",
    "start",
    "end_date",
    "end",
    "duration",
    "seconds",
    "minutes",
    "hours",
    "decimal_hours",
    "task",
    "description",
    "note",
    "project",
    "client",
    "tags",
    "billable",
    "rate",
    "currency",
    "timezone",
    "kind",
    "entry_id",
]
"""What a cell can say. A start or an end is a time of day, or a date and a time."""

_BETWEEN_WORDS = re.compile(r"[\s_.]+")
_RATE = re.compile(r"billable rate \(([a-z]{3})\)")
_MOST_NAMED = 20
_BESIDE: dict[Field, tuple[Field, ...]] = {
    "start": ("start_date",),
    "start_date": ("start",),
    "end": ("end_date",),
    "end_date": ("end",),
}
"""Where else a file says it that has one column for a date and its time."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that a program writes, and what else is particular of its files.

    `needed` are columns of which there must be one each, with the name that the user knows it by;
    `nothing` is what the program writes into an empty cell.
    """

    fields: Mapping[str, Field]
    needed: tuple[tuple[tuple[Field, ...], str], ...]
    nothing: str = ""
    has_totals: bool = False
    is_neutralised: bool = False


def layout_fields(names: Mapping[Field, str]) -> dict[str, Field]:
    """The field of each name, from the names of each field with commas between them."""
    return {name.strip(): field for field, together in names.items() for name in together.split(",")}


class Columns:
    """Where in a row of this file each field stands. Raises ValidationError for a header that will not do."""

    def __init__(self, layout: Layout, header: Sequence[str]) -> None:
        self.header = header
        self.nothing = layout.nothing
        self.is_neutralised = layout.is_neutralised
        self._has_totals = layout.has_totals
        self.places: dict[Field, int] = {}
        self.currency: str | None = None
        for place, name in enumerate(header):
            self._take(layout, place, name)
        for fields, known_as in layout.needed:
            if not any(field in self.places for field in fields):
                named = ", ".join(shown(name) for name in header[:_MOST_NAMED])
                raise unreadable(f"has no column {known_as}; its first line names {named}")
        self.narrowest = 1 + max(place for field, place in self.places.items() if field in {"start", "start_date"})

    def _take(self, layout: Layout, place: int, name: str) -> None:
        known = _BETWEEN_WORDS.sub(" ", name.casefold()).strip(" ?:*")
        field = layout.fields.get(known)
        if field is None and (found := _RATE.fullmatch(known)) and "rate" in layout.fields.values():
            field, self.currency = "rate", found[1].upper()
        if field is None:
            return
        if field in self.places:
            twice = f"{shown(self.header[self.places[field]])} and {shown(name)}"
            raise unreadable(f"has two columns that say the same: {twice}")
        self.places[field] = place

    def name(self, field: Field | None) -> str | None:
        """The header of the column as it stands in the file, cut where it is long."""
        named = self.first_of((field, *_BESIDE.get(field, ()))) if field else None
        return None if named is None else shown(self.header[self.places[named]])

    def first_of(self, fields: Sequence[Field]) -> Field | None:
        """The first of these fields that the file has."""
        return next((field for field in fields if field in self.places), None)

    def is_total(self, row: Sequence[str]) -> bool:
        """Whether the row is no entry but the sum of those before it: it begins with that word and has no start."""
        if not self._has_totals:
            return False
        first = next(filter(None, map(str.strip, row)), "")
        start = self.places["start_date"]
        return first.casefold().startswith("total") and not any(map(str.strip, row[start : start + 1]))
