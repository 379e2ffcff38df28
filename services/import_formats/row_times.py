"""When the entry of a row was: from its dates, times and duration, however they are divided into columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ParamSpec, TypeVar
from zoneinfo import ZoneInfo

from app.clock import rfc3339
from services.import_formats.cells import CellError, Cells
from services.import_formats.columns import Field
from services.import_formats.dates import DateOrder, date_and_rest, parsed_date
from services.import_formats.durations import HOUR, MINUTE, SECOND, Duration, parsed_duration
from services.import_formats.local_times import DisagreementError, instants, settled
from services.import_formats.times import Clock, parsed_time
from services.intervals import Interval
from services.schemas.fields import FIRST_YEAR, LAST_YEAR

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
_BETWEEN = " ,Tt\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
"""What stands between a date and a time."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a row says of an instant: a day, a time of day, or both."""

    day: date | None
    clock: Clock | None


@dataclass(frozen=True, slots=True)
class Length:
    """What a row says of how long it was, and where."""

    field: Field
    duration: Duration


@dataclass(frozen=True, slots=True)
class RowTimes:
    """The times of the rows of a file whose dates are in this order, none of which ends later than that."""

    order: DateOrder
    latest: datetime

    def span(self, cells: Cells, zone: ZoneInfo) -> Interval:
        """When the entry was. Raises CellError."""
        start = self._moment(cells, "start_date", "start")
        end = self._moment(cells, "end_date", "end")
        length = _length(cells)
        if start.day is None:
            raise CellError("start_date" if start.clock else "start", "has no date")
        if start.clock is None:
            raise CellError("start", "has no time of day")
        starts = _told("start", instants, start.day, start.clock, zone)
        if end.clock is not None:
            days = [start.day, start.day + _DAY] if end.day is None else [end.day]
            if end.clock.first > start.clock.first:
                del days[1:]
            has_seconds = start.clock.has_seconds and end.clock.has_seconds
            span = _ended(starts, days, end.clock, length, zone, has_seconds=has_seconds)
        elif length is not None:
            span = self._lasting(starts[0], length)
        else:
            raise CellError("end", "is empty, and there is no duration: the entry still runs")
        self._check(span)
        return span

    def _moment(self, cells: Cells, date_field: Field, time_field: Field) -> Moment:
        time_text = cells.text(time_field)
        day_text, rest = date_and_rest(time_text)
        day_field = time_field
        if not day_text and (dated := cells.text(date_field)):
            day_text, of_date = date_and_rest(dated)
            day_text, rest, day_field = day_text or dated, time_text or of_date, date_field
        rest = rest.lstrip(_BETWEEN)
        return Moment(
            _told(day_field, parsed_date, day_text, self.order) if day_text else None,
            _told(time_field, parsed_time, rest) if rest else None,
        )

    def _lasting(self, start: datetime, length: Length) -> Interval:
        lasting = timedelta(seconds=length.duration.seconds)
        if lasting > self.latest - start:
            raise CellError(length.field, f"ends more than 24 hours after now: {length.duration.seconds} seconds")
        return Interval(start, start + lasting)

    def _check(self, span: Interval) -> None:
        if span.started_at.year < FIRST_YEAR:
            raise CellError("start", f"is outside of the years {FIRST_YEAR} to {LAST_YEAR}")
        if span.ended_at > self.latest:
            raise CellError("end", f"is more than 24 hours after now: {rfc3339(span.ended_at)}")


def _ended(
    starts: Sequence[datetime],
    days: Sequence[date],
    clock: Clock,
    length: Length | None,
    zone: ZoneInfo,
    *,
    has_seconds: bool,
) -> Interval:
    """The entry that ends at that time of the first of the days on which it can. Raises CellError."""
    duration = None if length is None else length.duration
    failed: ValueError | None = None
    for day in days:
        try:
            return settled(starts, instants(day, clock, zone), duration, has_seconds=has_seconds)
        except ValueError as wrong:
            failed = failed if isinstance(failed, DisagreementError) else wrong
    field = length.field if length and isinstance(failed, DisagreementError) else "end"
    raise CellError(field, str(failed))


def _length(cells: Cells) -> Length | None:
    for field, unit in _DURATIONS:
        if text := cells.text(field):
            return Length(field, _told(field, parsed_duration, text, unit))
    return None


def _told(field: Field, parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function makes of the cell. Raises CellError where it raises ValueError."""
    try:
        return parse(*args, **kwargs)
    except ValueError as wrong:
        raise CellError(field, str(wrong)) from wrong
