"""A first look through a whole file: its dates, and what stands in each column."""

import re

from services.transfer.import_formats.programs.registry import TableSource
from services.transfer.import_formats.results import MappedColumn, RowMessage
from services.transfer.import_formats.rows.row_times import DATED
from services.transfer.import_formats.tables.cells import RowCells
from services.transfer.import_formats.tables.columns import Columns, columns_error, normalize_header
from services.transfer.import_formats.tables.fields import API_NAMES, FIELDS, TEXTS, Field
from services.transfer.import_formats.values.dates import DateOrder, DateOrderFinder, split_date
from services.transfer.import_formats.values.texts import excerpt, parse_tag_list

SHOWN_VALUES = 3
MAX_VALUE_LENGTH = 200
_MAX_NAMED = 20

_NAMED_BY_IDS: tuple[Field, ...] = ("project", "task", "client")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_TEXT = frozenset(
    {"id", "key", "uuid", "guid", "status", "state", "source", "type", "kind", "color", "colour", "exported", "locked"}
    | {"approved", "invoiced", "employee", "week", "month", "year", "weekday", "day", "created", "updated", "number"}
)


class FirstPass:
    """What a file holds, column by column."""

    def __init__(self, source: TableSource, columns: Columns) -> None:
        self._columns = columns
        self._dates = DateOrderFinder()
        self._values: dict[Field, list[str]] = {field: [] for field in columns.places}
        self._wanting = list(columns.places)
        self._filled: set[int] = set()
        self._has_tag_ids = False
        unread = sorted(set(range(len(columns.header))) - set(columns.places.values()))
        for number, row in source.rows():
            cells = RowCells(columns, row)
            for field in DATED:
                self._dates.look(split_date(cells.text(field))[0], number)
            self._keep_values(cells)
            self._has_tag_ids = self._has_tag_ids or _are_ids(cells.text("tags"))
            self._filled.update(place for place in unread if place < len(row) and row[place].strip())

    def order(self) -> DateOrder:
        """The order that all dates of the file are in. Raises ValidationError."""
        return self._dates.order()

    def ignored(self) -> list[str]:
        """The headers of the columns that are not read; one without a header only when it holds something."""
        read = set(self._columns.places.values())
        named = [(place, header) for place, header in enumerate(self._columns.header) if place not in read]
        return [header or f"(column {place + 1})" for place, header in named if header or place in self._filled]

    def notices(self) -> list[RowMessage]:
        """What is to be said of ids whose names the file does not have: they are left out, or are the tags."""
        found = [
            RowMessage(0, excerpt(header), f"has ids of {field}s without their names: they were left out")
            for place, header in enumerate(self._columns.header)
            for field in _NAMED_BY_IDS
            if place in self._filled and normalize_header(header) == f"{field} id" and field not in self._columns.places
        ]
        if self._has_tag_ids:
            message = "has ids of tags without their names: they were read as the tags"
            found.append(RowMessage(0, self._columns.name("tags"), message))
        return found

    def read_from(self) -> dict[str, MappedColumn]:
        """Where each of our fields is read from."""
        places = self._columns.places
        return {
            API_NAMES.get(field, field): MappedColumn(self._columns.header[places[field]], self._values[field])
            for field in FIELDS
            if field in places
        }

    def require_a_text(self, *, is_mapped: bool) -> None:
        """Raises ValidationError when no column is known to say what was done, and another one could."""
        if is_mapped or any(field in self._columns.places for field in TEXTS):
            return
        others = [
            header
            for place, header in enumerate(self._columns.header)
            if place in self._filled and not _is_no_text(normalize_header(header))
        ]
        if others:
            named = ", ".join(excerpt(header) for header in others[:_MAX_NAMED])
            raise columns_error(
                "is needed, since no column is known to say what was done: name the column of the task, "
                f'such as {{"task": "{excerpt(others[0])}"}}, or {{"task": null}} for none; there are {named}'
            )

    def _keep_values(self, cells: RowCells) -> None:
        for field in self._wanting:
            if text := cells.text(field):
                self._values[field].append(text[:MAX_VALUE_LENGTH])
        self._wanting = [field for field in self._wanting if len(self._values[field]) < SHOWN_VALUES]


def _are_ids(cell: str) -> bool:
    """Whether it is a list of UUIDs and nothing else, as in the table of entries of solidtime."""
    tags = parse_tag_list(cell) or []
    return bool(tags) and all(map(_UUID.fullmatch, tags))


def _is_no_text(name: str) -> bool:
    words = name.split()
    return not words or any(word in _NO_TEXT for word in (words[0], words[-1])) or words[-1] in {"at", "on"}
