"""The formats of durations, times, tags and booleans in a cell."""

import time

import pytest

from app.clock import rfc3339
from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.values.texts import parse_tag_list
from tests.support.import_reading import duration_seconds, read, read_row


class TestCellFormats:
    @pytest.mark.parametrize(
        ("text", "length"),
        [
            ("0:19:9", 1_149),
            ("0:0:31", 31),
            ("1:0:0", 3_600),
            ("1h30", 5_400),
            ("1.5 hours", 5_400),
            ("1 Std. 30 Min.", 5_400),
            ("2 h, 5 min", 7_500),
            ("PT1H30M", 5_400),
            ("P0Y0M0DT7H30M0S", 27_000),
            ("1.0002777777777778", 3_601),
            ("2.7777777777778E-4", 1),
            ("1,25", 4_500),
        ],
    )
    def test_duration_formats_are_parsed(self, text: str, length: int) -> None:
        assert duration_seconds(read_row(f'start,duration,task\n2024-03-04 09:00:00,"{text}",x\n')) == length

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("2024-03-04 08.37", "2024-03-04 10.00"),
            ("20240304T083700", "20240304T1000"),
            ("20240304T073700Z", "2024-03-04T10:00:00+01"),
            ("04 Mar 2024 8:37 AM", "March 4, 2024 10 am"),
            ("Mo., 4. März 2024 8h37", "Monday, 4 March 2024 10:00 Uhr"),
            ("4 mars 2024 08:37", "4 de marzo de 2024 10:00"),
            ("1709537820", "1709542800000"),
        ],
    )
    def test_date_and_time_formats_are_parsed(self, start: str, end: str) -> None:
        row = read_row(f'start,end,task\n"{start}","{end}",x\n')
        assert (rfc3339(row.started_at), duration_seconds(row)) == ("2024-03-04T07:37:00Z", 4_980)

    def test_time_with_dots_is_not_a_date(self) -> None:
        row = read_row("date,start,end,task\n2024-03-04,08.37.15,09.00.00,x\n")
        assert (rfc3339(row.started_at), duration_seconds(row)) == ("2024-03-04T07:37:15Z", 1_365)

    @pytest.mark.parametrize("end", ["24:00", "2024-03-04 24:00:00", "2024-03-05 00:00"])
    def test_24_00_is_the_end_of_the_day(self, end: str) -> None:
        row = read_row(f"date,start,end,task\n2024-03-04,22:00,{end},x\n")
        assert rfc3339(row.ended_at) == "2024-03-04T23:00:00Z"

    def test_start_is_computed_from_end_and_duration(self) -> None:
        row = read_row("date,end,hours,task\n2024-03-04,10:00,1.5,x\n")
        assert (rfc3339(row.started_at), duration_seconds(row)) == ("2024-03-04T07:30:00Z", 5_400)

    @pytest.mark.parametrize(
        ("text", "tags"),
        [
            ('["a","b, c"]', ("a", "b, c")),
            ("['a', \"b's\"]", ("a", "b's")),
            ("[]", ()),
            ("[a]", ("[a]",)),
            (r"['it\'s', 'a\\b']", ("it's", r"a\b")),
            ("[1]", ("[1]",)),
            ("a;b", ("a", "b")),
            ("a|b", ("a", "b")),
            ("#a #b", ("a", "b")),
            ("a b", ("a b",)),
            ("a;b, c", ("a;b", "c")),
        ],
    )
    def test_tag_formats_are_parsed(self, text: str, tags: tuple[str, ...]) -> None:
        cell = text.replace('"', '""')
        assert read_row(f'start,hours,task,tags\n2024-03-04 09:00,1.0,x,"{cell}"\n').tags == tags

    @pytest.mark.parametrize("text", ["['a'{}x]", "['a',{}x]", "[{}x]"])
    def test_invalid_list_of_tags_is_parsed_in_linear_time(self, text: str) -> None:
        begun = time.thread_time()
        assert parse_tag_list(text.format(" " * 90_000)) is None
        assert time.thread_time() - begun < 2

    @pytest.mark.parametrize(
        ("word", "is_billable"),
        [("JA", True), ("nein", False), ("Oui", True), ("non", False), ("sí", True), ("x", True)],
    )
    def test_yes_and_no_are_parsed_in_four_languages(self, word: str, is_billable: bool) -> None:
        assert read_row(f"start,hours,task,billable\n2024-03-04 09:00,1.0,x,{word}\n").billable is is_billable

    @pytest.mark.parametrize("cell", ["Total", "TBD", "Tuesday", "Today 9:00", "T", "t9"])
    def test_unparsable_start_is_quoted_in_the_error(self, cell: str) -> None:
        result = read(f"Start,End,Task\n{cell},,x\n")
        assert result.errors == [RowMessage(1, "Start", f"is not a time of day: {cell}")]
