"""The beginning of a calendar feed, across changes of the UTC offset."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sharing.calendar_feeds import first_instant

MAX_OFFSET = timedelta(hours=26)
MIN_TIME, MAX_TIME = datetime(1985, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 -- hypothesis adds the time zone


class TestFirstInstant:
    @pytest.mark.parametrize(
        ("zone", "now", "days_back", "first"),
        [
            ("UTC", "2026-11-18T09:00:00Z", 1, "2026-11-17T00:00:00Z"),
            ("Europe/Berlin", "2026-10-25T12:00:00Z", 1, "2026-10-23T22:00:00Z"),
            ("Europe/Berlin", "2026-10-26T12:00:00Z", 1, "2026-10-24T22:00:00Z"),
            ("Europe/Berlin", "2026-10-27T12:00:00Z", 1, "2026-10-25T23:00:00Z"),
            ("Europe/Berlin", "2026-11-18T12:00:00Z", 90, "2026-08-19T22:00:00Z"),
            ("Europe/Berlin", "2026-03-29T22:30:00Z", 1, "2026-03-28T23:00:00Z"),
            ("Europe/Berlin", "2026-03-29T21:30:00Z", 1, "2026-03-27T23:00:00Z"),
            ("America/Santiago", "2026-09-07T12:00:00Z", 1, "2026-09-06T04:00:00Z"),
            ("Pacific/Auckland", "2026-11-17T11:30:00Z", 1, "2026-11-16T11:00:00Z"),
        ],
    )
    def test_it_is_the_beginning_of_a_local_day(self, zone: str, now: str, days_back: int, first: str) -> None:
        begin = first_instant(datetime.fromisoformat(now), days_back, ZoneInfo(zone))
        assert begin == datetime.fromisoformat(first)

    @given(
        now=st.datetimes(MIN_TIME, MAX_TIME, timezones=st.just(UTC)),
        days_back=st.integers(1, 3_660),
        zone=st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
    )
    def test_it_is_never_more_than_a_day_off(self, now: datetime, days_back: int, zone: str) -> None:
        elapsed = now - first_instant(now, days_back, ZoneInfo(zone))
        assert timedelta(days=days_back) - MAX_OFFSET < elapsed < timedelta(days=days_back + 1) + MAX_OFFSET
