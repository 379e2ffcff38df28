"""Find the column of each field in the header of a file. See `normalize_header` for what is ignored."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from app.errors import FieldError, ValidationError
from services.transfer.import_formats.tables.fields import TEXTS, ColumnMapping, Field
from services.transfer.import_formats.tables.layout import Layout, normalize_header
from services.transfer.import_formats.tables.text_files import file_error
from services.transfer.import_formats.values.currencies import parse_currency
from services.transfer.import_formats.values.texts import excerpt

_IN_BRACKETS = re.compile(r"^(.+?) ?[(\[]([^()\[\]]*)[)\]]")
_MAX_LISTED_HEADERS = 20
_APPLICATION_HEADERS = frozenset({"app", "application"})
"""ActivityWatch: the program that owns the window whose title is in the column `title`."""

_SUBTOTALS_HEADER = "subtotals"
"""TimeTagger: a column that is filled only in rows that are sums."""

_UNIQUE_FIELDS: frozenset[Field] = frozenset({"start_date", "start", "end_date", "end"})
_MONEY_FIELDS: frozenset[Field] = frozenset({"rate", "rate_or_amount", "amount"})
_ALTERNATIVES: dict[Field, tuple[Field, ...]] = {
    "start": ("start_date",),
    "start_date": ("start",),
    "end": ("end_date",),
    "end_date": ("end",),
    "user": ("email", "first_name", "last_name"),
}
"""The fields whose column a message names if the field itself has no column."""


def columns_error(detail: str) -> ValidationError:
    """Return the error for a column mapping that is wrong or missing."""
    return ValidationError(errors=(FieldError(detail, pointer="#/columns"),))


def _split_currency(header: str) -> tuple[str, str] | None:
    """Split "Rate (EUR)" or "Amount USD" into name and currency; None if there is no currency."""
    if parts := _IN_BRACKETS.fullmatch(header.strip(" ?:*")):
        return parts[1], parts[2].strip()
    name, _, last = header.strip().rpartition(" ")
    return (name, last) if name and parse_currency(last) and len(last) == 3 else None  # noqa: PLR2004 - ISO 4217


class Columns:
    """The column of each field in a file, by index. Raises ValidationError if the header is not usable.

    Attributes:
        header: The header as it is in the file.
        indexes: The column index of each field that has one.
        currencies: The text in brackets in the header of each money field, as in "Rate (EUR)".
        min_width: The fewest cells that a row needs to have a start.
        is_own: Whether this service wrote the file.
        is_in_minor_units: Whether it is the entry table of solidtime on its own, whose rates are in minor units.
    """

    def __init__(self, layout: Layout, header: Sequence[str], mapping: ColumnMapping | None = None) -> None:
        self.header = header
        self.layout = layout
        self.indexes: dict[Field, int] = {}
        self.currencies: dict[Field, str] = {}
        self._unmapped: set[Field] = set()
        self._apply_mapping(mapping or {})
        self._mapped = frozenset(self.indexes.values())
        self._apply_layout()
        self._resolve_ambiguous_headers()
        for fields, name in layout.required:
            if not any(field in self.indexes for field in fields):
                raise file_error(f"has no column {name}; the columns are {self._listed_header()}")
        self.min_width = 1 + max(index for field, index in self.indexes.items() if field in {"start", "start_date"})
        names = [normalize_header(name) for name in header]
        self._subtotals = names.index(_SUBTOTALS_HEADER) if _SUBTOTALS_HEADER in names else None
        self.is_own = {"entry_id", "seconds"} <= self.indexes.keys() and "task id" in names
        self.is_in_minor_units = {"organization id", "member id"} <= set(names) and "currency" not in self.indexes

    def _apply_mapping(self, mapping: ColumnMapping) -> None:
        for field, name in mapping.items():
            if name is None:
                self._unmapped.add(field)
                continue
            index = self._index_of(name)
            if index is None:
                detail = f"names a column that is not in the file: {excerpt(name)}; the columns are "
                raise columns_error(detail + self._listed_header())
            if index in self.indexes.values():
                raise columns_error(f"maps two fields to the same column: {excerpt(name)}")
            self._set(field, index)

    def _index_of(self, name: str) -> int | None:
        """Return the index of the column with this header: an exact match, else a normalized one."""
        index = next((at for at, header in enumerate(self.header) if header == name.strip()), None)
        if index is not None:
            return index
        normalized = normalize_header(name)
        return next((at for at, header in enumerate(self.header) if normalize_header(header) == normalized), None)

    def _apply_layout(self) -> None:
        ranks: dict[Field, int] = {}
        for rank, index, field in sorted(self._candidates()):
            if field in self._unmapped or index in self.indexes.values():
                continue
            if field not in self.indexes:
                self._set(field, index)
                ranks[field] = rank
            elif field in _UNIQUE_FIELDS and rank == ranks.get(field) == 0:
                both = f"{excerpt(self.header[self.indexes[field]])} and {excerpt(self.header[index])}"
                raise file_error(f"has two columns with the same meaning: {both}")

    def _candidates(self) -> Iterator[tuple[int, int, Field]]:
        """Yield the rank, the column index and the field of every possible assignment."""
        for index, header in enumerate(self.header):
            ranked = self.layout.fields.get(normalize_header(header))
            if ranked is None and (parts := _split_currency(header)):
                of_name = self.layout.fields.get(normalize_header(parts[0]), ())
                ranked = [candidate for candidate in of_name if candidate[1] in _MONEY_FIELDS]
            for rank, field in ranked or ():
                yield rank, index, field

    def _set(self, field: Field, index: int) -> None:
        self.indexes[field] = index
        if field in _MONEY_FIELDS and (parts := _split_currency(self.header[index])):
            self.currencies[field] = parts[1]

    def _resolve_ambiguous_headers(self) -> None:
        """Resolve three ambiguous headers by the other columns.

        A category is the task if no other column describes the work. A name is the user if a description,
        project or client column exists. A title is a window title if an application column exists.
        """
        if not any(field in self.indexes for field in (*TEXTS, *self._unmapped.intersection(TEXTS))):
            index = self.indexes.get("project")
            if index is not None and "task" in self._possible_fields(index):
                self.indexes["task"] = self.indexes.pop("project")
        index = self.indexes.get("task")
        others = {"description", "project", "client"} & self.indexes.keys()
        if index is not None and others and "user" in self._possible_fields(index) and "user" not in self.indexes:
            self.indexes["user"] = self.indexes.pop("task")
        names = [normalize_header(name) for name in self.header]
        application = next((at for at, name in enumerate(names) if name in _APPLICATION_HEADERS), None)
        if application is None or application in self.indexes.values() or "description" in self.indexes:
            return
        if index is not None and names[index] == "title":
            self.indexes |= {"task": application, "description": index}

    def _possible_fields(self, index: int) -> set[Field]:
        """Return the fields that the header of a column can mean; none for a column that the mapping names."""
        if index in self._mapped:
            return set()
        return {field for _, field in self.layout.fields.get(normalize_header(self.header[index]), ())}

    def _listed_header(self) -> str:
        return ", ".join(excerpt(name) for name in self.header[:_MAX_LISTED_HEADERS])

    def name(self, field: Field | None) -> str | None:
        """Return the header of the field's column for a message, shortened if it is long."""
        present = self.first_of((field, *_ALTERNATIVES.get(field, ()))) if field else None
        return None if present is None else excerpt(self.header[self.indexes[present]])

    def first_of(self, fields: Sequence[Field]) -> Field | None:
        """Return the first of these fields that has a column."""
        return next((field for field in fields if field in self.indexes), None)

    def is_total(self, row: Sequence[str]) -> bool:
        """Return whether the row is a sum of other rows: it starts with "total" and has no start date."""
        if not self.layout.has_totals:
            return self._is_subtotal(row)
        first = next(filter(None, map(str.strip, row)), "")
        start = self.indexes["start_date"]
        return first.casefold().startswith("total") and not any(map(str.strip, row[start : start + 1]))

    def _is_subtotal(self, row: Sequence[str]) -> bool:
        if self._subtotals is None or not any(map(str.strip, row[self._subtotals : self._subtotals + 1])):
            return False
        return not any(
            row[self.indexes[field]].strip() for field in _UNIQUE_FIELDS if self.indexes.get(field, len(row)) < len(row)
        )

    def is_one_of(self, field: Field, names: AbstractSet[str]) -> bool:
        """Return whether the field has a column whose normalized header is one of these names."""
        return field in self.indexes and normalize_header(self.header[self.indexes[field]]) in names
