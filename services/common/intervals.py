"""Arithmetic on time: pure functions of aware instants, in whole seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.clock import truncate_to_seconds


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time, half-open: [started_at, ended_at). Two that meet do not overlap."""

    started_at: datetime
    ended_at: datetime

    @property
    def seconds(self) -> int:
        """How long it is."""
        return seconds_between(self.started_at, self.ended_at)


def seconds_between(start: datetime, end: datetime) -> int:
    """The whole seconds from start to end; none when the end stands before the start."""
    return max(0, (end - start) // timedelta(seconds=1))


def timer_interval(started_at: datetime, ended_at: datetime) -> Interval:
    """What a timer has tracked: at least nothing, when the clock stands before its start."""
    return Interval(started_at, max(started_at, truncate_to_seconds(ended_at)))
