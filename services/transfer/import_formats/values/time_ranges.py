"""Which instants a clock on the wall means, and which of them an entry started and ended at."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.common.intervals import Interval
from services.transfer.import_formats.values.durations import MINUTE, Duration
from services.transfer.import_formats.values.times_of_day import TimeOfDay

ROUNDING_SECONDS = 1
"""By how many seconds an end and a duration differ where a program has rounded each by itself."""


class DisagreementError(ValueError):
    """There is an end, and a duration, and they do not fit."""


def to_instants(day: date, clock: TimeOfDay, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants, aware and in UTC, at which the clock shows this: one, or two where it is turned back.

    Raises ValueError where the clock is turned forward over it.
    """
    day += timedelta(days=clock.days)
    if clock.offset is not None:
        return (datetime.combine(day, clock.first, UTC) - clock.offset,)
    earlier = datetime.combine(day, clock.first, zone).astimezone(UTC)
    later = datetime.combine(day, clock.again, zone).astimezone(UTC)
    if earlier == later:
        return (earlier,)
    if earlier > later:
        raise ValueError(f"never was there: the clocks of {zone.key} were turned forward over it")
    return earlier, later


def resolve_time_range(
    starts: Sequence[datetime],
    ends: Sequence[datetime],
    duration: Duration | None,
    *,
    has_seconds: bool,
    pause: int | None = None,
) -> Interval:
    """The entry between one of the starts and one of the ends, those that the duration tells, else the first.

    Where the two differ by no more than what was rounded off the end counts; but a duration says more
    than times without seconds. With a `pause`, in seconds, a duration may be shorter, with or without
    the pause: then it is how long the entry is. Raises ValueError when every end is before every
    start, DisagreementError when the duration is another one.
    """
    spans = [Interval(start, end) for start in starts for end in ends if start <= end]
    if not spans:
        raise ValueError("is before the start")
    if duration is None:
        return _without(spans[0], pause or 0)
    best = min(spans, key=lambda span: abs(span.seconds - (pause or 0) - duration.seconds))
    apart = abs(best.seconds - duration.seconds)
    if apart <= ROUNDING_SECONDS or apart < duration.within:
        return best
    if not has_seconds and apart < MINUTE - 1 + duration.within:
        return _lasting(best.started_at, duration.seconds)
    if pause and abs(best.seconds - pause - duration.seconds) < max(duration.within, ROUNDING_SECONDS + 1):
        return _without(best, pause)
    if pause is not None and duration.seconds < best.seconds:
        return _lasting(best.started_at, duration.seconds)
    raise DisagreementError(f"says {duration.seconds} seconds, but from the start to the end there are {best.seconds}")


def _without(span: Interval, pause: int) -> Interval:
    if pause > span.seconds:
        raise DisagreementError(
            f"says {pause} seconds of a break, but from the start to the end there are {span.seconds}"
        )
    return _lasting(span.started_at, span.seconds - pause)


def _lasting(start: datetime, seconds: int) -> Interval:
    return Interval(start, start + timedelta(seconds=seconds))
