"""Files that are damaged, too large or random."""

from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ValidationError
from services.transfer.import_formats.programs.registry import RowFormat
from services.transfer.import_formats.results import ReadResult
from services.transfer.import_formats.rows.reader import read_rows
from services.transfer.import_formats.rows.row_parser import ReadSettings
from services.transfer.import_formats.tables import csv_table
from services.transfer.import_formats.tables.text_files import open_text, read_lines
from services.transfer.import_formats.values.dates import DateOrder
from tests.support.import_reading import NOW, file_error, property_test, read, to_csv

orders: st.SearchStrategy[DateOrder] = st.sampled_from(["dmy", "mdy", "ymd"])


class TestDamagedFiles:
    @pytest.mark.parametrize(
        ("file", "message"),
        [
            (b"", "is empty"),
            (b"\n\r\n  \n", "is empty"),
            (b"start,hours\n\x81\x8d,1\n", "is not text in UTF-8, UTF-16 or Windows-1252"),
            ("start,hours\nGröße und Maß,1\n".encode() + b"\xff", "is not text in UTF-8, UTF-16 or Windows-1252"),
            (b"start,task\nM\xfcller\x01,Design\n", "is not text in UTF-8, UTF-16 or Windows-1252"),
            ("start,hours\n".encode("utf-16") + b"x", "is not text in UTF-8, UTF-16 or Windows-1252"),
            ("start,hours\n".encode("utf-32"), "is text in UTF-32"),
            ("\ufeffstart,hours\n".encode("utf-32-be"), "is text in UTF-32"),
            (b"PK\x03\x04xl/workbook.xml", "is a workbook or an archive"),
            (b"start,hours\n2026-11-18 09:00\0,1.0\n", "contains a NUL character"),
            # UTF-16 is detected if more than a quarter of the bytes are zero.
            ("xЖ".encode("utf-16-le") * 64, "contains a NUL character"),
            ("xЖ".encode("utf-16-be") * 64, "contains a NUL character"),
            (b"start,hours\n" + b"x" * 1_000_001, "has a line of more than 1,000,000 characters"),
            (b"start,hours\n" + b"x" * 999_000, "cannot be split into cells at line 2, in row 1"),
            (b"start,hours\n" + b"x" * 100_001 + b",1.0\n", "has a cell of more than 100,000 characters"),
            (b'start,hours\n1,2\n"3,4\n5,6\n', "in row 2"),
            (b'start,hours\n1,2\n"3" ,4\n5,6\n', "in row 2"),
            (b'"start,hours\n1,2\n', "in the header"),
            (b"start,from,hours\n", "has two columns with the same meaning: start and from"),
            (b"start,end,ended\n", "has two columns with the same meaning: end and ended"),
            (
                b"end,hours\n",
                "has no column for the start (for example start or started_at); the columns are end, hours",
            ),
            (b"start,note\n", "has no column for the end or the duration"),
        ],
        ids=range(22),
    )
    def test_damaged_file_is_refused_with_the_reason(self, file: bytes, message: str) -> None:
        error = file_error(file, format="csv", date_order="ymd")
        assert error.pointer == "#/file"
        assert message in error.detail
        assert file_error(file, format="csv") == error

    def test_too_many_rows_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_table, "MAX_ROWS", 2)
        assert len(read("start,hours\n2026-11-18 09:00,1.0\n2026-11-18 09:00,1.0").rows) == 2
        error = file_error("start,hours\n2026-11-18 09:00,1.0\n2026-11-18 09:00,1.0\n2026-11-18 09:00,1.0\n")
        assert error.detail == "has more than 2 rows: split it into several files"


class TestArbitraryFiles:
    def check(self, file: bytes, row_format: RowFormat, date_order: DateOrder | None) -> None:
        try:
            result = read(file, format=row_format, date_order=date_order)
        except ValidationError as refusal:
            result = ReadResult()
            pointers = {error.pointer for error in refusal.errors}
        else:
            pointers = set()
        assert pointers <= {"#/file", "#/date_order", "#/columns"}
        for row in result.rows:
            assert row.started_at <= row.ended_at
            assert row.title == row.title.strip() != ""
        for finding in [*result.errors, *result.notices]:
            assert len(finding.message) < 200

    @property_test
    @given(
        st.binary(max_size=300),
        st.sampled_from(["toggl", "clockify", "csv"]),
        st.none() | orders,
    )
    def test_random_bytes_are_read_or_refused(
        self, file: bytes, row_format: RowFormat, date_order: DateOrder | None
    ) -> None:
        self.check(file, row_format, date_order)

    @property_test
    @given(st.data(), st.none() | orders)
    def test_random_cells_are_read_or_refused(self, data: st.DataObject, date_order: DateOrder | None) -> None:
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
        self.check(to_csv(header, *rows).encode(), "csv", date_order)

    def test_file_of_the_caller_stays_open(self) -> None:
        with SpooledTemporaryFile(max_size=10) as file:
            file.write(b"start,hours\n2026-11-18 09:00,1.0\n")
            for _ in range(2):
                result = read_rows(cast("BinaryIO", file), format="csv", settings=ReadSettings(ZoneInfo("UTC"), NOW))
                assert len(result.rows) == 1

    def test_text_is_read_as_a_whole_before_its_first_line(self) -> None:
        """A thread that reads small parts again and again would starve the event loop."""
        file = BytesIO(b"start,hours\n" * 10_000)
        with open_text(file) as text:
            file.close()
            assert sum(1 for _ in read_lines(text)) == 10_000
