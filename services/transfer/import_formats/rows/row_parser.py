"""The rows of a file as entries: each is read, or it is said what is wrong with it."""

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
from services.transfer.import_formats.rows.row_times import RowTimeParser, Timed
from services.transfer.import_formats.rows.user_filter import UserFilter
from services.transfer.import_formats.tables.cells import CellError, RowCells
from services.transfer.import_formats.tables.columns import Columns, normalize_header
from services.transfer.import_formats.tables.fields import TEXTS, Field
from services.transfer.import_formats.values.amounts import parse_boolean
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
_BREAKS: dict[Field, frozenset[str]] = {
    "kind": frozenset({"break", "pause", "pausa"}),
    "break": frozenset({"yes", "true", "ja", "oui", "sí"}),
}
"""What says in which column that a row is a break, and no time of work."""

_NOTED: tuple[Field, ...] = ("note", "description", "task")
_SECONDS_BY_THEMSELVES = frozenset({"timestamp", "time stamp"})
"""Where a start is called so, a bare number beside it is in seconds: so writes ActivityWatch."""


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How a file is read: whose zone its local times are of, what now is, and what the form says."""

    zone: ZoneInfo
    now: datetime
    user: str | None = None
    currency: str | None = None
    day_start: time = time(9)


class RowParser:
    """Takes one row after the other; what came of them stands in `read`."""

    def __init__(self, columns: Columns, settings: ReadSettings, times: RowTimeParser) -> None:
        self.read = ReadResult()
        self._columns = columns
        self._times = times
        self._settings = settings
        self._people = UserFilter(settings.user)
        self._prices = HourlyRates(columns, settings.currency)
        self._laid: dict[tuple[str | None, date], int] = {}
        self._became_billable = 0
        self._kept: dict[str, str] = {}
        self._tags: dict[tuple[str, str], tuple[tuple[str, ...], str | None]] = {}

    def take(self, number: int, row: Sequence[str]) -> None:
        """Reads a row, into the rows or into the errors; breaks and sums are neither."""
        cells = RowCells(self._columns, row)
        if self._columns.is_total(row):
            return
        person, is_taken = self._people.of(cells)
        if not is_taken:
            return
        try:
            self._refuse_other_widths(row)
            if said := next((field for field, words in _BREAKS.items() if cells.text(field).casefold() in words), None):
                self.read.skipped += 1
                self._notice(number, said, "is a break: it was left out")
            else:
                self.read.rows.append(self._entry(number, cells, person))
        except CellError as wrong:
            self.read.errors.append(RowMessage(number, self._columns.name(wrong.field), wrong.message))

    def finish(self, of_file: Sequence[RowMessage]) -> None:
        """Puts what is to be said of the file as a whole before what is said of rows. Raises ValidationError."""
        self._people.require_the_one()
        of_all = [*of_file, *self._prices.notices()]
        if said := self._people.notice():
            of_all.append(RowMessage(0, self._columns.name("user"), said))
        if self._became_billable:
            column = self._columns.name(self._columns.first_of(("rate", "rate_or_amount", "amount")))
            rows = pluralize(self._became_billable, "row")
            message = f"makes {rows} billable, since nothing says whether they are"
            of_all.append(RowMessage(0, column, message))
        self.read.notices[:0] = of_all

    def _refuse_other_widths(self, row: Sequence[str]) -> None:
        width = len(self._columns.header)
        if len(row) < self._columns.narrowest or any(map(str.strip, row[width:])):
            raise CellError(None, f"has {len(row)} cells, and the header has {width}")

    def _entry(self, number: int, cells: RowCells, person: str | None) -> ImportedRow:
        own_zone = _zone(cells.text("timezone"))
        zone = own_zone or self._settings.zone
        timed = self._times.timed(cells, zone)
        tags = self._tags_of(number, cells)
        title, note = self._title_and_note(cells)
        project, client = self._name(number, cells, "project"), self._name(number, cells, "client")
        span = timed.span or self._lay(number, timed, person, zone)
        if timed.pause:
            self._notice_of_a_break(number, timed.pause, span)
        billable = self._billable(number, cells)
        price, said = self._prices.of(cells, span.seconds, billable=billable)
        for field, message in said:
            self._notice(number, field, message)
        if billable is None and price.is_some:
            billable = True
            self._became_billable += 1
        return ImportedRow(
            number=number,
            started_at=span.started_at,
            ended_at=span.ended_at,
            title=title,
            note=note,
            project=project,
            client=client,
            tags=tags,
            billable=billable,
            hourly_rate=price.rate if billable else None,
            timezone=None if own_zone is None else own_zone.key,
            takes_project_rate=not price.is_told,
            price=price.said,
            user=None if person is None else self._once(person),
            entry_id=cells.text("entry_id") or None,
            laid_on=timed.laid_on,
        )

    def _lay(self, number: int, timed: Timed, person: str | None, zone: ZoneInfo) -> Interval:
        """The entry behind those of the same day and person, the first of which begins at `day_start`."""
        day, opens = timed.laid_on or date.min, self._settings.day_start
        clock = TimeOfDay(opens, time(opens.hour, opens.minute, fold=1), None, has_seconds=True)
        try:
            begins = to_instants(day, clock, zone)[0]
        except ValueError as wrong:
            raise CellError("start_date", str(wrong)) from wrong
        before = self._laid.get((person, day), 0)
        field = self._columns.first_of(("hours", "duration", "seconds", "minutes", "decimal_hours")) or "start_date"
        span = self._times.lasting(begins + timedelta(seconds=before), timed.seconds, field)
        self._laid[person, day] = before + timed.seconds
        if (span.ended_at - timedelta(seconds=1)).astimezone(zone).date() > day and timed.seconds:
            self._notice(number, field, f"goes on after midnight, since the hours of its day begin at {opens:%H:%M}")
        return span

    def _notice_of_a_break(self, number: int, pause: int, span: Interval) -> None:
        field = self._columns.first_of(("break", "duration", "hours", "seconds", "minutes", "decimal_hours"))
        message = (
            f"leaves out a break of {pause:,} seconds: the entry is as long as was worked, {span.seconds:,} seconds"
        )
        self._notice(number, field, message)

    def _notice(self, number: int, field: Field | None, message: str | None) -> None:
        if message is not None:
            self.read.notices.append(RowMessage(number, self._columns.name(field), message))

    def _once(self, text: str) -> str:
        """The same text, kept once however often it stands in the file."""
        return self._kept.setdefault(text, text)

    def _title_and_note(self, cells: RowCells) -> tuple[str, str | None]:
        said = [_checked(cells, field) for field in TEXTS]
        if self._columns.layout.is_titled_by_tags and not any(said):
            said.append(", ".join(parse_tag_list(cells.text("tags")) or []))
        title, note = to_title_and_note(said)
        if note is not None:
            try:
                require_note_length(note)
            except ValueError as wrong:
                raise CellError(self._columns.first_of(_NOTED), str(wrong)) from wrong
        return self._once(title), None if note is None else self._once(note)

    def _name(self, number: int, cells: RowCells, field: Field) -> str | None:
        text = cells.text(field)
        line = _readable(field, cell_to_line, text) if text else ""
        if not line:
            return None
        name, said = truncate_name(line)
        self._notice(number, field, said)
        return self._once(name)

    def _tags_of(self, number: int, cells: RowCells) -> tuple[str, ...]:
        texts = (cells.text("tags"), cells.text("categories"))
        if texts not in self._tags:
            self._tags[texts] = _readable(
                "tags", lambda text: parse_tags(text, texts[1], is_own=self._columns.is_own), texts[0]
            )
        tags, said = self._tags[texts]
        self._notice(number, "tags", said)
        return tags

    def _billable(self, number: int, cells: RowCells) -> bool | None:
        text = cells.text("billable")
        try:
            return parse_boolean(text) if text else None
        except ValueError as wrong:
            self._notice(number, "billable", f"{wrong}; it was passed over")
            return None


def row_times(columns: Columns, settings: ReadSettings, order: DateOrder) -> RowTimeParser:
    """How the times of a file with these columns are read."""
    start = columns.places.get("start", columns.places.get("start_date", 0))
    is_bare = normalize_header(columns.header[start]) in _SECONDS_BY_THEMSELVES
    return RowTimeParser(
        order,
        settings.now.astimezone(UTC) + MAX_FUTURE,
        is_worked_time=columns.layout.is_worked_time,
        bare_unit=SECOND if is_bare else None,
    )


def _checked(cells: RowCells, field: Field) -> str:
    """A text that may have several lines. Raises CellError for a control character."""
    return _readable(field, cell_to_lines, cells.whole(field) if field == "note" else cells.text(field))


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
    zone = _known_zone(name) if len(name) <= MAX_EXCERPT_LENGTH else None
    if zone is None:
        raise CellError("timezone", f"is not the name of an IANA time zone, such as Europe/Berlin: {excerpt(name)}")
    return zone


@lru_cache(maxsize=1_024)
def _known_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(_ZONE.validate_python(name))
    except NotValidError:
        return None
