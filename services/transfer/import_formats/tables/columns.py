"""Which column of a file says what: headers are found whatever their case, spaces, dots, hyphens and underscores."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from app.errors import FieldError, ValidationError
from services.transfer.import_formats.tables.fields import TEXTS, ColumnMapping, Field
from services.transfer.import_formats.tables.text_files import file_error
from services.transfer.import_formats.values.currencies import parse_currency
from services.transfer.import_formats.values.texts import excerpt

_BETWEEN_WORDS = re.compile(r"[\s_.-]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_IN_BRACKETS = re.compile(r"^(.+?) ?[(\[]([^()\[\]]*)[)\]]")
_MAX_COMPARED_LENGTH = 200
_MAX_NAMED = 20
_PROGRAMS = frozenset({"app", "application"})
"""What ActivityWatch calls the program whose window had the title."""

_SUMS = "subtotals"
"""What TimeTagger calls the column that is filled where a row is a sum."""

_ONCE: frozenset[Field] = frozenset({"start_date", "start", "end_date", "end"})
_MONEY: frozenset[Field] = frozenset({"rate", "rate_or_amount", "amount"})
_BESIDE: dict[Field, tuple[Field, ...]] = {
    "start": ("start_date",),
    "start_date": ("start",),
    "end": ("end_date",),
    "end_date": ("end",),
    "user": ("email", "first_name", "last_name"),
}
"""Where else a file says it that has one column for a date and its time, or no column for the name of a person."""

Rank = tuple[int, Field]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that a program writes, and what else is particular of its files.

    `fields` has for each name what it can say, the surest first. `needed` are columns of which there
    must be one each, with the name that the user knows it by; `nothing` is what the program writes
    into an empty cell. With `is_worked_time` a duration may be shorter than the time from the start
    to the end, since breaks are taken off; with `is_titled_by_tags` the tags of a row say what was
    done where nothing else does.
    """

    fields: Mapping[str, Sequence[Rank]]
    needed: tuple[tuple[tuple[Field, ...], str], ...]
    nothing: str = ""
    has_totals: bool = False
    is_neutralised: bool = False
    is_worked_time: bool = False
    is_titled_by_tags: bool = False


def normalize_header(header: str) -> str:
    """The header as names are compared: in lower case, with one space between words."""
    humps = _HUMP.sub(" ", unicodedata.normalize("NFKC", header[:_MAX_COMPARED_LENGTH]).strip())
    return _BETWEEN_WORDS.sub(" ", humps.casefold()).strip(" ?:*#")


def index_headers(names: Mapping[Field, str]) -> dict[str, list[Rank]]:
    """What each name says, from the names of each field with commas between them.

    A bar parts names that are sure from those that are less so: they count where no column has a
    surer one.
    """
    ranks: dict[str, list[Rank]] = {}
    for field, together in names.items():
        for rank, group in enumerate(together.split("|")):
            for name in group.split(","):
                ranks.setdefault(normalize_header(name), []).append((rank, field))
    return {name: sorted(found) for name, found in ranks.items()}


def columns_error(detail: str) -> ValidationError:
    """What is wrong with the mapping of columns, or that one is needed."""
    return ValidationError(errors=(FieldError(detail, pointer="#/columns"),))


def _money_and_currency(header: str) -> tuple[str, str] | None:
    """The name of a column of money, and what stands behind it: Rate (EUR), Amount USD."""
    if parts := _IN_BRACKETS.fullmatch(header.strip(" ?:*")):
        return parts[1], parts[2].strip()
    name, _, last = header.strip().rpartition(" ")
    return (name, last) if name and parse_currency(last) and len(last) == 3 else None  # noqa: PLR2004 - of ISO 4217


class Columns:
    """Where in a row of this file each field stands. Raises ValidationError for a header that will not do."""

    def __init__(self, layout: Layout, header: Sequence[str], mapped: ColumnMapping | None = None) -> None:
        self.header = header
        self.layout = layout
        self.places: dict[Field, int] = {}
        self.currencies: dict[Field, str] = {}
        """What stands in brackets behind the name of a column of money."""
        self._refused: set[Field] = set()
        self._take_mapped(mapped or {})
        self._mapped = frozenset(self.places.values())
        self._take_known()
        self._settle_what_is_ambiguous()
        for fields, called in layout.needed:
            if not any(field in self.places for field in fields):
                named = ", ".join(excerpt(name) for name in header[:_MAX_NAMED])
                raise file_error(f"has no column {called}; its first line names {named}")
        self.narrowest = 1 + max(place for field, place in self.places.items() if field in {"start", "start_date"})
        names = set(map(normalize_header, header))
        self._sums = next((place for place, name in enumerate(header) if normalize_header(name) == _SUMS), None)
        self.is_own = {"entry_id", "seconds"} <= self.places.keys() and "task id" in names
        self.is_in_minor_units = {"organization id", "member id"} <= names and "currency" not in self.places
        """Whether it is a table of solidtime on its own, whose rates are whole hundredths."""

    def _take_mapped(self, mapped: ColumnMapping) -> None:
        for field, name in mapped.items():
            if name is None:
                self._refused.add(field)
                continue
            place = next((at for at, given in enumerate(self.header) if given == name.strip()), None)
            if place is None:
                place = next(
                    (at for at, given in enumerate(self.header) if normalize_header(given) == normalize_header(name)),
                    None,
                )
            if place is None:
                named = ", ".join(excerpt(given) for given in self.header[:_MAX_NAMED])
                raise columns_error(f"names a column that the file does not have: {excerpt(name)}; it has {named}")
            if place in self.places.values():
                raise columns_error(f"names a column for two fields: {excerpt(name)}")
            self._put(field, place)

    def _take_known(self) -> None:
        ranks: dict[Field, int] = {}
        for rank, place, field in sorted(self._candidates()):
            if field in self._refused or place in self.places.values():
                continue
            if field not in self.places:
                self._put(field, place)
                ranks[field] = rank
            elif field in _ONCE and rank == ranks.get(field) == 0:
                twice = f"{excerpt(self.header[self.places[field]])} and {excerpt(self.header[place])}"
                raise file_error(f"has two columns that say the same: {twice}")

    def _candidates(self) -> Iterator[tuple[int, int, Field]]:
        for place, header in enumerate(self.header):
            name = normalize_header(header)
            found = self.layout.fields.get(name)
            if found is None and (parts := _money_and_currency(header)):
                found = [rank for rank in self.layout.fields.get(normalize_header(parts[0]), ()) if rank[1] in _MONEY]
            for rank, field in found or ():
                yield rank, place, field

    def _put(self, field: Field, place: int) -> None:
        self.places[field] = place
        if field in _MONEY and (parts := _money_and_currency(self.header[place])):
            self.currencies[field] = parts[1]

    def _settle_what_is_ambiguous(self) -> None:
        """Settle three headers by those beside them.

        A category alone says what was done; a name beside a description, who did it; a title beside a
        program is that of its window.
        """
        if not any(field in self.places for field in (*TEXTS, *self._refused.intersection(TEXTS))):
            place = self.places.get("project")
            if place is not None and "task" in self._can_say(place):
                self.places["task"] = self.places.pop("project")
        place = self.places.get("task")
        others = {"description", "project", "client"} & self.places.keys()
        if place is not None and others and "user" in self._can_say(place) and "user" not in self.places:
            self.places["user"] = self.places.pop("task")
        program = next((at for at, name in enumerate(self.header) if normalize_header(name) in _PROGRAMS), None)
        is_free = program is not None and program not in self.places.values() and "description" not in self.places
        if program is not None and is_free and place is not None and normalize_header(self.header[place]) == "title":
            self.places |= {"task": program, "description": place}

    def _can_say(self, place: int) -> set[Field]:
        """What the name of a column that was not mapped can say."""
        if place in self._mapped:
            return set()
        return {field for _, field in self.layout.fields.get(normalize_header(self.header[place]), ())}

    def name(self, field: Field | None) -> str | None:
        """The header of the column as it stands in the file, cut where it is long."""
        named = self.first_of((field, *_BESIDE.get(field, ()))) if field else None
        return None if named is None else excerpt(self.header[self.places[named]])

    def first_of(self, fields: Sequence[Field]) -> Field | None:
        """The first of these fields that the file has."""
        return next((field for field in fields if field in self.places), None)

    def is_total(self, row: Sequence[str]) -> bool:
        """Whether the row is no entry but the sum of those before it: it begins with that word and has no start."""
        if not self.layout.has_totals:
            return self._is_subtotal(row)
        first = next(filter(None, map(str.strip, row)), "")
        start = self.places["start_date"]
        return first.casefold().startswith("total") and not any(map(str.strip, row[start : start + 1]))

    def _is_subtotal(self, row: Sequence[str]) -> bool:
        if self._sums is None or not any(map(str.strip, row[self._sums : self._sums + 1])):
            return False
        return not any(
            row[self.places[field]].strip() for field in _ONCE if self.places.get(field, len(row)) < len(row)
        )

    def is_one_of(self, field: Field, names: AbstractSet[str]) -> bool:
        """Whether the column of the field has one of these names."""
        return field in self.places and normalize_header(self.header[self.places[field]]) in names
