"""Dates, times of day, time zones and durations of a row."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import FieldError
from services.common.intervals import Interval
from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.values.dates import DateOrder
from services.transfer.import_formats.values.durations import Duration, parse_duration
from services.transfer.import_formats.values.time_ranges import resolve_time_range
from tests.support.import_reading import file_error, property_test, read, read_error, read_times, to_csv

orders: st.SearchStrategy[DateOrder] = st.sampled_from(["dmy", "mdy", "ymd"])


class TestDateOrder:
    @pytest.mark.parametrize(
        ("dates", "days"),
        [
            (["13/02/2024", "01/02/2024"], ["2024-02-13", "2024-02-01"]),
            (["02/13/2024", "01/02/2024"], ["2024-02-13", "2024-01-02"]),
            (["01.02.2024", "13.02.2024"], ["2024-02-01", "2024-02-13"]),
            (["2024-02-13", "2024/1/2"], ["2024-02-13", "2024-01-02"]),
            (["29.2.2024"], ["2024-02-29"]),
            (["11/11/2024"], ["2024-11-11"]),
        ],
    )
    def test_order_is_detected_from_all_dates(self, dates: list[str], days: list[str]) -> None:
        result = read(to_csv(["Date", "From", "hours"], *([day, "12:00", "1.0"] for day in dates)))
        assert [str(row.started_at.date()) for row in result.rows] == days

    def test_ambiguous_dates_require_date_order(self) -> None:
        file = to_csv(["start", "hours"], ["11/11/2024 12:00", "1.0"], ["01/02/2024 12:00", "1.0"])
        assert file_error(file) == FieldError(
            "is required: every date of the file is ambiguous, for example 01/02/2024 in row 2",
            pointer="#/date_order",
        )
        assert str(read(file, date_order="dmy").rows[1].started_at.date()) == "2024-02-01"
        assert str(read(file, date_order="mdy").rows[1].started_at.date()) == "2024-01-02"

    @pytest.mark.parametrize("other", ["02/13/2024", "2024-02-13"])
    def test_contradicting_dates_are_refused(self, other: str) -> None:
        file = to_csv(
            ["start", "hours"], ["13/02/2024 12:00", "1.0"], ["1/1/2024 12:00", "1.0"], [f"{other} 12:00", "1.0"]
        )
        error = file_error(file)
        assert error.pointer == "#/date_order"
        assert f"13/02/2024 in row 1 and {other} in row 3" in error.detail

    def test_given_order_is_applied_to_every_row(self) -> None:
        result = read(
            to_csv(["start", "hours"], ["13/02/2024 12:00", "1.0"], ["02/13/2024 12:00", "1.0"]), date_order="mdy"
        )
        assert [row.number for row in result.rows] == [2]
        assert result.errors == [
            RowMessage(1, "start", "is not a calendar date in the order month, day, year: 13/02/2024")
        ]

    def test_two_digit_year_is_an_error(self) -> None:
        error = read_error("start,hours\n13/02/24 12:00,1.0\n")
        assert "a four-digit year: 13/02/24" in error.message

    def test_four_digit_day_is_an_error(self) -> None:
        error = read_error("start,hours\n0013/02/2024 12:00,1.0\n", date_order="dmy")
        assert error.message.startswith("is not a date in the order day, month, year")

    @property_test
    @given(st.dates(date(1970, 1, 2), date(2026, 11, 21)), st.sampled_from("-/."), orders)
    def test_written_date_is_read_back(self, day: date, separator: str, order: DateOrder) -> None:
        parts = {"d": f"{day.day:02}", "m": f"{day.month:02}", "y": f"{day.year}"}
        text = separator.join(parts[part] for part in order)
        (row,) = read(f"start,hours\n{text} 12:00,1.0\n", zone="UTC", date_order=order).rows
        assert row.started_at.date() == day


class TestLocalTimes:
    @pytest.mark.parametrize(
        ("zone", "start", "end", "duration", "instants"),
        [
            # Berlin, 25 October 2026: 02:00 to 03:00 is repeated, first at +02:00.
            ("Europe/Berlin", "2026-10-25 02:10", "2026-10-25 02:40", "0:30:00", "00:10 00:40"),
            ("Europe/Berlin", "2026-10-25 02:10", "2026-10-25 02:40", "1:30:00", "00:10 01:40"),
            ("Europe/Berlin", "2026-10-25 02:40", "2026-10-25 02:10", "", "00:40 01:10"),
            ("Europe/Berlin", "2026-10-25 01:30", "2026-10-25 02:30", "1:00:00", "23:30 00:30"),
            ("Europe/Berlin", "2026-10-25 01:30", "2026-10-25 02:30", "2:00:00", "23:30 01:30"),
            ("Europe/Berlin", "2026-10-25 01:30", "2026-10-25 02:30", "", "23:30 00:30"),
            ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 03:30", "1:00:00", "01:30 02:30"),
            ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 03:30", "2:00", "00:30 02:30"),
            ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 03:30", "", "00:30 02:30"),
            ("Europe/Berlin", "2026-10-25 02:30", "", "1:00:00", "00:30 01:30"),
            ("Europe/Berlin", "2026-10-25 01:30", "", "3:00:00", "23:30 02:30"),
            ("Europe/Berlin", "2026-10-25 02:40", "02:10", "", "00:40 01:10"),  # on the same day
            # 29 March 2026: 02:00 to 03:00 does not exist.
            ("Europe/Berlin", "2026-03-29 01:30", "2026-03-29 03:30", "", "00:30 01:30"),
            ("Europe/Berlin", "2026-03-29 01:30", "", "1:00:00", "00:30 01:30"),
            ("Europe/Berlin", "2026-03-28 23:00", "01:00", "", "22:00 00:00"),
            ("Europe/Berlin", "2026-03-29 23:00", "02:30", "", "21:00 00:30"),  # on the next day
            # Lord Howe changes by half an hour: on 5 April 2026, 01:30 to 02:00 is repeated.
            ("Australia/Lord_Howe", "2026-04-05 01:40", "2026-04-05 01:50", "0:10:00", "14:40 14:50"),
            ("Australia/Lord_Howe", "2026-04-05 01:40", "2026-04-05 01:50", "0:40:00", "14:40 15:20"),
            ("Asia/Kathmandu", "2026-11-18 00:00", "2026-11-18 00:15", "", "18:15 18:30"),
            ("Asia/Kathmandu", "2024-02-29 23:50", "00:10", "", "18:05 18:25"),  # over midnight of a leap day
            ("UTC", "2025-12-31 23:59:59", "00:00:01", "", "23:59:59 00:00:01"),
            ("UTC", "2026-11-18 00:00", "00:00", "", "00:00 00:00"),
            ("UTC", "2026-11-18 00:00", "00:00", "24:00:00", "00:00 00:00"),
            ("UTC", "2026-11-18 09:00:00", "2026-11-18 10:00:00", "0:59:59", "09:00 10:00"),
            ("UTC", "2026-11-18 09:00:00", "2026-11-18 10:00:40", "1:00", "09:00 10:00:40"),
            ("UTC", "2026-11-18 09:00:00", "2026-11-18 10:00:40", "1h", "09:00 10:00:40"),
            ("UTC", "2026-11-18 12:00 am", "2026-11-18 12:00 PM", "", "00:00 12:00"),
            (
                "Africa/Monrovia",
                "1971-06-01T12:00:00-00:44:30",
                "1971-06-01T13:00:00-00:44:30",
                "",
                "12:44:30 13:44:30",
            ),
        ],
    )
    def test_local_times_are_converted_to_utc(
        self, zone: str, start: str, end: str, duration: str, instants: str
    ) -> None:
        result = read_times(to_csv(["start", "end", "duration"], [start, end, duration]), zone=zone)
        assert [instant[11:].removesuffix("Z") for instant in result] == [
            f"{instant}:00" if len(instant) == 5 else instant for instant in instants.split()
        ]

    def test_24_hour_duration_ends_on_the_next_day(self) -> None:
        result = read_times(to_csv(["start", "end", "duration"], ["2026-11-18 00:00", "00:00", "24:00:00"]), zone="UTC")
        assert result == ("2026-11-18T00:00:00Z", "2026-11-19T00:00:00Z")

    @pytest.mark.parametrize(
        ("cells", "column"),
        [
            ("2026-03-29,02:30,2026-03-29,04:00", "Start time"),
            ("2026-03-29,01:30,2026-03-29,02:30", "End time"),
            ("2026-03-29,01:30,,02:30", "End time"),
        ],
    )
    def test_nonexistent_local_time_is_an_error(self, cells: str, column: str) -> None:
        error = read_error(f"Start date,Start time,End date,End time\n{cells}\n")
        assert error == RowMessage(1, column, "does not exist in Europe/Berlin: the clocks were set forward")

    @property_test
    @given(
        st.sampled_from(
            ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]
        ),
        st.integers(946_684_800, 1_793_491_200),  # the years 2000 to 2026
        st.integers(0, 3 * 86_400),
    )
    @example("Europe/Berlin", 1_761_438_600, 3_600)
    def test_duration_resolves_repeated_local_times(self, zone: str, started_at: int, seconds: int) -> None:
        start = datetime.fromtimestamp(started_at, UTC)
        local = [
            f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
            for instant in (start, start + timedelta(seconds=seconds))
        ]
        (row,) = read(to_csv(["start", "end", "seconds"], [*local, str(seconds)]), zone=zone).rows
        assert (row.ended_at - row.started_at).total_seconds() == seconds
        assert abs(row.started_at - start) <= timedelta(hours=1)  # a repeated hour is ambiguous


class TestBreaks:
    def test_break_resolves_a_repeated_start(self) -> None:
        starts = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
        end, three_hours = datetime(2026, 10, 25, 4, 30, tzinfo=UTC), Duration(3 * 3600, 1)
        resolved = resolve_time_range(starts, [end], three_hours, has_seconds=True, break_seconds=3600)
        assert resolved == Interval(starts[0], end - timedelta(hours=1))

    @pytest.mark.parametrize(("seconds", "notices"), [(1, 0), (2, 1)])
    def test_break_of_one_second_gives_no_notice(self, seconds: int, notices: int) -> None:
        row = f"2024-03-04 09:00:00,2024-03-04 10:00:00,0:00:0{seconds},x"
        result = read(f"start,end,break,task\n{row}\n")
        assert len(result.notices) == notices
        assert [(row.ended_at - row.started_at).seconds for row in result.rows] == [3600 - seconds]


class TestDurations:
    @property_test
    @given(st.integers(0, 10**6))
    def test_written_duration_is_read_back(self, seconds: int) -> None:
        hours, minutes = seconds // 3600, seconds // 60 % 60
        assert parse_duration(f"{hours}:{minutes:02}:{seconds % 60:02}", None).seconds == seconds
        assert parse_duration(f"{hours}h {minutes}m {seconds % 60}s", None) == Duration(seconds, 1)
        assert parse_duration(f"{seconds}", 1).seconds == seconds
        rounded = parse_duration(f"{seconds / 3600:.2f}", 3600)
        assert abs(rounded.seconds - seconds) < rounded.precision

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("1h 30m", Duration(5_400, 60)), ("90.5 min", Duration(5_430, 1)), ("1h 30m 0s", Duration(5_400, 1))],
    )
    def test_precision_is_that_of_the_smallest_unit(self, text: str, expected: Duration) -> None:
        assert parse_duration(text, None) == expected

    def test_duration_has_at_most_40_characters(self) -> None:
        longest = "000001.000000000 hours, 000001.0 minutes"
        assert len(longest) == 40
        assert parse_duration(longest, None).seconds == 3_660
        with pytest.raises(ValueError, match="is not a duration"):
            parse_duration(longest.replace(", 0", ", 00"), None)


class TestDurationBeforeTheEnd:
    def test_start_before_the_year_1970_is_an_error(self) -> None:
        row = ["2026-11-18", "2026-11-18 10:00", "18000000"]
        error = read_error(to_csv(["start", "end", "hours"], row), zone="UTC")
        assert (error.column, error.message) == ("hours", "starts before the year 1970: 64800000000 seconds")


class TestBreak:
    def test_invalid_break_is_an_error_of_its_column(self) -> None:
        row = ["2026-11-18 09:00", "2026-11-18 10:00", "often"]
        error = read_error(to_csv(["start", "end", "break"], row), zone="UTC")
        assert error.column == "break"
        assert error.message.startswith("is not a duration")
