"""When the entry of a row was: from its dates, times and duration, however they are divided into columns."""

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

DATED: tuple[Field, ...] = ("start_date", "start", "end_date", "end")
"""The fields in which a date can stand."""

_DURATIONS: tuple[tuple[Field, int | None], ...] = (
    ("seconds", SECOND),
    ("hours", HOUR),
    ("duration", None),
    ("minutes", MINUTE),
    ("decimal_hours", HOUR),
)
"""The fields that say how long it was, the most exact first, and the unit of a bare number there."""


_DAY = timedelta(days=1)
_SPACES = " ,\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
"""What stands between a date and a time."""

_AFTER_A_DATE = re.compile(rf"[{_SPACES}]*(?:[Tt](?=[0-9])|(?:at|um|à|a las) )?[{_SPACES}]*")
_TIMESTAMP = re.compile(r"([0-9]{9,11})(?:\.[0-9]{1,9})?|([0-9]{12,14})")
_NO_BREAK = frozenset({"", "-", "no", "false", "nein", "non"})
_MAX_DIGITS = 6
_WITH_DOTS = re.compile(r"[0-9]{1,2}\.[0-9]{2}\.[0-9]{2}")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a row says of an instant: a day, a time of day, both, or the instant itself."""

    day: date | None
    clock: TimeOfDay | None
    instant: datetime | None = None

    def instants(self, field: Field, zone: ZoneInfo, day: date | None = None) -> tuple[datetime, ...]:
        """The instants that it can be, on that day where it does not name one. Raises CellError."""
        if self.instant is not None:
            return (self.instant,)
        on = self.day or day
        if on is None or self.clock is None:
            raise CellError(field, "has no date" if on is None else "has no time of day")
        return _told(field, to_instants, on, self.clock, zone)

    @property
    def is_told(self) -> bool:
        """Whether there is a time of day."""
        return self.instant is not None or self.clock is not None


@dataclass(frozen=True, slots=True)
class Length:
    """What a row says of how long it was, and where."""

    field: Field
    duration: Duration


@dataclass(frozen=True, slots=True)
class Timed:
    """When an entry was. On a day without a time of day there is only `laid_on` and how long it was.

    `pause` are the seconds of a break that lie between the start and the end of the file, and not in
    the entry.
    """

    span: Interval | None
    laid_on: date | None = None
    seconds: int = 0
    pause: int = 0


@dataclass(frozen=True, slots=True)
class RowTimeParser:
    """The times of the rows of a file whose dates are in this order, none of which ends later than that."""

    order: DateOrder
    latest: datetime
    is_worked_time: bool = False
    bare_unit: int | None = None
    """The unit of a duration that is a number alone; None where it has to say so."""

    def timed(self, cells: RowCells, zone: ZoneInfo) -> Timed:
        """When the entry was. Raises CellError."""
        start = self._moment(cells, "start_date", "start")
        end = self._moment(cells, "end_date", "end")
        length = self._length(cells)
        if start.day is None and start.instant is None:
            raise CellError("start_date" if start.clock else "start", "has no date")
        if not start.is_told:
            return self._without_a_start(start, end, length, zone)
        if end.is_told:
            pause = self._pause(cells)
            span, whole = self._ended(start, end, length, zone, pause)
            self.check(span)
            left_out = whole - span.seconds
            is_a_break = left_out >= MINUTE or (left_out > ROUNDING_SECONDS and _has_seconds(start, end))
            return Timed(span, pause=left_out if is_a_break and pause is not None else 0)
        if length is None:
            raise CellError("end", "is empty, and there is no duration: the entry still runs")
        starts = start.instants("start", zone)
        return Timed(self.lasting(starts[0], length.duration.seconds, length.field))

    def lasting(self, start: datetime, seconds: int, field: Field) -> Interval:
        """The entry of so many seconds. Raises CellError for one that ends too late."""
        lasting = timedelta(seconds=seconds)
        if lasting > self.latest - start:
            raise CellError(field, f"ends more than 24 hours after now: {seconds} seconds")
        span = Interval(start, start + lasting)
        self.check(span)
        return span

    def check(self, span: Interval) -> None:
        """Raises CellError for an entry that no entry may be."""
        if span.started_at.year < MIN_YEAR:
            raise CellError("start", f"is outside of the years {MIN_YEAR} to {MAX_YEAR}")
        if span.ended_at > self.latest:
            raise CellError("end", f"is more than 24 hours after now: {rfc3339(span.ended_at)}")

    def _without_a_start(self, start: Moment, end: Moment, length: Length | None, zone: ZoneInfo) -> Timed:
        if length is None:
            raise CellError("start", "has no time of day")
        seconds = length.duration.seconds
        if not end.is_told:
            return Timed(None, laid_on=start.day, seconds=seconds)
        ended_at = end.instants("end", zone, start.day)[-1]
        if timedelta(seconds=seconds) > ended_at - datetime(MIN_YEAR, 1, 1, tzinfo=UTC):
            raise CellError(length.field, f"is longer than there was time before the end: {seconds} seconds")
        span = Interval(ended_at - timedelta(seconds=seconds), ended_at)
        self.check(span)
        return Timed(span)

    def _moment(self, cells: RowCells, date_field: Field, time_field: Field) -> Moment:
        time_text = cells.text(time_field)
        if found := _TIMESTAMP.fullmatch(time_text):
            return Moment(None, None, _told(time_field, _instant_of, found))
        dated = cells.text(date_field)
        is_a_time = _WITH_DOTS.fullmatch(time_text) and (dated or cells.text("start_date"))
        day_text, rest = ("", time_text) if is_a_time else split_date(time_text)
        day_field = time_field
        if not day_text and dated:
            day_text, of_date = split_date(dated)
            day_text, rest, day_field = day_text or dated, time_text or of_date, date_field
        if day_text and (between := _AFTER_A_DATE.match(rest)):
            rest = rest[between.end() :]
        return Moment(
            _told(day_field, parse_date, day_text, self.order) if day_text else None,
            _told(time_field, parse_time, rest) if rest else None,
        )

    def _length(self, cells: RowCells) -> Length | None:
        for field, unit in _DURATIONS:
            if text := cells.text(field):
                return Length(field, _told(field, parse_duration, text, unit or self.bare_unit))
        return None

    def _pause(self, cells: RowCells) -> int | None:
        """How long the breaks were; None where a duration is the whole time from the start to the end."""
        if not self.is_worked_time:
            return None
        text = cells.text("break")
        if text.isdecimal():
            return int(text[:_MAX_DIGITS]) * MINUTE
        return _told("break", parse_duration, text, None).seconds if text.casefold() not in _NO_BREAK else 0

    def _ended(
        self, start: Moment, end: Moment, length: Length | None, zone: ZoneInfo, pause: int | None
    ) -> tuple[Interval, int]:
        """The entry, which ends on the first day on which it can, and the seconds to the end of the file's."""
        starts = start.instants("start", zone)
        days: list[date | None] = [end.day]
        if end.day is None and end.instant is None and start.day is not None:
            days = [start.day, start.day + _DAY]
            if end.clock and start.clock and (end.clock.first > start.clock.first or end.clock.days):
                del days[1:]
        has_seconds = _has_seconds(start, end)
        duration = None if length is None else length.duration
        failed: ValueError | None = None
        for day in days:
            try:
                ends = end.instants("end", zone, day)
                span = resolve_time_range(starts, ends, duration, has_seconds=has_seconds, pause=pause)
            except CellError as wrong:
                failed = failed if isinstance(failed, DisagreementError) else ValueError(wrong.message)
            except ValueError as wrong:
                failed = failed if isinstance(failed, DisagreementError) else wrong
            else:
                return span, _seconds_between(span, ends)
        at_length = length and isinstance(failed, DisagreementError)
        raise CellError(length.field if length and at_length else "end", str(failed))


def _has_seconds(*moments: Moment) -> bool:
    return all(moment.clock is None or moment.clock.has_seconds for moment in moments)


def _seconds_between(span: Interval, ends: Sequence[datetime]) -> int:
    """From the start of the entry to the end that the file has."""
    return min(
        (int((end - span.started_at).total_seconds()) for end in ends if end >= span.ended_at), default=span.seconds
    )


def _instant_of(found: re.Match[str]) -> datetime:
    """The instant of a number of seconds, or of milliseconds, since 1970."""
    seconds = int(found[1]) if found[1] else int(found[2]) // 1_000
    return datetime.fromtimestamp(seconds, UTC)


def _told(field: Field, parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function makes of the cell. Raises CellError where it raises ValueError."""
    try:
        return parse(*args, **kwargs)
    except ValueError as wrong:
        raise CellError(field, str(wrong)) from wrong
