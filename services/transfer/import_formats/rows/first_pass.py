"""The first pass over a file: the order of its dates, and the content of each column."""

import re

from services.transfer.import_formats.programs.registry import TableSource
from services.transfer.import_formats.results import MappedColumn, RowMessage
from services.transfer.import_formats.rows.row_times import DATE_FIELDS
from services.transfer.import_formats.tables.cells import RowCells
from services.transfer.import_formats.tables.columns import Columns, columns_error
from services.transfer.import_formats.tables.fields import API_NAMES, FIELDS, TEXTS, Field
from services.transfer.import_formats.tables.layout import normalize_header
from services.transfer.import_formats.values.dates import DateOrder, DateOrderFinder, split_date
from services.transfer.import_formats.values.texts import excerpt, parse_tag_list

MAX_EXAMPLES = 3
MAX_EXAMPLE_LENGTH = 200
_MAX_LISTED_HEADERS = 20

_FIELDS_WITH_IDS: tuple[Field, ...] = ("project", "task", "client")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NOT_A_DESCRIPTION = frozenset(
    {"id", "key", "uuid", "guid", "status", "state", "source", "type", "kind", "color", "colour", "exported", "locked"}
    | {"approved", "invoiced", "employee", "week", "month", "year", "weekday", "day", "created", "updated", "number"}
)
"""The first or last words of headers that do not describe the work."""


class FirstPass:
    """Reads all rows of the source once, and collects what the second pass and the response need."""

    def __init__(self, source: TableSource, columns: Columns) -> None:
        self._columns = columns
        self._dates = DateOrderFinder()
        self._examples: dict[Field, list[str]] = {field: [] for field in columns.indexes}
        self._fields_without_examples = list(columns.indexes)
        self._filled: set[int] = set()
        """The indexes of columns that are not read and not empty."""
        self._has_tag_ids = False
        unread = sorted(set(range(len(columns.header))) - set(columns.indexes.values()))
        for number, row in source.rows():
            cells = RowCells(columns, row)
            for field in DATE_FIELDS:
                self._dates.add(split_date(cells.text(field))[0], number)
            self._add_examples(cells)
            self._has_tag_ids = self._has_tag_ids or _are_ids(cells.text("tags"))
            self._filled.update(index for index in unread if index < len(row) and row[index].strip())

    def order(self) -> DateOrder:
        """Return the order of day, month and year. Raises ValidationError."""
        return self._dates.order()

    def ignored_columns(self) -> list[str]:
        """Return the headers of the columns that are not read; one without a header only if it is not empty."""
        read = set(self._columns.indexes.values())
        unread = [(index, header) for index, header in enumerate(self._columns.header) if index not in read]
        return [header or f"(column {index + 1})" for index, header in unread if header or index in self._filled]

    def notices(self) -> list[RowMessage]:
        """Return a message for each column that has ids without names."""
        notices = [
            RowMessage(0, excerpt(header), f"has {field} ids without names: they were ignored")
            for index, header in enumerate(self._columns.header)
            for field in _FIELDS_WITH_IDS
            if index in self._filled
            and normalize_header(header) == f"{field} id"
            and field not in self._columns.indexes
        ]
        if self._has_tag_ids:
            message = "has tag ids without names: the ids became the tags"
            notices.append(RowMessage(0, self._columns.name("tags"), message))
        return notices

    def mapped_columns(self) -> dict[str, MappedColumn]:
        """Return the column of each field, by the field's name in the API."""
        indexes = self._columns.indexes
        return {
            API_NAMES.get(field, field): MappedColumn(self._columns.header[indexes[field]], self._examples[field])
            for field in FIELDS
            if field in indexes
        }

    def require_text_column(self, *, is_mapped: bool) -> None:
        """Raise ValidationError if no column describes the work and an ignored column could."""
        if is_mapped or any(field in self._columns.indexes for field in TEXTS):
            return
        candidates = [
            header
            for index, header in enumerate(self._columns.header)
            if index in self._filled and _may_describe_work(normalize_header(header))
        ]
        if candidates:
            headers = ", ".join(excerpt(header) for header in candidates[:_MAX_LISTED_HEADERS])
            raise columns_error(
                "is required: no column was recognized as the description of the work. Name the column of the task, "
                f'for example {{"task": "{excerpt(candidates[0])}"}}, or send {{"task": null}} for none; '
                f"the columns are {headers}"
            )

    def _add_examples(self, cells: RowCells) -> None:
        for field in self._fields_without_examples:
            if text := cells.text(field):
                self._examples[field].append(text[:MAX_EXAMPLE_LENGTH])
        self._fields_without_examples = [
            field for field in self._fields_without_examples if len(self._examples[field]) < MAX_EXAMPLES
        ]


def _are_ids(cell: str) -> bool:
    """Return whether the cell is a list of UUIDs, as in the entry table of solidtime."""
    tags = parse_tag_list(cell) or []
    return bool(tags) and all(map(_UUID.fullmatch, tags))


def _may_describe_work(name: str) -> bool:
    words = name.split()
    if not words or any(word in _NOT_A_DESCRIPTION for word in (words[0], words[-1])):
        return False
    return words[-1] not in {"at", "on"}
