"""Timesheets as generic CSV: encodings, columns, row errors."""

import pytest

from services.transfer.import_formats.results import ImportedRow, RowMessage
from tests.support.import_reading import file_error, file_notices, read, read_error, read_row, read_times, utc


class TestGenericCsv:
    def test_common_column_names_are_recognized(self) -> None:
        (row,) = read(
            "Project;Client;What;From;To;Labels;Chargeable?;Rate;Currency\n"
            "Site;Acme;Draw;18.11.2026 09:00;18.11.2026 10:30;Design, call;yes;85,50;EUR\n"
        ).rows
        assert row == ImportedRow(
            number=1,
            started_at=utc("2026-11-18T08:00"),
            ended_at=utc("2026-11-18T09:30"),
            title="Draw",
            project="Site",
            client="Acme",
            tags=("design", "call"),
            billable=True,
            hourly_rate=(8550, "EUR"),
            takes_project_rate=False,
            price=("rate_or_amount", "85.5", "EUR"),
        )

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
    def test_encodings_line_ends_and_delimiters_are_detected(self, encoding: str, end: str, delimiter: str) -> None:
        lines = [["start", '"one, two; three"', "hours", "what"], ["2026-11-18 09:00", "", "1.5", '"Größe 😀, ""L"""']]
        result = read(end.join(delimiter.join(line) for line in lines).encode(encoding))
        assert [row.title for row in result.rows] == ['Größe 😀, "L"']

    @pytest.mark.parametrize(
        ("header", "cells"),
        [
            ("start,end", "2026-11-18 09:00,2026-11-18 10:30"),
            ("STARTED_AT,Ended.At", "2026-11-18T09:00:00,2026-11-18T10:30:00.999"),
            ("start,end", "2026-11-18T08:00:00Z,2026-11-18T10:30:00+01:00"),
            ("start,end", "2026-11-18 08:00 UTC,2026-11-18 05:30:00 -0400"),
            ("start,end", "2026-11-18 9:00 AM,2026-11-18 10:30 a.m."),
            ("Start date,Start time,End date,End time", "2026-11-18,09:00,2026-11-18,10:30"),
            ("Date,From,To", "2026-11-18,09:00,10:30"),
            ("Date,Start,Duration", "2026-11-18,09:00,1:30"),
            ("Start Date,Hours", "2026-11-18 09:00,1.5"),
            ("start,hours", '2026-11-18 09:00,"1,5"'),
            ("start,minutes", "2026-11-18 09:00,90"),
            ("start,duration_seconds,duration_hours", "2026-11-18 09:00,5400,1.5000"),
            ("start,duration", "2026-11-18 09:00,1h 30m"),
            ("start,duration", "2026-11-18 09:00,PT1H30M"),
            ("start,end,duration", "2026-11-18 09:00,2026-11-18 10:30,"),
            ("start,end,duration", "2026-11-18 09:00,,1:30"),
            ("start,end,timezone", "2026-11-18 13:45,2026-11-18 15:15,Asia/Kathmandu"),
        ],
    )
    def test_start_and_end_are_read_from_many_column_combinations(self, header: str, cells: str) -> None:
        assert read_times(f"{header}\n{cells}\n") == ("2026-11-18T08:00:00Z", "2026-11-18T09:30:00Z")

    def test_row_time_zone_is_read(self) -> None:
        result = read(
            "start,hours,tz\n2026-11-18 09:00,1.0,Asia/Tokyo\n2026-11-18 09:00,1.0,\n2026-11-18 09:00,1.0,Tokio\n"
        )
        assert [row.timezone for row in result.rows] == ["Asia/Tokyo", None]
        assert [(error.row, error.column) for error in result.errors] == [(3, "tz")]

    def test_missing_and_extra_empty_cells_are_accepted(self) -> None:
        result = read("start,hours,project,note\n2026-11-18 09:00,1.0\n2026-11-18 09:00,1.0,Site,x,,\n")
        assert [row.project for row in result.rows] == [None, "Site"]

    def test_row_numbers_count_blank_lines(self) -> None:
        result = read("\nstart,hours\n2026-11-18 09:00,1.0\n\n,,\nx,1.0\n")
        assert [row.number for row in result.rows] == [1]
        assert [error.row for error in result.errors] == [4]

    @pytest.mark.parametrize(
        ("header", "cells", "column", "message"),
        [
            ("start,end", "2026-11-18,2026-11-18 10:00", "start", "has no time of day"),
            ("start,end", "09:00,2026-11-18 10:00", "start", "has no date"),
            ("start,end", ",2026-11-18 10:00", "start", "has no date"),
            ("start,end", "2026-11-18 25:00,2026-11-18 10:00", "start", "is not a time of day: 25:00"),
            ("start,end", "2026-11-18 13:00 PM,x", "start", "is not a time of a 12-hour clock: 13:00 PM"),
            (
                "start,end",
                "2026-11-18 09:00,2026-11-18",
                "end",
                "is empty and there is no duration, so the timer is still running",
            ),
            ("start,end", "2026-11-18 09:00,2026-11-18 08:59", "end", "is before the start"),
            ("start,end", "2026-11-18 09:00,soon", "end", "is not a time of day: soon"),
            (
                "start,end,duration",
                "2026-11-18 09:00:00,2026-11-18 10:00:00,1:00:30",
                "duration",
                "is 3630 seconds, but the time from start to end is 3600 seconds",
            ),
            ("Date,From,duration", "tomorrow,09:00,1:00", "Date", "is not a date: tomorrow"),
            (
                "start,duration",
                "2026-11-18 09:00,90",
                "duration",
                "could be in hours, minutes or seconds: 90",
            ),
            ("start,duration", "2026-11-18 09:00,long", "duration", "is not a duration (for example 1:30:00): long"),
            ("start,seconds", "2026-11-18 09:00,-60", "seconds", "is negative, so the timer is still running: -60"),
            ("start,hours", "2026-11-23 14:00,1.0", "hours", "ends more than 24 hours in the future: 3600 seconds"),
            (
                "start,end",
                "2026-11-23 10:00,2026-11-23 14:00",
                "end",
                "is more than 24 hours in the future: 2026-11-23T13:00:00Z",
            ),
            ("start,hours", "1968-12-31 09:00,1.0", "start", "is outside the years 1970 to 9998: 1968-12-31"),
            ("start,hours", "1970-01-01 00:30,1.0", "start", "is outside the years 1970 to 9998"),
            (
                "start,hours",
                "2026-02-29 00:30,1.0",
                "start",
                "is not a calendar date in the order year, month, day: 2026-02-29",
            ),
            ("start,hours", "2026-11-18 09:00,1.0,,x", None, "has 4 cells, but the header has 2"),
            ("project,start,hours", "Site", None, "has 1 cells, but the header has 3"),
            ("start,hours", f"{'9' * 60},1.0", "start", f"is not a time of day: {'9' * 40}..."),
            ("start,hours", "\x1b[2Jnow,1.0", "start", "is not a time of day:  [2Jnow"),
        ],
    )
    def test_invalid_row_is_an_error_with_its_column(
        self, header: str, cells: str, column: str | None, message: str
    ) -> None:
        assert read_error(f"{header}\n{cells}\n") == RowMessage(1, column, message)


class TestSeparatorLine:
    @pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;;;"])
    def test_separator_line_sets_the_delimiter(self, first: str) -> None:
        row = read_row(
            f"{first}\r\nstart;hours;task, or so\r\n2024-03-04 09:00;1.0;x\r\n", columns={"task": "task, or so"}
        )
        assert row.title == "x"

    def test_separator_line_is_not_a_row(self) -> None:
        assert read("sep=,\nstart,hours,task\nx,1.0,x\n").errors[0].row == 1

    def test_separator_line_without_a_header_is_refused(self) -> None:
        assert file_error("sep=;\n").pointer == "#/file"


class TestWindows1252:
    def test_file_is_read_with_a_notice(self) -> None:
        result = read("start;hours;Tätigkeit\n2024-03-04 09:00;1,0;Größe, „Maß“ €\n".encode("cp1252"))
        assert [row.title for row in result.rows] == ["Größe, „Maß“ €"]
        assert file_notices(result) == [
            "None is not UTF-8 and was read as Windows-1252: check that accented letters are right"
        ]
