"""Parse the time range of a row from its dates, times and duration, in any combination of columns."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from app.clock import rfc3339
from services.common.intervals import Interval
from services.common.values.fields import MAX_YEAR, MIN_YEAR
from services.transfer.import_formats.tables.cells import CellError, RowCells
from services.transfer.import_formats.tables.fields import Field
from services.transfer.import_formats.values.dates import DateOrder, parse_date, split_date
from services.transfer.import_formats.values.durations import HOUR, MINUTE, SECOND, Duration, parse_duration
from services.transfer.import_formats.values.time_ranges import (
    ROUNDING_SECONDS,
    DisagreementError,
    resolve_time_range,
    to_instants,
)
from services.transfer.import_formats.values.times_of_day import TimeOfDay, parse_time

DATE_FIELDS: tuple[Field, ...] = ("start_date", "start", "end_date", "end")
"""The fields that can contain a date."""

_DURATION_FIELDS: tuple[tuple[Field, int | None], ...] = (
    ("seconds", SECOND),
    ("hours", HOUR),
    ("duration", None),
    ("minutes", MINUTE),
    ("decimal_hours", HOUR),
)
"""The fields with a duration, the most exact first, and the unit of a plain number in each."""


_DAY = timedelta(days=1)
_SPACES = " ,\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_BETWEEN_DATE_AND_TIME = re.compile(rf"[{_SPACES}]*(?:[Tt](?=[0-9])|(?:at|um|à|a las) )?[{_SPACES}]*")
_TIMESTAMP = re.compile(r"([0-9]{9,11})(?:\.[0-9]{1,9})?|([0-9]{12,14})")
_NO_BREAK = frozenset({"", "-", "no", "false", "nein", "non"})
_MAX_DIGITS = 6
_TIME_WITH_DOTS = re.compile(r"[0-9]{1,2}\.[0-9]{2}\.[0-9]{2}")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moment:
    """The start or the end of a row: a day, a time of day, both, or an instant."""

    day: date | None
    time_of_day: TimeOfDay | None
    instant: datetime | None = None

    def instants(self, field: Field, zone: ZoneInfo, day: date | None = None) -> tuple[datetime, ...]:
        """Return the possible instants, on the given day if the moment has none. Raises CellError."""
        if self.instant is not None:
            return (self.instant,)
        own_day = self.day or day
        if own_day is None or self.time_of_day is None:
            raise CellError(field, "has no date" if own_day is None else "has no time of day")
        return _parse_cell(field, to_instants, own_day, self.time_of_day, zone)

    @property
    def has_time(self) -> bool:
        """Whether there is a time of day."""
        return self.instant is not None or self.time_of_day is not None


@dataclass(frozen=True, slots=True)
class RowDuration:
    """The duration of a row, and the field that it is from."""

    field: Field
    duration: Duration


@dataclass(frozen=True, slots=True)
class ParsedTime:
    """The time range of a row, or only its day and length.

    Attributes:
        time_range: None if the row has no time of day; then `day_only` and `seconds` are set.
        break_seconds: The seconds of a break between the start and the end in the file, which the entry excludes.
    """

    time_range: Interval | None
    day_only: date | None = None
    seconds: int = 0
    break_seconds: int = 0


@dataclass(frozen=True, slots=True)
class RowTimeParser:
    """Parses the times of the rows of a file.

    Attributes:
        order: The order of day, month and year in the file.
        latest: The latest end of an entry.
        excludes_breaks: Whether a duration may be shorter than the time from start to end.
        number_unit: The unit of a plain number as duration, in seconds; None if it needs a unit.
    """

    order: DateOrder
    latest: datetime
    excludes_breaks: bool = False
    number_unit: int | None = None

    def parse(self, cells: RowCells, zone: ZoneInfo) -> ParsedTime:
        """Parse the time of a row. Raises CellError."""
        start = self._parse_moment(cells, "start_date", "start")
        end = self._parse_moment(cells, "end_date", "end")
        length = self._parse_duration(cells)
        if start.day is None and start.instant is None:
            raise CellError("start_date" if start.time_of_day else "start", "has no date")
        if not start.has_time:
            return self._parse_without_start(start, end, length, zone)
        if end.has_time:
            stated_break = self._parse_break(cells)
            time_range, whole_seconds = self._resolve_end(start, end, length, zone, stated_break)
            self._require_valid(time_range)
            excluded = whole_seconds - time_range.seconds
            is_break = excluded >= MINUTE or (excluded > ROUNDING_SECONDS and _have_seconds(start, end))
            return ParsedTime(time_range, break_seconds=excluded if is_break and stated_break is not None else 0)
        if length is None:
            raise CellError("end", "is empty and there is no duration, so the timer is still running")
        starts = start.instants("start", zone)
        return ParsedTime(self.range_from(starts[0], length.duration.seconds, length.field))

    def range_from(self, start: datetime, seconds: int, field: Field) -> Interval:
        """Return the time range from `start`. Raises CellError at `field` if it ends too late."""
        length = timedelta(seconds=seconds)
        if length > self.latest - start:
            raise CellError(field, f"ends more than 24 hours in the future: {seconds} seconds")
        time_range = Interval(start, start + length)
        self._require_valid(time_range)
        return time_range

    def _require_valid(self, time_range: Interval) -> None:
        if time_range.started_at.year < MIN_YEAR:
            raise CellError("start", f"is outside the years {MIN_YEAR} to {MAX_YEAR}")
        if time_range.ended_at > self.latest:
            raise CellError("end", f"is more than 24 hours in the future: {rfc3339(time_range.ended_at)}")

    def _parse_without_start(
        self, start: Moment, end: Moment, length: RowDuration | None, zone: ZoneInfo
    ) -> ParsedTime:
        if length is None:
            raise CellError("start", "has no time of day")
        seconds = length.duration.seconds
        if not end.has_time:
            return ParsedTime(None, day_only=start.day, seconds=seconds)
        ended_at = end.instants("end", zone, start.day)[-1]
        if timedelta(seconds=seconds) > ended_at - datetime(MIN_YEAR, 1, 1, tzinfo=UTC):
            raise CellError(length.field, f"starts before the year {MIN_YEAR}: {seconds} seconds")
        time_range = Interval(ended_at - timedelta(seconds=seconds), ended_at)
        self._require_valid(time_range)
        return ParsedTime(time_range)

    def _parse_moment(self, cells: RowCells, date_field: Field, time_field: Field) -> Moment:
        time_text = cells.text(time_field)
        if match := _TIMESTAMP.fullmatch(time_text):
            return Moment(None, None, _parse_cell(time_field, _from_timestamp, match))
        date_text = cells.text(date_field)
        # 08.37.15 looks like a date, but not if another column has the date.
        is_time = _TIME_WITH_DOTS.fullmatch(time_text) and (date_text or cells.text("start_date"))
        day_text, rest = ("", time_text) if is_time else split_date(time_text)
        day_field = time_field
        if not day_text and date_text:
            day_text, rest_of_date = split_date(date_text)
            day_text, rest, day_field = day_text or date_text, time_text or rest_of_date, date_field
        if day_text and (between := _BETWEEN_DATE_AND_TIME.match(rest)):
            rest = rest[between.end() :]
        return Moment(
            _parse_cell(day_field, parse_date, day_text, self.order) if day_text else None,
            _parse_cell(time_field, parse_time, rest) if rest else None,
        )

    def _parse_duration(self, cells: RowCells) -> RowDuration | None:
        for field, unit in _DURATION_FIELDS:
            if text := cells.text(field):
                return RowDuration(field, _parse_cell(field, parse_duration, text, unit or self.number_unit))
        return None

    def _parse_break(self, cells: RowCells) -> int | None:
        """Return the seconds of breaks; None if durations in the file include breaks."""
        if not self.excludes_breaks:
            return None
        text = cells.text("break")
        if text.isdecimal():
            return int(text[:_MAX_DIGITS]) * MINUTE
        return _parse_cell("break", parse_duration, text, None).seconds if text.casefold() not in _NO_BREAK else 0

    def _resolve_end(
        self, start: Moment, end: Moment, length: RowDuration | None, zone: ZoneInfo, break_seconds: int | None
    ) -> tuple[Interval, int]:
        """Return the time range, with the end on the first possible day, and the seconds to the end in the file."""
        starts = start.instants("start", zone)
        has_seconds = _have_seconds(start, end)
        duration = None if length is None else length.duration
        first_error: ValueError | None = None
        for day in _possible_end_days(start, end):
            try:
                ends = end.instants("end", zone, day)
                time_range = resolve_time_range(
                    starts, ends, duration, has_seconds=has_seconds, break_seconds=break_seconds
                )
            except CellError as error:
                first_error = first_error if isinstance(first_error, DisagreementError) else ValueError(error.message)
            except ValueError as error:
                first_error = first_error if isinstance(first_error, DisagreementError) else error
            else:
                return time_range, _seconds_to_end(time_range, ends)
        is_at_duration = length and isinstance(first_error, DisagreementError)
        raise CellError(length.field if length and is_at_duration else "end", str(first_error))


def _possible_end_days(start: Moment, end: Moment) -> list[date | None]:
    """Return the days on which an end without a date can be: that of the start, and the next if it is earlier."""
    if end.day is not None or end.instant is not None or start.day is None:
        return [end.day]
    if end.time_of_day and start.time_of_day:
        is_later = end.time_of_day.clock_time > start.time_of_day.clock_time
        if is_later or end.time_of_day.days:
            return [start.day]
    return [start.day, start.day + _DAY]


def _have_seconds(*moments: Moment) -> bool:
    return all(moment.time_of_day is None or moment.time_of_day.has_seconds for moment in moments)


def _seconds_to_end(time_range: Interval, ends: Sequence[datetime]) -> int:
    """Return the seconds from the start of the entry to the end in the file."""
    return min(
        (int((end - time_range.started_at).total_seconds()) for end in ends if end >= time_range.ended_at),
        default=time_range.seconds,
    )


def _from_timestamp(match: re.Match[str]) -> datetime:
    """Convert seconds or milliseconds since 1970."""
    seconds = int(match[1]) if match[1] else int(match[2]) // 1_000
    return datetime.fromtimestamp(seconds, UTC)


def _parse_cell(field: Field, parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function. Raises CellError at `field` where it raises ValueError."""
    try:
        return parse(*args, **kwargs)
    except ValueError as error:
        raise CellError(field, str(error)) from error
