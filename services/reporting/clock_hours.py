"""Local hours of the day in a time zone: pure functions that are exact across changes of the UTC offset."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from operator import itemgetter
from zoneinfo import ZoneInfo

from services.common.calendar_days import LocalDay, LocalDays

HOUR_SECONDS = 3600

Hours = tuple[tuple[int, int], ...]
"""The hours of a day in order, each as (first second since the start of the day, hour of the local time)."""

_REGULAR_DAY: Hours = tuple((hour * HOUR_SECONDS, hour) for hour in range(24))


class LocalHours:
    """The local hours of the days of a zone. Computed days are cached."""

    def __init__(self, days: LocalDays) -> None:
        self._days = days
        self._hours_by_day: dict[date, Hours] = {}

    def split_at_hours(self, day: date, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Split [begin, end), a range within this day, by the local hour. Yield (hour, begin, end) of each part.

        An hour that occurs twice in a row is one part of two hours; a skipped hour has no part. An empty range has
        one part.
        """
        local_day = self._days.day(day)
        hours = self._hours_by_day.get(day)
        if hours is None:
            hours = self._hours_by_day[day] = _hours_of(local_day, self._days.zone)
        place = bisect_right(hours, begin - local_day.begin, key=itemgetter(0)) - 1
        for (_, hour), (since, _) in pairwise(hours[place:]):
            if local_day.begin + since >= end:
                break
            yield hour, begin, local_day.begin + since
            begin = local_day.begin + since
            place += 1
        yield hours[place][1], begin, end


def _hours_of(day: LocalDay, zone: ZoneInfo) -> Hours:
    if all(_local_hour(day.begin + second, zone) == (hour, 0) for second, hour in _REGULAR_DAY):
        return _REGULAR_DAY
    return tuple(_find_hours(day, zone))


def _find_hours(day: LocalDay, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Find the hours of a day with a change of the offset, by stepping from full hour to full hour or change."""
    second, previous = day.begin, -1
    while second < day.end:
        hour, elapsed = _local_hour(second, zone)
        if hour != previous:
            yield second - day.begin, hour
        previous = hour
        offset = _offset(second, zone)
        rest = range(second + 1, min(second + HOUR_SECONDS - elapsed, day.end))
        second = rest.start + bisect_left(rest, True, key=lambda later: _offset(later, zone) != offset)


def _local_hour(second: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the local hour, and the seconds since the full hour."""
    local = datetime.fromtimestamp(second, zone)
    return local.hour, local.minute * 60 + local.second


def _offset(second: int, zone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()
