"""The rows of a file as entries: each is read, or it is said what is wrong with it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from pydantic import ValidationError as NotValidError

from services.import_formats.cells import CellError, Cells
from services.import_formats.columns import Columns, Field
from services.import_formats.dates import DateOrder
from services.import_formats.rates import parsed_billable, parsed_rate
from services.import_formats.row_times import RowTimes
from services.import_formats.rows import ImportedRow, RowFinding, RowsRead
from services.import_formats.texts import (
    LONGEST_SHOWN,
    cut_name,
    cut_note,
    parsed_tags,
    shown,
    title_and_note,
)
from services.schemas.fields import Zone
from services.schemas.texts import cell_in_lines, cell_in_one_line
from services.spans import FURTHEST_AHEAD

T = TypeVar("T")

_ZONE: TypeAdapter[str] = TypeAdapter(Zone)
_BREAKS = frozenset({"break", "yes", "true"})
_SAID: tuple[Field, ...] = ("task", "description", "note")
_TEXTS: tuple[Field, ...] = ("note", "description", "task")


class RowParser:
    """Takes one row after the other; what came of them stands in `read`."""

    def __init__(self, columns: Columns, *, zone: ZoneInfo, order: DateOrder, now: datetime) -> None:
        self.read = RowsRead()
        self._columns = columns
        self._times = RowTimes(order, now + FURTHEST_AHEAD)
        self._zone = zone
        self._kept: dict[str, str] = {}
        self._tags: dict[str, tuple[tuple[str, ...], str | None]] = {}

    def take(self, number: int, row: Sequence[str]) -> None:
        """Reads a row, into the rows or into the errors; breaks and sums are neither."""
        cells = Cells(self._columns, row)
        if self._columns.is_total(row):
            return
        try:
            self._refuse_other_widths(row)
            if cells.text("kind").casefold() in _BREAKS:
                self.read.skipped += 1
                self._notice(number, "kind", "is a break: it was left out")
            else:
                self.read.rows.append(self._entry(number, cells))
        except CellError as wrong:
            self.read.errors.append(RowFinding(number, self._columns.name(wrong.field), wrong.message))

    def _refuse_other_widths(self, row: Sequence[str]) -> None:
        width = len(self._columns.header)
        if len(row) < self._columns.narrowest or any(map(str.strip, row[width:])):
            raise CellError(None, f"has {len(row)} cells, and the header has {width}")

    def _entry(self, number: int, cells: Cells) -> ImportedRow:
        zone = _zone(cells.text("timezone"))
        span = self._times.span(cells, zone or self._zone)
        title, note = title_and_note([_checked(cells, field) for field in _SAID])
        billable = self._billable(number, cells)
        return ImportedRow(
            number=number,
            started_at=span.started_at,
            ended_at=span.ended_at,
            title=self._once(title),
            note=None if note is None else self._note(number, note),
            project=self._name(number, cells, "project"),
            client=self._name(number, cells, "client"),
            tags=self._tags_of(number, cells),
            billable=billable,
            hourly_rate=self._rate(number, cells) if billable else None,
            timezone=None if zone is None else zone.key,
            entry_id=cells.text("entry_id") or None,
        )

    def _notice(self, number: int, field: Field | None, message: str | None) -> None:
        if message is not None:
            self.read.notices.append(RowFinding(number, self._columns.name(field), message))

    def _once(self, text: str) -> str:
        """The same text, kept once however often it stands in the file."""
        return self._kept.setdefault(text, text)

    def _note(self, number: int, note: str) -> str:
        note, said = cut_note(note)
        self._notice(number, self._columns.first_of(_TEXTS), said)
        return self._once(note)

    def _name(self, number: int, cells: Cells, field: Field) -> str | None:
        text = cells.text(field)
        line = _readable(field, cell_in_one_line, text) if text else ""
        if not line:
            return None
        name, said = cut_name(line)
        self._notice(number, field, said)
        return self._once(name)

    def _tags_of(self, number: int, cells: Cells) -> tuple[str, ...]:
        text = cells.text("tags")
        if text not in self._tags:
            self._tags[text] = _readable("tags", parsed_tags, text)
        tags, said = self._tags[text]
        self._notice(number, "tags", said)
        return tags

    def _billable(self, number: int, cells: Cells) -> bool | None:
        text = cells.text("billable")
        try:
            return parsed_billable(text) if text else None
        except ValueError as wrong:
            self._notice(number, "billable", f"{wrong}; it was passed over")
            return None

    def _rate(self, number: int, cells: Cells) -> tuple[int, str] | None:
        text = cells.text("rate")
        currency = self._columns.currency or cells.text("currency").upper()
        try:
            return parsed_rate(text, currency) if text else None
        except ValueError as wrong:
            self._notice(number, "rate", f"{wrong}; it was left out")
            return None


def _checked(cells: Cells, field: Field) -> str:
    """A text that may have several lines. Raises CellError for a control character."""
    return _readable(field, cell_in_lines, cells.whole(field) if field == "note" else cells.text(field))


def _readable(field: Field, read: Callable[[str], T], text: str) -> T:
    """What is read from a text of this field. Raises CellError."""
    try:
        return read(text)
    except ValueError as wrong:
        raise CellError(field, str(wrong)) from wrong


def _zone(name: str) -> ZoneInfo | None:
    """The zone that a row names for itself. Raises CellError."""
    if not name:
        return None
    zone = _known_zone(name) if len(name) <= LONGEST_SHOWN else None
    if zone is None:
        raise CellError("timezone", f"is not the name of an IANA time zone, such as Europe/Berlin: {shown(name)}")
    return zone


@lru_cache(maxsize=1_024)
def _known_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(_ZONE.validate_python(name))
    except NotValidError:
        return None
