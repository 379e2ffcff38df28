"""Which hour of the day a clock shows, somewhere: pure functions of days and zones, exact where clocks are changed."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from operator import itemgetter
from zoneinfo import ZoneInfo

from services.common.calendar_days import LocalDay, LocalDays

HOUR_SECONDS = 3600

Hours = tuple[tuple[int, int], ...]
"""From which second of a day on the clock shows which hour, in order. The first one is from second 0 on."""

_PLAIN: Hours = tuple((hour * HOUR_SECONDS, hour) for hour in range(24))


class LocalHours:
    """The hours of the days of a zone. A day that was looked at once is known from then on."""

    def __init__(self, days: LocalDays) -> None:
        self._days = days
        self._known: dict[date, Hours] = {}

    def cut(self, day: date, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The parts of [begin, end), a stretch within this day, each with the hour that the clock shows in it.

        A part ends where the clock shows another hour: one that comes twice in a row is one part of
        two hours, one that is skipped is in no part. An empty stretch is one part.
        """
        whole = self._days.day(day)
        hours = self._known.get(day)
        if hours is None:
            hours = self._known[day] = _hours_of(whole, self._days.zone)
        place = bisect_right(hours, begin - whole.begin, key=itemgetter(0)) - 1
        for (_, hour), (since, _) in pairwise(hours[place:]):
            if whole.begin + since >= end:
                break
            yield hour, begin, whole.begin + since
            begin = whole.begin + since
            place += 1
        yield hours[place][1], begin, end


def _hours_of(day: LocalDay, zone: ZoneInfo) -> Hours:
    if all(_clock(day.begin + second, zone) == (hour, 0) for second, hour in _PLAIN):
        return _PLAIN
    return tuple(_look_at_the_clock(day, zone))


def _look_at_the_clock(day: LocalDay, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The same, found by following the clock from one full hour, or change of its offset, to the next."""
    second, shown = day.begin, -1
    while second < day.end:
        hour, past = _clock(second, zone)
        if hour != shown:
            yield second - day.begin, hour
        shown = hour
        offset = _offset(second, zone)
        rest = range(second + 1, min(second + HOUR_SECONDS - past, day.end))
        second = rest.start + bisect_left(rest, True, key=lambda later: _offset(later, zone) != offset)


def _clock(second: int, zone: ZoneInfo) -> tuple[int, int]:
    """The hour that the clock shows, and the seconds since it was full."""
    shown = datetime.fromtimestamp(second, zone)
    return shown.hour, shown.minute * 60 + shown.second


def _offset(second: int, zone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()
