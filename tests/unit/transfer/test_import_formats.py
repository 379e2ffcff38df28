"""What comes of files that other programs have written; those in tests/samples hold the same entries in each form."""

import csv
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic import ValidationError as NotValidError

from app.clock import naive_utc, rfc3339
from app.errors import FieldError, ValidationError
from services.common.values.fields import Note, Tag, Title
from services.common.values.texts import is_visible
from services.transfer.export_formats.context import ExportContext
from services.transfer.export_formats.csv_file import CsvDialect, write_csv
from services.transfer.import_formats.programs.registry import RowFormat
from services.transfer.import_formats.results import ImportedRow, ReadResult, RowMessage
from services.transfer.import_formats.rows.reader import read_rows
from services.transfer.import_formats.rows.row_parser import ReadSettings
from services.transfer.import_formats.tables import csv_table as tables
from services.transfer.import_formats.values.dates import DateOrder
from services.transfer.import_formats.values.durations import Duration, parse_duration
from tests.paths import SAMPLES
from tests.support.http import Json

unhurried = examples(deadline=None, max_examples=60)
orders: st.SearchStrategy[DateOrder] = st.sampled_from(["dmy", "mdy", "ymd"])

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def read(
    file: str | bytes,
    *,
    of: RowFormat = "csv",
    zone: str = "Europe/Berlin",
    date_order: DateOrder | None = None,
) -> ReadResult:
    content = file.encode() if isinstance(file, str) else file
    return read_rows(BytesIO(content), format=of, settings=ReadSettings(ZoneInfo(zone), NOW), date_order=date_order)


def table(*rows: list[str]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def span(row: ImportedRow) -> tuple[str, str]:
    return rfc3339(row.started_at), rfc3339(row.ended_at)


def only_span(file: str, *, of: RowFormat = "csv", zone: str = "Europe/Berlin") -> tuple[str, str]:
    """When the one entry of the file was."""
    got = read(file, of=of, zone=zone)
    assert not got.errors
    (row,) = got.rows
    return span(row)


def only_error(file: str, *, of: RowFormat = "csv", date_order: DateOrder | None = None) -> RowMessage:
    """What is wrong with the one row of the file that cannot be read."""
    got = read(file, of=of, date_order=date_order)
    assert not got.rows
    (error,) = got.errors
    return error


def refused(file: str | bytes, *, of: RowFormat = "csv", date_order: DateOrder | None = None) -> FieldError:
    """What is wrong with the file as a whole."""
    with pytest.raises(ValidationError) as raised:
        read(file, of=of, date_order=date_order)
    (wrong,) = raised.value.errors
    return wrong


def in_utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")


DRAWING = ImportedRow(
    number=1,
    started_at=in_utc("2026-11-18T08:00"),
    ended_at=in_utc("2026-11-18T09:30"),
    title="Design",
    note="Draw the header",
    project="Website",
    client="Acme",
    tags=("web", "urgent"),
    billable=True,
)
MAIL = ImportedRow(
    number=2,
    started_at=in_utc("2026-11-18T12:05"),
    ended_at=in_utc("2026-11-18T12:20"),
    title="Read mail",
    billable=False,
)


def said(row: ImportedRow) -> ImportedRow:
    """The row without what it cost and whose it is, which not every file says."""
    return replace(row, user=None, hourly_rate=None, takes_project_rate=True, price=())


OVER_MIDNIGHT = ("2025-11-30T22:30:00Z", "2025-11-30T23:15:00Z")
IN_THE_REPEATED_HOUR = ("2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z")


class TestAFileOfToggl:
    @pytest.mark.parametrize("sample", sorted(SAMPLES.glob("toggl-*.csv")), ids=lambda path: path.name)
    def test_is_read_in_each_form(self, sample: Path) -> None:
        got = read(sample.read_bytes(), of="toggl")
        assert (got.errors, got.skipped) == ([], 0)
        drawing, mail, deploying, changing = got.rows
        assert [said(drawing), said(mail)] == [said(DRAWING), said(MAIL)]
        assert span(deploying) == OVER_MIDNIGHT
        assert span(changing) == IN_THE_REPEATED_HOUR

    @pytest.mark.parametrize("times", ["10:00:00,-1763456400", "10:00:00,-00:10:00", "10:00:00,", "10:00:00,-"])
    def test_says_which_timer_still_runs(self, times: str) -> None:
        error = only_error(f"Description,Start date,Start time,Duration\nWork,2026-11-18,{times}\n", of="toggl")
        assert error.row == 1
        assert "still running" in error.message

    @pytest.mark.parametrize(
        ("duration", "end"),
        [("47:06 min", "09:47:06Z"), ("33 sec", "09:00:33Z"), ("0.50 h", "09:30:00Z"), ("1.25", "10:15:00Z")],
    )
    def test_is_read_with_each_form_of_durations(self, duration: str, end: str) -> None:
        file = f"Start date,Start time,Duration\n2026-11-18,09:00:00,{duration}\n"
        assert only_span(file, of="toggl", zone="UTC")[1] == f"2026-11-18T{end}"

    @pytest.mark.parametrize(
        ("header", "missing"),
        [
            ("Start time,Duration", "Start date"),
            ("Start date,Duration", "Start time"),
            ("Start date,Start time", "Duration or End time"),
        ],
    )
    def test_is_refused_without_a_column_that_it_needs(self, header: str, missing: str) -> None:
        assert refused(f"{header}\n1,2\n", of="toggl") == FieldError(
            f"has no column {missing}; the columns are {', '.join(header.split(','))}", pointer="#/file"
        )


class TestAFileOfClockify:
    @pytest.mark.parametrize("sample", sorted(SAMPLES.glob("clockify-*.csv")), ids=lambda path: path.name)
    def test_is_read_in_each_form(self, sample: Path) -> None:
        got = read(sample.read_bytes(), of="clockify")
        assert not got.errors
        drawing, mail, deploying, changing = got.rows
        assert (drawing.hourly_rate, drawing.takes_project_rate, drawing.user) == ((8550, "EUR"), False, "Ada Byron")
        assert [said(drawing), said(mail)] == [said(DRAWING), said(MAIL)]
        assert span(deploying) == OVER_MIDNIGHT
        assert span(changing) == IN_THE_REPEATED_HOUR

    def test_leaves_breaks_out_and_says_so(self) -> None:
        got = read((SAMPLES / "clockify-breaks-and-total.csv").read_bytes(), of="clockify")
        assert got.skipped == 1
        assert got.notices == [RowMessage(5, "Type", "is a break: the row was skipped")]

    @pytest.mark.parametrize("total", ["Total,,,,", "Total (11/01/2026 - 11/30/2026),,,01:00:00,1.00"])
    def test_passes_over_the_total(self, total: str) -> None:
        header = "Project,Start Date,Start Time,Duration (h),Duration (decimal)"
        got = read(f"{header}\nTotal recall,11/18/2026,09:00,01:00:00,1.00\n{total}\n", of="clockify")
        assert [row.project for row in got.rows] == ["Total recall"]
        assert not got.errors

    @pytest.mark.parametrize(
        ("currency", "amount", "rate"),
        [
            ("EUR", "85.50", (8550, "EUR")),
            ("USD", "1,250.00", (125_000, "USD")),
            ("JPY", "5000.00", (5_000, "JPY")),
            ("KWD", "12.345", (12_345, "KWD")),
            ("EUR", "0.00", None),
        ],
    )
    def test_knows_the_rate_of_what_is_billable(self, currency: str, amount: str, rate: tuple[int, str] | None) -> None:
        header = ["Billable", "Start Date", "Start Time", "Duration (h)", f"Billable Rate ({currency})"]
        times = ["2026-11-18", "09:00", "1:00"]
        got = read(table(header, ["Yes", *times, amount], ["No", *times, amount]), of="clockify")
        assert [row.hourly_rate for row in got.rows] == [rate, None]
        assert not got.notices

    @pytest.mark.parametrize("amount", ["33.333", "10000000000.01", "free"])
    def test_says_which_rate_cannot_be_held(self, amount: str) -> None:
        header = ["Billable", "Start Date", "Start Time", "Duration (h)", "Billable Rate (EUR)"]
        got = read(table(header, ["Yes", "2026-11-18", "09:00", "1:00", amount]), of="clockify")
        assert [row.hourly_rate for row in got.rows] == [None]
        (notice,) = got.notices
        assert (notice.row, notice.column) == (1, "Billable Rate (EUR)")
        assert notice.message.endswith(f": {amount}; it was ignored")

    def test_keeps_the_sums_where_times_are_written_without_seconds(self) -> None:
        header = "Start Date,Start Time,End Date,End Time,Duration (h)\n"
        file = f"{header}11/18/2026,09:00 AM,11/18/2026,10:30 AM,01:29:34\n"
        assert only_span(file, of="clockify", zone="UTC") == ("2026-11-18T09:00:00Z", "2026-11-18T10:29:34Z")


class TestAListOfHours:
    def test_is_read_whatever_its_columns_are_called(self) -> None:
        (row,) = read(
            "Project;Client;What;From;To;Labels;Chargeable?;Rate;Currency\n"
            "Site;Acme;Draw;18.11.2026 09:00;18.11.2026 10:30;Design, call;yes;85,50;EUR\n"
        ).rows
        assert row == ImportedRow(
            number=1,
            started_at=in_utc("2026-11-18T08:00"),
            ended_at=in_utc("2026-11-18T09:30"),
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
    def test_is_read_in_every_encoding(self, encoding: str, end: str, delimiter: str) -> None:
        lines = [["start", '"one, two; three"', "hours", "what"], ["2026-11-18 09:00", "", "1.5", '"Größe 😀, ""L"""']]
        got = read(end.join(delimiter.join(line) for line in lines).encode(encoding))
        assert [row.title for row in got.rows] == ['Größe 😀, "L"']

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
    def test_says_when_it_was_in_many_ways(self, header: str, cells: str) -> None:
        assert only_span(f"{header}\n{cells}\n") == ("2026-11-18T08:00:00Z", "2026-11-18T09:30:00Z")

    def test_keeps_the_time_zone_of_a_row(self) -> None:
        got = read(
            "start,hours,tz\n2026-11-18 09:00,1.0,Asia/Tokyo\n2026-11-18 09:00,1.0,\n2026-11-18 09:00,1.0,Tokio\n"
        )
        assert [row.timezone for row in got.rows] == ["Asia/Tokyo", None]
        assert [(error.row, error.column) for error in got.errors] == [(3, "tz")]

    def test_reads_a_row_that_ends_early_or_late_in_empty_cells(self) -> None:
        got = read("start,hours,project,note\n2026-11-18 09:00,1.0\n2026-11-18 09:00,1.0,Site,x,,\n")
        assert [row.project for row in got.rows] == [None, "Site"]

    def test_numbers_its_rows_as_a_spreadsheet_does(self) -> None:
        got = read("\nstart,hours\n2026-11-18 09:00,1.0\n\n,,\nx,1.0\n")
        assert [row.number for row in got.rows] == [1]
        assert [error.row for error in got.errors] == [4]

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
    def test_says_what_is_wrong_with_a_row(self, header: str, cells: str, column: str | None, message: str) -> None:
        assert only_error(f"{header}\n{cells}\n") == RowMessage(1, column, message)


class TestTheOrderOfDates:
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
    def test_is_told_from_all_of_them(self, dates: list[str], days: list[str]) -> None:
        got = read(table(["Date", "From", "hours"], *([day, "12:00", "1.0"] for day in dates)))
        assert [str(row.started_at.date()) for row in got.rows] == days

    def test_is_asked_for_when_it_is_open(self) -> None:
        file = table(["start", "hours"], ["11/11/2024 12:00", "1.0"], ["01/02/2024 12:00", "1.0"])
        assert refused(file) == FieldError(
            "is required: every date of the file is ambiguous, for example 01/02/2024 in row 2",
            pointer="#/date_order",
        )
        assert str(read(file, date_order="dmy").rows[1].started_at.date()) == "2024-02-01"
        assert str(read(file, date_order="mdy").rows[1].started_at.date()) == "2024-01-02"

    @pytest.mark.parametrize("other", ["02/13/2024", "2024-02-13"])
    def test_is_refused_when_two_rows_contradict_each_other(self, other: str) -> None:
        file = table(
            ["start", "hours"], ["13/02/2024 12:00", "1.0"], ["1/1/2024 12:00", "1.0"], [f"{other} 12:00", "1.0"]
        )
        wrong = refused(file)
        assert wrong.pointer == "#/date_order"
        assert f"13/02/2024 in row 1 and {other} in row 3" in wrong.detail

    def test_binds_when_it_is_given(self) -> None:
        got = read(
            table(["start", "hours"], ["13/02/2024 12:00", "1.0"], ["02/13/2024 12:00", "1.0"]), date_order="mdy"
        )
        assert [row.number for row in got.rows] == [2]
        assert got.errors == [
            RowMessage(1, "start", "is not a calendar date in the order month, day, year: 13/02/2024")
        ]

    def test_takes_no_year_of_two_digits(self) -> None:
        error = only_error("start,hours\n13/02/24 12:00,1.0\n")
        assert "a four-digit year: 13/02/24" in error.message

    @unhurried
    @given(st.dates(date(1970, 1, 2), date(2026, 11, 21)), st.sampled_from("-/."), orders)
    def test_is_kept_both_ways(self, day: date, mark: str, order: DateOrder) -> None:
        parts = {"d": f"{day.day:02}", "m": f"{day.month:02}", "y": f"{day.year}"}
        written = mark.join(parts[part] for part in order)
        (row,) = read(f"start,hours\n{written} 12:00,1.0\n", zone="UTC", date_order=order).rows
        assert row.started_at.date() == day


class TestLocalTimes:
    @pytest.mark.parametrize(
        ("zone", "start", "end", "duration", "instants"),
        [
            # Berlin, 25 October 2026: from 02:00 to 03:00 twice, first at +02:00.
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
            ("Europe/Berlin", "2026-10-25 02:40", "02:10", "", "00:40 01:10"),  # the same day, no day later
            # 29 March 2026: 02:00 to 03:00 never was.
            ("Europe/Berlin", "2026-03-29 01:30", "2026-03-29 03:30", "", "00:30 01:30"),
            ("Europe/Berlin", "2026-03-29 01:30", "", "1:00:00", "00:30 01:30"),
            ("Europe/Berlin", "2026-03-28 23:00", "01:00", "", "22:00 00:00"),
            ("Europe/Berlin", "2026-03-29 23:00", "02:30", "", "21:00 00:30"),  # of the day after
            # Lord Howe changes by half an hour: 5 April 2026, 01:30 to 02:00 twice.
            ("Australia/Lord_Howe", "2026-04-05 01:40", "2026-04-05 01:50", "0:10:00", "14:40 14:50"),
            ("Australia/Lord_Howe", "2026-04-05 01:40", "2026-04-05 01:50", "0:40:00", "14:40 15:20"),
            ("Asia/Kathmandu", "2026-11-18 00:00", "2026-11-18 00:15", "", "18:15 18:30"),
            ("Asia/Kathmandu", "2024-02-29 23:50", "00:10", "", "18:05 18:25"),  # over the end of a leap day
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
    def test_are_the_instants_that_the_row_tells(
        self, zone: str, start: str, end: str, duration: str, instants: str
    ) -> None:
        got = only_span(table(["start", "end", "duration"], [start, end, duration]), zone=zone)
        assert [instant[11:].removesuffix("Z") for instant in got] == [
            f"{instant}:00" if len(instant) == 5 else instant for instant in instants.split()
        ]

    def test_of_a_whole_day_end_on_the_next(self) -> None:
        got = only_span(table(["start", "end", "duration"], ["2026-11-18 00:00", "00:00", "24:00:00"]), zone="UTC")
        assert got == ("2026-11-18T00:00:00Z", "2026-11-19T00:00:00Z")

    @pytest.mark.parametrize(
        ("cells", "column"),
        [
            ("2026-03-29,02:30,2026-03-29,04:00", "Start time"),
            ("2026-03-29,01:30,2026-03-29,02:30", "End time"),
            ("2026-03-29,01:30,,02:30", "End time"),
        ],
    )
    def test_that_never_were_are_errors(self, cells: str, column: str) -> None:
        error = only_error(f"Start date,Start time,End date,End time\n{cells}\n")
        assert error == RowMessage(1, column, "does not exist in Europe/Berlin: the clocks were set forward")

    @unhurried
    @given(
        st.sampled_from(
            ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]
        ),
        st.integers(946_684_800, 1_793_491_200),  # of the years 2000 to 2026
        st.integers(0, 3 * 86_400),
    )
    @example("Europe/Berlin", 1_761_438_600, 3_600)
    def test_and_a_duration_give_back_how_long_it_was(self, zone: str, started_at: int, seconds: int) -> None:
        start = datetime.fromtimestamp(started_at, UTC)
        local = [
            f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
            for instant in (start, start + timedelta(seconds=seconds))
        ]
        (row,) = read(table(["start", "end", "seconds"], [*local, str(seconds)]), zone=zone).rows
        assert (row.ended_at - row.started_at).total_seconds() == seconds
        assert abs(row.started_at - start) <= timedelta(hours=1)  # which of the two hours it was nobody can tell


class TestDurations:
    @unhurried
    @given(st.integers(0, 10**6))
    def test_are_read_as_they_were_written(self, seconds: int) -> None:
        hours, minutes = seconds // 3600, seconds // 60 % 60
        assert parse_duration(f"{hours}:{minutes:02}:{seconds % 60:02}", None).seconds == seconds
        assert parse_duration(f"{hours}h {minutes}m {seconds % 60}s", None) == Duration(seconds, 1)
        assert parse_duration(f"{seconds}", 1).seconds == seconds
        rounded = parse_duration(f"{seconds / 3600:.2f}", 3600)
        assert abs(rounded.seconds - seconds) < rounded.precision


START = "2026-11-18 09:00"


class TestTexts:
    def row(self, **cells: str) -> ImportedRow:
        (row,) = self.rows(**cells).rows
        return row

    def rows(self, **cells: str) -> ReadResult:
        times = {"start": "2026-11-18 09:00", "hours": "1.0"}
        return read(table([*times, *cells], [*times.values(), *cells.values()]))

    @pytest.mark.parametrize(
        ("cells", "title", "note"),
        [
            ({"task": " Design ", "description": " Draw "}, "Design", "Draw"),
            ({"task": "Design"}, "Design", None),
            ({"task": "", "description": "Draw"}, "Draw", None),
            ({"task": "Design", "description": "Draw", "note": "it"}, "Design", "Draw\nit"),
            ({"note": "it"}, "it", None),
            ({"task": " ", "description": "\t"}, "(no description)", None),
        ],
    )
    def test_are_title_and_note(self, cells: dict[str, str], title: str, note: str | None) -> None:
        row = self.row(**cells)
        assert (row.title, row.note) == (title, note)

    def test_are_kept_whole_in_the_note_where_the_title_is_too_long(self) -> None:
        row = self.row(description="x" * 201)
        assert (row.title, row.note) == ("x" * 200, "x" * 201)
        row = self.row(task="x" * 199 + " " + "y", description="Draw")
        assert (row.title, row.note) == ("x" * 199, "x" * 199 + " y\nDraw")

    def test_are_never_cut_where_a_note_is_too_long(self) -> None:
        assert self.row(task="Design", description="é" * 5_000).note == "é" * 5_000
        got = self.rows(task="Design", description="é" * 5_001)
        assert got.rows == []
        assert got.errors == [RowMessage(1, "description", "gives a note of 5,001 characters; the maximum is 5,000")]

    def test_are_cut_at_the_limit_of_a_name_and_this_is_said(self) -> None:
        got = self.rows(project="p" * 201, client="c" * 201)
        assert (got.rows[0].project, got.rows[0].client) == ("p" * 200, "c" * 200)
        assert [notice.column for notice in got.notices] == ["project", "client"]
        assert max(len(notice.message) for notice in got.notices) < 120

    def test_are_tags_of_lower_case_each_once(self) -> None:
        assert self.row(tags="Web,  web , ,Größe").tags == ("web", "größe")
        assert not self.rows(tags="Web,  web , ,Größe").notices

    def test_are_tags_that_hold_a_comma_in_quotes(self) -> None:
        assert self.row(tags='"a, b", "say ""hi""", c').tags == ("a, b", 'say "hi"', "c")
        assert self.row(tags='17" screen, "b').tags == ('17" screen', '"b')

    def test_are_freed_of_the_quote_that_keeps_them_from_being_formulas(self) -> None:
        row = self.row(task="'=1+1", note="'\ttab", project="'@home", tags="'-x, 'y")
        assert (row.title, row.note, row.project, row.tags) == ("=1+1", "\ttab", "@home", ("-x", "'y"))
        assert self.row(task="'tis").title == "'tis"
        assert self.row(task="''=1+1").title == "'=1+1"

    @pytest.mark.parametrize("column", ["task", "description", "note", "project", "client", "tags"])
    @pytest.mark.parametrize("control", ["\x01", "\x07", "\x1b", "\x7f", "\x9b"])
    def test_are_an_error_of_their_row_alone_where_they_hold_a_control_character(
        self, column: str, control: str
    ) -> None:
        got = read(table(["start", "hours", column], *([START, "1.0", text] for text in (f"a{control}b", "b"))))
        assert [(wrong.row, wrong.column) for wrong in got.errors] == [(1, column)]
        assert f"U+{ord(control):04X}" in got.errors[0].message
        assert [row.number for row in got.rows] == [2]

    def test_are_one_line_but_for_the_note(self) -> None:
        row = self.row(task="Draw\r\nthe \t header", note="one\r\ntwo\vthree\rfour\x85five", project="Web\nsite")
        assert (row.title, row.note, row.project) == ("Draw the header", "one\r\ntwo\nthree\nfour\nfive", "Web site")
        assert self.row(tags='"a\u2028b",c').tags == ("a b", "c")
        long = self.row(task="x" * 150 + "\n" + "y" * 150)
        assert (long.title, long.note) == ("x" * 150 + " " + "y" * 49, "x" * 150 + "\n" + "y" * 150)

    def test_are_nothing_where_they_show_nothing(self) -> None:
        row = self.row(task="\u200b", description="Draw", project="\ufeff", client="\u00ad", tags="\u200d,a")
        assert (row.title, row.note, row.project, row.client, row.tags) == ("Draw", None, None, None, ("a",))

    def test_are_in_nfc(self) -> None:
        row = self.row(task="Bu\u0308ro", note="u\u0308", project="U\u0308nix", tags="gru\u0308n,grün")
        assert (row.title, row.note, row.project, row.tags) == ("Büro", "ü", "Ünix", ("grün",))

    def test_do_not_turn_other_texts_around(self) -> None:
        row = self.row(task="\u202egnp.exe", note="\u2067a", project="\u202aAcme", tags="\u2066x")
        assert (row.title, row.note, row.project, row.tags) == ("gnp.exe", "a", "Acme", ("x",))
        assert self.row(task="a \u2067b\u2069 c").title == "a \u2067b\u2069 c"

    def test_are_ten_tags_at_most(self) -> None:
        got = self.rows(tags=", ".join([f"t{number}" for number in range(11)] + ["x" * 51]))
        assert got.rows[0].tags == tuple(f"t{number}" for number in range(10))
        assert [notice.column for notice in got.notices] == ["tags"]
        assert self.row(tags="x" * 51).tags == ("x" * 50,)

    @pytest.mark.parametrize(
        ("said", "billable"),
        [("Yes", True), ("TRUE", True), ("1", True), ("no", False), ("false", False), ("0", False), ("", None)],
    )
    def test_are_whether_it_is_billable(self, said: str, billable: bool | None) -> None:
        assert self.row(billable=said).billable is billable

    def test_that_are_neither_yes_nor_no_are_passed_over_and_this_is_said(self) -> None:
        got = self.rows(billable="maybe")
        assert got.rows[0].billable is None
        assert got.notices == [RowMessage(1, "billable", "is neither yes nor no: maybe; it was ignored")]


class TestWhatARowSays:
    @pytest.mark.parametrize(
        "other",
        [
            {"started_at": in_utc("2026-11-18T08:01")},
            {"ended_at": in_utc("2026-11-18T09:31")},
            {"title": "Draw"},
            {"note": None},
            {"project": None},
            {"client": "Ada"},
            {"tags": ("web",)},
            {"billable": None},
            {"price": ("rate", "1", "EUR")},
            {"timezone": "UTC"},
            {"user": "ada"},
            {"laid_on": date(2026, 11, 18)},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_is_another_thing_where_any_column_differs(self, other: dict[str, Any]) -> None:
        assert replace(DRAWING, **other).content() != DRAWING.content()

    def test_is_the_same_in_any_line(self) -> None:
        assert replace(DRAWING, number=7, entry_id="x").content() == DRAWING.content()

    def test_is_the_same_wherever_on_its_day_it_was_laid(self) -> None:
        laid = replace(DRAWING, laid_on=date(2026, 11, 18))
        later = replace(laid, started_at=in_utc("2026-11-18T10:00"), ended_at=in_utc("2026-11-18T11:30"))
        assert later.content() == laid.content()


class TestADamagedFile:
    @pytest.mark.parametrize(
        ("file", "said"),
        [
            (b"", "is empty"),
            (b"\n\r\n  \n", "is empty"),
            (b"start,hours\n\x81\x8d,1\n", "is not text in UTF-8, UTF-16 or Windows-1252"),
            ("start,hours\nGröße und Maß,1\n".encode() + b"\xff", "is not text in UTF-8, UTF-16 or Windows-1252"),
            ("start,hours\n".encode("utf-16") + b"x", "is not text in UTF-8, UTF-16 or Windows-1252"),
            ("start,hours\n".encode("utf-32"), "is text in UTF-32"),
            (b"PK\x03\x04xl/workbook.xml", "is a workbook or an archive"),
            (b"start,hours\n2026-11-18 09:00\0,1.0\n", "contains a NUL character"),
            (b"start,hours\n" + b"x" * 1_000_001, "has a line of more than 1,000,000 characters"),
            (b"start,hours\n" + b"x" * 999_000, "cannot be split into cells at line 2, in row 1"),
            (b"start,hours\n" + b"x" * 100_001 + b",1.0\n", "has a cell of more than 100,000 characters"),
            (b'start,hours\n1,2\n"3,4\n5,6\n', "in row 2"),
            (b'start,hours\n1,2\n"3" ,4\n5,6\n', "in row 2"),
            (b'"start,hours\n1,2\n', "in the header"),
            (b"start,from,hours\n", "has two columns with the same meaning: start and from"),
            (
                b"end,hours\n",
                "has no column for the start (for example start or started_at); the columns are end, hours",
            ),
            (b"start,note\n", "has no column for the end or the duration"),
        ],
        ids=range(17),
    )
    def test_is_refused_and_says_why(self, file: bytes, said: str) -> None:
        wrong = refused(file, date_order="ymd")
        assert wrong.pointer == "#/file"
        assert said in wrong.detail
        assert refused(file) == wrong

    def test_is_refused_with_too_many_rows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "MAX_ROWS", 2)
        assert len(read("start,hours\n2026-11-18 09:00,1.0\n2026-11-18 09:00,1.0").rows) == 2
        wrong = refused("start,hours\n2026-11-18 09:00,1.0\n2026-11-18 09:00,1.0\n2026-11-18 09:00,1.0\n")
        assert wrong.detail == "has more than 2 rows: split it into several files"


def as_stored(kind: Any) -> Callable[[str], str | None]:
    """What a text of this kind is stored as, or None where it is refused."""
    read = TypeAdapter(kind).validate_python

    def stored_form(text: str) -> str | None:
        try:
            return str(read(text))
        except NotValidError:
            return None

    return stored_form


class TestTheExportOfThisService:
    """What it writes is written by the export itself, over all that an entry can be."""

    words = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t\"',;=+-@"), max_size=20)
    names = words.map(as_stored(Title)).filter(bool)
    tags = st.lists(words.map(as_stored(Tag)).filter(bool), max_size=5, unique=True)
    zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "Africa/Monrovia", "America/New_York"])
    rates = st.none() | st.tuples(st.integers(1, 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))
    entries = st.fixed_dictionaries(
        {
            "title": names,
            "note": st.none() | words.filter(is_visible).map(as_stored(Note)),
            "tags": tags,
            "started_at": st.integers(0, int(NOW.timestamp())),
            "seconds": st.integers(0, 86_400),
            "rate": rates,
            "timezone": zones,
            "project": st.sampled_from([None, "Website", "'=Website"]),
        }
    )

    def written(self, entries: list[Json], zone: str) -> bytes:
        projects: dict[str | None, ObjectId] = {name: ObjectId() for name in ("Website", "'=Website")}
        of_projects: Mapping[ObjectId | None, Json] = {
            project_id: {"name": name, "client_name": "Acme"} for name, project_id in projects.items()
        }

        async def batches() -> AsyncGenerator[list[Json], None]:
            yield [self.row(entry, projects.get(entry["project"])) for entry in entries]

        async def whole() -> bytes:
            about = ExportContext(ZoneInfo(zone), naive_utc(NOW), of_projects)
            return b"".join([piece async for piece in write_csv(batches(), about, dialect=CsvDialect(bom=True))])

        with pytest.raises(StopIteration) as ended:  # nothing in it waits
            whole().send(None)
        content = ended.value.value
        assert isinstance(content, bytes)
        return content

    def row(self, entry: Json, project_id: ObjectId | None) -> Json:
        started_at = naive_utc(datetime.fromtimestamp(entry["started_at"], UTC))
        rate = entry["rate"] and dict(zip(("amount", "currency"), entry["rate"], strict=True))
        of_entry = {
            "id": ObjectId(),
            "source": "manual",
            "note": entry["note"],
            "timezone": entry["timezone"],
            "tags": entry["tags"],
            "billable": bool(rate),
            "hourly_rate": rate,
            "started_at": started_at,
            "ended_at": started_at + timedelta(seconds=entry["seconds"]),
            "duration_seconds": entry["seconds"],
        }
        task = {"_id": ObjectId(), "title": entry["title"], "project_id": project_id, "tags": [], "status": "pending"}
        return {**task, "entry": of_entry}

    @unhurried
    @given(st.lists(entries, max_size=4), zones)
    def test_is_read_back_as_it_was(self, entries: list[Json], zone: str) -> None:
        got = read(self.written(entries, zone), zone="Asia/Tokyo")
        assert (got.errors, got.notices, got.skipped) == ([], [], 0)
        assert all(row.entry_id for row in got.rows)
        assert [replace(row, entry_id=None) for row in got.rows] == [
            ImportedRow(
                number=number,
                started_at=datetime.fromtimestamp(entry["started_at"], UTC),
                ended_at=datetime.fromtimestamp(entry["started_at"] + entry["seconds"], UTC),
                title=entry["title"],
                note=entry["note"],
                project=entry["project"],
                client=entry["project"] and "Acme",
                tags=tuple(entry["tags"]),
                billable=entry["rate"] is not None,
                hourly_rate=entry["rate"],
                timezone=entry["timezone"],
                takes_project_rate=entry["rate"] is None,
                price=got.rows[number - 1].price,
            )
            for number, entry in enumerate(entries, start=1)
        ]


class TestAnyFile:
    def look_at(self, file: bytes, of: RowFormat, date_order: DateOrder | None) -> None:
        try:
            got = read(file, of=of, date_order=date_order)
        except ValidationError as refusal:
            got = ReadResult()
            pointers = {wrong.pointer for wrong in refusal.errors}
        else:
            pointers = set()
        assert pointers <= {"#/file", "#/date_order", "#/columns"}
        for row in got.rows:
            assert row.started_at <= row.ended_at
            assert row.title == row.title.strip() != ""
        for finding in [*got.errors, *got.notices]:
            assert len(finding.message) < 200

    @unhurried
    @given(
        st.binary(max_size=300),
        st.sampled_from(["toggl", "clockify", "csv"]),
        st.none() | orders,
    )
    def test_is_read_or_refused(self, file: bytes, of: RowFormat, date_order: DateOrder | None) -> None:
        self.look_at(file, of, date_order)

    @unhurried
    @given(st.data(), st.none() | orders)
    def test_is_read_or_refused_with_anything_in_its_cells(
        self, data: st.DataObject, date_order: DateOrder | None
    ) -> None:
        header = [
            "Start date",
            "Start time",
            "End date",
            "End time",
            "Duration",
            "Duration seconds",
            "Hours",
            "Task",
            "Note",
            "Project",
            "Tags",
            "Billable",
            "Rate",
            "Currency",
            "Timezone",
        ]
        likely = st.sampled_from(
            [
                "",
                "2026-11-18",
                "18/11/2026",
                "09:00",
                "9:00 PM",
                "1:30",
                "999999:59:59",
                "9999999999",
                "-1",
                "1.5",
                "EUR",
            ]
        )
        characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
        cells = likely | st.text(characters, max_size=20) | st.text("0123456789:/-.,+Zz apm", max_size=20)
        rows = data.draw(st.lists(st.lists(cells, min_size=5, max_size=len(header)), max_size=4))
        self.look_at(table(header, *rows).encode(), "csv", date_order)

    def test_stays_open_for_who_has_opened_it(self) -> None:
        with SpooledTemporaryFile(max_size=10) as file:
            file.write(b"start,hours\n2026-11-18 09:00,1.0\n")
            for _ in range(2):
                got = read_rows(cast("BinaryIO", file), format="csv", settings=ReadSettings(ZoneInfo("UTC"), NOW))
                assert len(got.rows) == 1
