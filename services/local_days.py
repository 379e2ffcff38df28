"""When a day begins, somewhere: pure functions of days and zones, exact where clocks are changed."""

from bisect import bisect_left
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """The first instant at which the calendar of the zone shows this day or a later one; aware, in UTC.

    So each instant belongs to exactly one of the stretches [first_instant(day), first_instant(next
    day)). Where midnight was skipped the day begins when the clocks jumped; a day that was skipped
    as a whole is empty; a midnight that comes twice counts when it comes first.
    """
    midnight = datetime.combine(day, time.min, zone).astimezone(UTC)
    if _clock(midnight, zone) == datetime.combine(day, time.min):
        return midnight
    # There was none: the zone has reckoned with the offset before the jump, and so named an instant after it.
    before = datetime.combine(day, time(fold=1), zone).astimezone(UTC)
    seconds = range(int(before.timestamp()), int(midnight.timestamp()))
    jump = bisect_left(
        seconds,
        datetime.combine(day, time.min),
        key=lambda second: _clock(datetime.fromtimestamp(second, UTC), zone),
    )
    return datetime.fromtimestamp(seconds.start + jump, UTC)


def _clock(instant: datetime, zone: ZoneInfo) -> datetime:
    """What a clock on the wall shows: an instant without its zone."""
    shown = instant.astimezone(zone)
    return datetime.combine(shown, shown.time())
