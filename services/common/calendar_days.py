"""Calendar days of a time zone: pure functions that are exact across changes of the UTC offset."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY_SECONDS = 86_400
_ONE_DAY = timedelta(days=1)
_1970 = date(1970, 1, 1).toordinal()


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant at which the zone's local date is this day or a later one; aware, in UTC.

    Each instant therefore belongs to exactly one range [start_of_day(day), start_of_day(next day)). If the
    clocks skip midnight, the day begins at the jump. If they skip a whole day, its range is empty. If
    midnight occurs twice, the first one counts.
    """
    midnight = datetime.combine(day, time.min, zone).astimezone(UTC)
    if _local_time(midnight, zone) == datetime.combine(day, time.min):
        return midnight
    # Midnight was skipped. With fold=0 zoneinfo applies the offset before the jump, which gives an instant after it.
    before_jump = datetime.combine(day, time(fold=1), zone).astimezone(UTC)
    seconds = range(int(before_jump.timestamp()), int(midnight.timestamp()))
    jump = bisect_left(
        seconds,
        datetime.combine(day, time.min),
        key=lambda second: _local_time(datetime.fromtimestamp(second, UTC), zone),
    )
    return datetime.fromtimestamp(seconds.start + jump, UTC)


def _local_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the naive local time of an instant."""
    local = instant.astimezone(zone)
    return datetime.combine(local, local.time())


class LocalDay(NamedTuple):
    """A day of a zone, [begin, end) in seconds since 1970. A skipped day is empty."""

    date: date
    begin: int
    end: int


class LocalDays:
    """The days of a zone, for the years 1970 to 9998. Computed days are cached."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._begins: dict[date, int] = {}
        self._days_by_utc_day: dict[int, list[LocalDay]] = {}

    def day(self, day: date) -> LocalDay:
        """Return the day of a date."""
        return LocalDay(day, self._begin(day), self._begin(day + _ONE_DAY))

    def day_at(self, second: int) -> LocalDay:
        """Return the day that contains an instant, given in seconds since 1970."""
        number = second // DAY_SECONDS
        for day in self._days_by_utc_day.get(number) or self._find_days(number):
            if second < day.end:
                break
        return day

    def split_at_midnight(self, begin: int, end: int) -> Iterable[tuple[date, int, int]]:
        """Split the range [begin, end) at each midnight. Return (date, begin, end) of each part.

        An empty range has one part.
        """
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

    def _find_days(self, number: int) -> list[LocalDay]:
        """Return the non-empty local days that overlap a UTC day, which is given by its number since 1970."""
        utc = date.fromordinal(_1970 + number)
        since, until = number * DAY_SECONDS, (number + 1) * DAY_SECONDS
        # Offsets exceed a day by at most a few minutes, so two days in each direction are enough.
        days = (self.day(utc + timedelta(days=distance)) for distance in range(-2, 3))
        self._days_by_utc_day[number] = [day for day in days if max(day.begin, since) < min(day.end, until)]
        return self._days_by_utc_day[number]
