"""Time intervals: pure functions of aware datetimes, in whole seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.clock import truncate_to_seconds


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open time interval [started_at, ended_at). Adjacent intervals do not overlap."""

    started_at: datetime
    ended_at: datetime

    @property
    def seconds(self) -> int:
        """The length of the interval in seconds."""
        return seconds_between(self.started_at, self.ended_at)


def seconds_between(start: datetime, end: datetime) -> int:
    """Return the whole seconds from start to end, or 0 when end is before start."""
    return max(0, (end - start) // timedelta(seconds=1))


def timer_interval(started_at: datetime, ended_at: datetime) -> Interval:
    """Return the interval that a timer has tracked, with its end truncated to the second.

    It is empty when the end is before the start, for example because the system clock was set back.
    """
    return Interval(started_at, max(started_at, truncate_to_seconds(ended_at)))
