"""When a day begins, somewhere: pure functions of days and zones, exact where clocks are changed."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY_SECONDS = 86_400
_ONE_DAY = timedelta(days=1)
_1970 = date(1970, 1, 1).toordinal()


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
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


class LocalDay(NamedTuple):
    """A day of a zone, [begin, end) in seconds since 1970; a skipped one is empty."""

    date: date
    begin: int
    end: int


class LocalDays:
    """The days of a zone, between the years 1970 and 9998. A day that was looked for once is known from then on."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._begins: dict[date, int] = {}
        self._around: dict[int, list[LocalDay]] = {}

    def day(self, day: date) -> LocalDay:
        """The day of this date."""
        return LocalDay(day, self._begin(day), self._begin(day + _ONE_DAY))

    def day_at(self, second: int) -> LocalDay:
        """The day that an instant belongs to, in seconds since 1970."""
        number = second // DAY_SECONDS
        for day in self._around.get(number) or self._look_around(number):
            if second < day.end:
                break
        return day

    def split_at_midnight(self, begin: int, end: int) -> Iterable[tuple[date, int, int]]:
        """The parts of [begin, end), cut at each midnight, each with the date of its day; one part of an empty one."""
        day = self.day_at(begin)
        return ((day.date, begin, end),) if end <= day.end else self._parts(day, begin, end)

    def _parts(self, day: LocalDay, begin: int, end: int) -> Iterator[tuple[date, int, int]]:
        while end > day.end:
            yield day.date, begin, day.end
            begin = day.end
            day = self.day_at(begin)
        yield day.date, begin, end

    def _begin(self, day: date) -> int:
        begin = self._begins.get(day)
        if begin is None:
            begin = self._begins[day] = int(start_of_day(day, self.zone).timestamp())
        return begin

    def _look_around(self, number: int) -> list[LocalDay]:
        """The days, none of them empty, that share a part of this day of UTC, by its number since 1970."""
        utc = date.fromordinal(_1970 + number)
        since, until = number * DAY_SECONDS, (number + 1) * DAY_SECONDS
        # No offset is larger than a day but for a few minutes of some zones: two days either way are enough.
        days = (self.day(utc + timedelta(days=distance)) for distance in range(-2, 3))
        self._around[number] = [day for day in days if max(day.begin, since) < min(day.end, until)]
        return self._around[number]
