from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from services.common.calendar_days import start_of_day
from tests.support.http import LONG

MAX_OFFSET = timedelta(hours=27)
"""The maximum distance between the start of a local day and the same midnight in UTC."""

zones = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"}))
days = st.dates(date(1970, 1, 1), date(9998, 12, 31))


@cache
def changes(zone: str) -> list[date]:
    """Return the UTC days on which the offset of the zone changes, until its rules repeat."""
    noons = [datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=number) for number in range(365 * 70)]
    offsets = [noon.astimezone(ZoneInfo(zone)).utcoffset() for noon in noons]
    return [noons[number].date() for number in range(1, len(noons)) if offsets[number] != offsets[number - 1]]


def found_by_looking(day: date, zone: ZoneInfo) -> datetime:
    """Find the first instant of the day by checking the local time of each minute, then of each second."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    instant = midnight - MAX_OFFSET
    while instant.astimezone(zone).date() < day:
        instant += timedelta(minutes=1)
    instant -= timedelta(minutes=1)
    while instant.astimezone(zone).date() < day:
        instant += timedelta(seconds=1)
    return instant


class TestStartOfDay:
    @given(zones, days)
    def test_start_of_day_equals_a_search_by_local_time(self, name: str, day: date) -> None:
        zone = ZoneInfo(name)
        assert start_of_day(day, zone) == found_by_looking(day, zone)

    # Finding the offset changes of a zone takes most of the time.
    @examples(max_examples=100 if LONG else 30)
    @given(zones, st.data())
    def test_start_of_day_equals_a_search_near_offset_changes(self, name: str, data: st.DataObject) -> None:
        zone = ZoneInfo(name)
        changed = data.draw(st.sampled_from(changes(name) or [date(2026, 3, 29)]))
        day = changed + timedelta(days=data.draw(st.integers(-2, 2)))
        assert start_of_day(day, zone) == found_by_looking(day, zone)

    @given(zones, days.filter(lambda day: day < date(9998, 12, 31)))
    def test_start_of_day_is_never_after_that_of_the_next_day(self, name: str, day: date) -> None:
        zone = ZoneInfo(name)
        assert start_of_day(day, zone) <= start_of_day(day + timedelta(days=1), zone)

    @pytest.mark.parametrize(
        ("zone", "day", "instant"),
        [
            ("UTC", "2026-11-18", "2026-11-18T00:00:00"),
            ("Asia/Kathmandu", "2026-11-18", "2026-11-17T18:15:00"),
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00"),  # the day began at 01:00
            ("America/Asuncion", "2023-10-01", "2023-10-01T04:00:00"),  # the day began at 01:00
            ("America/Toronto", "1970-04-26", "1970-04-26T05:00:00"),
            (
                "America/Goose_Bay",
                "1987-10-25",
                "1987-10-25T03:00:00",
            ),  # midnight occurred twice
            ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00"),
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00"),  # the date was skipped
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00"),
            ("Pacific/Kwajalein", "1993-08-21", "1993-08-21T12:00:00"),  # the date was skipped
            ("Pacific/Kwajalein", "1993-08-22", "1993-08-21T12:00:00"),
            ("Africa/Monrovia", "1972-01-07", "1972-01-07T00:44:30"),  # the day began at 00:44:30
        ],
    )
    def test_start_of_day_of_unusual_days(self, zone: str, day: str, instant: str) -> None:
        start = start_of_day(date.fromisoformat(day), ZoneInfo(zone))
        assert start == datetime.fromisoformat(f"{instant}+00:00")
        assert start.tzinfo is UTC
