from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.clock import truncate_to_seconds
from services.common.intervals import Interval, seconds_between, timer_interval

zones = st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/St_Johns")])
# hypothesis wants its bounds naive
EARLIEST, LATEST = datetime(1970, 1, 2), datetime(9998, 12, 30)  # noqa: DTZ001
instants = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC))
whole = instants.map(truncate_to_seconds)


class TestSecondsBetween:
    @given(instants, instants)
    def test_seconds_are_whole_and_not_negative(self, start: datetime, end: datetime) -> None:
        seconds = seconds_between(start, end)
        assert isinstance(seconds, int)
        assert timedelta(seconds=seconds) <= max(timedelta(0), end - start) < timedelta(seconds=seconds + 1)

    @given(st.lists(whole, min_size=2, max_size=20).map(sorted))
    def test_seconds_of_adjacent_parts_add_up(self, cuts: list[datetime]) -> None:
        parts = [seconds_between(start, end) for start, end in pairwise(cuts)]
        assert sum(parts) == seconds_between(cuts[0], cuts[-1])

    @given(whole, st.integers(0, 10**6), zones, zones)
    def test_seconds_do_not_depend_on_the_time_zones(
        self, start: datetime, seconds: int, one: ZoneInfo, other: ZoneInfo
    ) -> None:
        end = start + timedelta(seconds=seconds)
        assert seconds_between(start.astimezone(one).astimezone(UTC), end.astimezone(other).astimezone(UTC)) == seconds

    @given(whole)
    def test_empty_interval_has_no_seconds(self, instant: datetime) -> None:
        assert seconds_between(instant, instant) == 0


class TestTimerInterval:
    @given(whole, instants)
    def test_interval_never_ends_before_its_start(self, start: datetime, end: datetime) -> None:
        interval = timer_interval(start, end)
        assert interval.started_at == start
        assert interval.ended_at >= start
        assert interval.ended_at.microsecond == 0
        assert interval.ended_at in {start, truncate_to_seconds(end)}

    @given(whole, instants)
    def test_length_is_the_difference_of_the_ends(self, start: datetime, end: datetime) -> None:
        interval = timer_interval(start, end)
        assert interval.started_at + timedelta(seconds=interval.seconds) == interval.ended_at

    @given(whole, instants, instants)
    def test_later_end_gives_a_longer_interval(self, start: datetime, one: datetime, other: datetime) -> None:
        first, last = sorted((one, other))
        assert timer_interval(start, first).seconds <= timer_interval(start, last).seconds

    def test_end_before_the_start_gives_an_empty_interval(self) -> None:
        start = datetime(2026, 11, 18, 9, tzinfo=UTC)
        assert timer_interval(start, start - timedelta(hours=1)) == Interval(start, start)
        assert timer_interval(start, start + timedelta(milliseconds=999)).seconds == 0
