"""Convert local times to UTC, and resolve start, end and duration to the time range of an entry."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.common.intervals import Interval
from services.transfer.import_formats.values.durations import MINUTE, Duration
from services.transfer.import_formats.values.times_of_day import TimeOfDay

ROUNDING_SECONDS = 1
"""The largest difference between end and duration that comes from rounding them separately."""


class DisagreementError(ValueError):
    """The duration does not match the start and the end."""


def to_instants(day: date, time_of_day: TimeOfDay, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return the aware UTC instants of a local time: two if it is repeated (clocks set back), else one.

    Raises ValueError if the local time does not exist (clocks set forward).
    """
    day += timedelta(days=time_of_day.days)
    if time_of_day.offset is not None:
        return (datetime.combine(day, time_of_day.clock_time, UTC) - time_of_day.offset,)
    earlier = datetime.combine(day, time_of_day.clock_time, zone).astimezone(UTC)
    later = datetime.combine(day, time_of_day.folded, zone).astimezone(UTC)
    if earlier == later:
        return (earlier,)
    if earlier > later:
        raise ValueError(f"does not exist in {zone.key}: the clocks were set forward")
    return earlier, later


def resolve_time_range(
    starts: Sequence[datetime],
    ends: Sequence[datetime],
    duration: Duration | None,
    *,
    has_seconds: bool,
    break_seconds: int | None = None,
) -> Interval:
    """Choose the start and the end that match the duration best; without a duration, the first ones.

    Args:
        starts: Candidates for the start: two if the local time is repeated.
        ends: Candidates for the end.
        duration: The duration in the file, if any. It overrides the end if the times have no seconds.
        has_seconds: Whether the start and the end were written with seconds.
        break_seconds: Seconds of breaks that the duration may exclude. The duration may then be shorter than the
            time from start to end, and is the length of the entry. None if it never excludes breaks.

    Raises:
        DisagreementError: The duration does not match the start and the end.
        ValueError: Every end is before every start.
    """
    ranges = [Interval(start, end) for start in starts for end in ends if start <= end]
    if not ranges:
        raise ValueError("is before the start")
    if duration is None:
        return _shorten(ranges[0], break_seconds or 0)
    best = min(ranges, key=lambda time_range: abs(time_range.seconds - (break_seconds or 0) - duration.seconds))
    difference = abs(best.seconds - duration.seconds)
    if difference <= ROUNDING_SECONDS or difference < duration.precision:
        return best
    if not has_seconds and difference < MINUTE - 1 + duration.precision:
        return _range_from(best.started_at, duration.seconds)
    tolerance = max(duration.precision, ROUNDING_SECONDS + 1)
    if break_seconds and abs(best.seconds - break_seconds - duration.seconds) < tolerance:
        return _shorten(best, break_seconds)
    if break_seconds is not None and duration.seconds < best.seconds:
        return _range_from(best.started_at, duration.seconds)
    raise DisagreementError(f"is {duration.seconds} seconds, but the time from start to end is {best.seconds} seconds")


def _shorten(time_range: Interval, break_seconds: int) -> Interval:
    if break_seconds > time_range.seconds:
        raise DisagreementError(
            f"has a break of {break_seconds} seconds, but the time from start to end is {time_range.seconds} seconds"
        )
    return _range_from(time_range.started_at, time_range.seconds - break_seconds)


def _range_from(start: datetime, seconds: int) -> Interval:
    return Interval(start, start + timedelta(seconds=seconds))
