"""Parse the rows of a file into time entries, or into errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from pydantic import ValidationError as NotValidError

from app.plural import pluralize
from services.common.intervals import Interval
from services.common.values.fields import Zone
from services.common.values.texts import cell_to_line, cell_to_lines
from services.tracking.rules.instants import MAX_FUTURE
from services.transfer.import_formats.results import ImportedRow, ReadResult, RowMessage
from services.transfer.import_formats.rows.hourly_rates import HourlyRates
from services.transfer.import_formats.rows.row_times import ParsedTime, RowTimeParser
from services.transfer.import_formats.rows.user_filter import UserFilter
from services.transfer.import_formats.tables.cells import CellError, RowCells
from services.transfer.import_formats.tables.columns import Columns
from services.transfer.import_formats.tables.fields import TEXTS, Field
from services.transfer.import_formats.tables.layout import normalize_header
from services.transfer.import_formats.values.booleans import parse_boolean
from services.transfer.import_formats.values.dates import DateOrder
from services.transfer.import_formats.values.durations import SECOND
from services.transfer.import_formats.values.texts import (
    MAX_EXCERPT_LENGTH,
    excerpt,
    parse_tag_list,
    parse_tags,
    require_note_length,
    to_title_and_note,
    truncate_name,
)
from services.transfer.import_formats.values.time_ranges import to_instants
from services.transfer.import_formats.values.times_of_day import TimeOfDay

T = TypeVar("T")

_ZONE: TypeAdapter[str] = TypeAdapter(Zone)
_BREAK_WORDS: dict[Field, frozenset[str]] = {
    "kind": frozenset({"break", "pause", "pausa"}),
    "break": frozenset({"yes", "true", "ja", "oui", "sí"}),
}
"""The words that mark a row as a break, by field."""

_NOTE_SOURCES: tuple[Field, ...] = ("note", "description", "task")
_START_HEADERS_WITH_SECONDS = frozenset({"timestamp", "time stamp"})
"""ActivityWatch: with this header for the start, a plain number as duration is in seconds."""


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How a file is read: the zone of its local times, the current time, and the options of the request."""

    zone: ZoneInfo
    now: datetime
    user: str | None = None
    currency: str | None = None
    day_start: time = time(9)


class RowParser:
    """Parses one row after the other into `result`."""

    def __init__(self, columns: Columns, settings: ReadSettings, times: RowTimeParser) -> None:
        self.result = ReadResult()
        self._columns = columns
        self._times = times
        self._settings = settings
        self._users = UserFilter(settings.user)
        self._rates = HourlyRates(columns, settings.currency)
        self._seconds_by_day: dict[tuple[str | None, date], int] = {}
        """The total of the rows without a time of day so far, by person and day."""
        self._implied_billable_rows = 0
        self._texts: dict[str, str] = {}
        self._tags: dict[tuple[str, str], tuple[tuple[str, ...], str | None]] = {}

    def add(self, number: int, row: Sequence[str]) -> None:
        """Parse a row into the rows or the errors. Skips totals, breaks and the rows of other users."""
        cells = RowCells(self._columns, row)
        if self._columns.is_total(row):
            return
        person, is_selected = self._users.select(cells)
        if not is_selected:
            return
        try:
            self._require_width(row)
            if field := _break_field(cells):
                self.result.skipped += 1
                self._add_notice(number, field, "is a break: the row was skipped")
            else:
                self.result.rows.append(self._parse(number, cells, person))
        except CellError as error:
            self.result.errors.append(RowMessage(number, self._columns.name(error.field), error.message))

    def finish(self, file_notices: Sequence[RowMessage]) -> None:
        """Add the notices about the whole file before those about rows. Raises ValidationError."""
        self._users.require_match()
        notices = [*file_notices, *self._rates.notices()]
        if message := self._users.notice():
            notices.append(RowMessage(0, self._columns.name("user"), message))
        if self._implied_billable_rows:
            column = self._columns.name(self._columns.first_of(("rate", "rate_or_amount", "amount")))
            rows = pluralize(self._implied_billable_rows, "row")
            notices.append(RowMessage(0, column, f"makes {rows} billable: the file does not say whether they are"))
        self.result.notices[:0] = notices

    def _require_width(self, row: Sequence[str]) -> None:
        width = len(self._columns.header)
        if len(row) < self._columns.min_width or any(map(str.strip, row[width:])):
            raise CellError(None, f"has {len(row)} cells, but the header has {width}")

    def _parse(self, number: int, cells: RowCells, person: str | None) -> ImportedRow:
        row_zone = _parse_zone(cells.text("timezone"))
        zone = row_zone or self._settings.zone
        parsed = self._times.parse(cells, zone)
        tags = self._parse_tags(number, cells)
        title, note = self._parse_title_and_note(cells)
        project, client = self._parse_name(number, cells, "project"), self._parse_name(number, cells, "client")
        time_range = parsed.time_range or self._place(number, parsed, person, zone)
        if parsed.break_seconds:
            self._add_break_notice(number, parsed.break_seconds, time_range)
        billable = self._parse_billable(number, cells)
        rate, messages = self._rates.read(cells, time_range.seconds, billable=billable)
        for field, message in messages:
            self._add_notice(number, field, message)
        if billable is None and rate.is_positive:
            billable = True
            self._implied_billable_rows += 1
        return ImportedRow(
            number=number,
            started_at=time_range.started_at,
            ended_at=time_range.ended_at,
            title=title,
            note=note,
            project=project,
            client=client,
            tags=tags,
            billable=billable,
            hourly_rate=rate.rate if billable else None,
            timezone=None if row_zone is None else row_zone.key,
            takes_project_rate=not rate.has_price,
            price=rate.content,
            user=None if person is None else self._intern(person),
            entry_id=cells.text("entry_id") or None,
            laid_on=parsed.day_only,
        )

    def _place(self, number: int, parsed: ParsedTime, person: str | None, zone: ZoneInfo) -> Interval:
        """Place an entry without a time of day after the previous ones of its person and day, from `day_start` on."""
        day, day_start = parsed.day_only or date.min, self._settings.day_start
        folded = time(day_start.hour, day_start.minute, fold=1)
        try:
            starts = to_instants(day, TimeOfDay(day_start, folded, None, has_seconds=True), zone)
        except ValueError as error:
            raise CellError("start_date", str(error)) from error
        before = self._seconds_by_day.get((person, day), 0)
        field = self._columns.first_of(("hours", "duration", "seconds", "minutes", "decimal_hours")) or "start_date"
        time_range = self._times.range_from(starts[0] + timedelta(seconds=before), parsed.seconds, field)
        self._seconds_by_day[person, day] = before + parsed.seconds
        if (time_range.ended_at - timedelta(seconds=1)).astimezone(zone).date() > day and parsed.seconds:
            message = f"continues after midnight: the entries of its day start at {day_start:%H:%M}"
            self._add_notice(number, field, message)
        return time_range

    def _add_break_notice(self, number: int, break_seconds: int, time_range: Interval) -> None:
        field = self._columns.first_of(("break", "duration", "hours", "seconds", "minutes", "decimal_hours"))
        message = f"excludes a break of {break_seconds:,} seconds: the entry is {time_range.seconds:,} seconds long"
        self._add_notice(number, field, message)

    def _add_notice(self, number: int, field: Field | None, message: str | None) -> None:
        if message is not None:
            self.result.notices.append(RowMessage(number, self._columns.name(field), message))

    def _intern(self, text: str) -> str:
        """Return one object for equal texts, to save memory."""
        return self._texts.setdefault(text, text)

    def _parse_title_and_note(self, cells: RowCells) -> tuple[str, str | None]:
        texts = [_read_lines(cells, field) for field in TEXTS]
        if self._columns.layout.is_titled_by_tags and not any(texts):
            texts.append(", ".join(parse_tag_list(cells.text("tags")) or []))
        title, note = to_title_and_note(texts)
        if note is not None:
            try:
                require_note_length(note)
            except ValueError as error:
                raise CellError(self._columns.first_of(_NOTE_SOURCES), str(error)) from error
        return self._intern(title), None if note is None else self._intern(note)

    def _parse_name(self, number: int, cells: RowCells, field: Field) -> str | None:
        text = cells.text(field)
        line = _parse_text(field, cell_to_line, text) if text else ""
        if not line:
            return None
        name, message = truncate_name(line)
        self._add_notice(number, field, message)
        return self._intern(name)

    def _parse_tags(self, number: int, cells: RowCells) -> tuple[str, ...]:
        texts = (cells.text("tags"), cells.text("categories"))
        if texts not in self._tags:
            self._tags[texts] = _parse_text(
                "tags", lambda text: parse_tags(text, texts[1], is_own=self._columns.is_own), texts[0]
            )
        tags, message = self._tags[texts]
        self._add_notice(number, "tags", message)
        return tags

    def _parse_billable(self, number: int, cells: RowCells) -> bool | None:
        text = cells.text("billable")
        try:
            return parse_boolean(text) if text else None
        except ValueError as error:
            self._add_notice(number, "billable", f"{error}; it was ignored")
            return None


def row_time_parser(columns: Columns, settings: ReadSettings, order: DateOrder) -> RowTimeParser:
    """Create the parser for the times of a file with these columns."""
    start = columns.indexes.get("start", columns.indexes.get("start_date", 0))
    has_seconds = normalize_header(columns.header[start]) in _START_HEADERS_WITH_SECONDS
    return RowTimeParser(
        order,
        settings.now.astimezone(UTC) + MAX_FUTURE,
        excludes_breaks=columns.layout.excludes_breaks,
        number_unit=SECOND if has_seconds else None,
    )


def _break_field(cells: RowCells) -> Field | None:
    """Return the field that marks the row as a break, if it is one."""
    return next((field for field, words in _BREAK_WORDS.items() if cells.text(field).casefold() in words), None)


def _read_lines(cells: RowCells, field: Field) -> str:
    """Return a text that can have several lines. Raises CellError for a control character."""
    return _parse_text(field, cell_to_lines, cells.raw_text(field) if field == "note" else cells.text(field))


def _parse_text(field: Field, parse: Callable[[str], T], text: str) -> T:
    """Parse the text of a field. Raises CellError where the function raises ValueError."""
    try:
        return parse(text)
    except ValueError as error:
        raise CellError(field, str(error)) from error


def _parse_zone(name: str) -> ZoneInfo | None:
    """Return the time zone of a row, if it has one. Raises CellError."""
    if not name:
        return None
    zone = _find_zone(name) if len(name) <= MAX_EXCERPT_LENGTH else None
    if zone is None:
        raise CellError("timezone", f"is not an IANA time zone (for example Europe/Berlin): {excerpt(name)}")
    return zone


@lru_cache(maxsize=1_024)
def _find_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(_ZONE.validate_python(name))
    except NotValidError:
        return None
