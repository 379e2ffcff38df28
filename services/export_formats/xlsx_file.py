"""Time entries as a worksheet, with real dates and durations and a row that adds them up."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from xlsxwriter import Workbook

from app.clock import aware
from app.errors import FieldError, ValidationError
from services.beside_the_loop import beside_the_loop
from services.export_formats.rows import COLUMNS, About, Batches, Contents, Row, tags_in_a_cell
from services.money import major_units

MOST_ENTRIES = 1_048_574
"""A worksheet has 2**20 rows; one is for the names of the columns, one for the totals."""

PIECE_BYTES = 256 * 1024

_DAY = timedelta(days=1)
_DAY_NONE = datetime(1899, 12, 30, tzinfo=UTC)
"""What a worksheet counts days from."""

_DATE, _DURATION, _HOURS, _RATE = "yyyy-mm-dd hh:mm:ss", "[h]:mm:ss", "0.00", "#,##0.00##"
_WIDTHS = (26, 26, 20, 20, 32, 40, 20, 8, 19, 19, 18, 12, 10, 10, 9, 9, 12)
_NAMES = tuple("duration" if name == "duration_seconds" else name for name in COLUMNS)
_ADDED_UP = {"duration": _DURATION, "duration_hours": _HOURS}


async def write_xlsx(batches: Batches, about: About) -> Contents:
    """The whole file, once the last entry is in it. Raises ValidationError when a worksheet cannot hold them all."""
    with TemporaryDirectory(prefix="task-timer-export-") as folder:
        sheet = Sheet(Path(folder), about)
        try:
            async for batch in batches:
                await beside_the_loop(partial(sheet.add, batch))
            await beside_the_loop(sheet.finish)
        finally:
            sheet.close()
        with sheet.path.open("rb") as file:
            while piece := await beside_the_loop(partial(file.read, PIECE_BYTES)):
                yield piece


class Sheet:
    """A worksheet that is written row by row into a folder and never held as a whole."""

    def __init__(self, folder: Path, about: About, *, most: int = MOST_ENTRIES) -> None:
        self.path = folder / "time-entries.xlsx"
        self._about = about
        self._most = most
        self._entries = self._seconds = 0
        self._book = Workbook(
            str(self.path),
            {"constant_memory": True, "tmpdir": str(folder), "strings_to_formulas": False, "strings_to_urls": False},
        )
        self._sheet = self._book.add_worksheet("Time entries")
        self._bold = self._book.add_format({"bold": True})
        self._formats = {
            said: self._book.add_format({"num_format": said}) for said in (_DATE, _DURATION, _HOURS, _RATE)
        }
        for column, width in enumerate(_WIDTHS):
            self._sheet.set_column(column, column, width)
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(_NAMES):
            self._sheet.write_string(0, column, name, self._bold)

    def add(self, rows: list[Row]) -> None:
        """Writes a row an entry. Raises ValidationError when there is no room."""
        if self._entries + len(rows) > self._most:
            wrong = f"is followed by more than {self._most:,} entries, which no worksheet holds: choose less, or csv"
            raise ValidationError(errors=(FieldError(wrong, parameter="from"),))
        for row in rows:
            self._entries += 1
            self._write(self._entries, row)

    def finish(self) -> None:
        """Writes the totals, and makes the file what a program can open."""
        last = self._entries + 1
        self._sheet.write_string(last, 0, "Total", self._bold)
        totals = {"duration": self._seconds / 86400, "duration_hours": self._seconds / 3600}
        for name, said in _ADDED_UP.items():
            column, bold = _NAMES.index(name), self._book.add_format({"bold": True, "num_format": said})
            letter = chr(ord("A") + column)
            rows = f"{letter}2:{letter}{last}" if self._entries else "0"
            self._sheet.write_formula(last, column, f"=SUM({rows})", bold, totals[name])
        if self._entries:
            self._sheet.autofilter(0, 0, self._entries, len(_NAMES) - 1)
        self._book.close()

    def close(self) -> None:
        """Lets go of what is open, whether it was finished or not."""
        if not self._book.fileclosed:
            self._sheet.row_data_fh.close()

    def _write(self, number: int, row: Row) -> None:
        entry, sheet = row["entry"], self._sheet
        seconds = self._about.seconds_of(entry)
        self._seconds += seconds
        for column, text in self._texts(row):
            sheet.write_string(number, column, text)
        sheet.write_boolean(number, 7, entry["billable"])
        sheet.write_number(number, 8, self._day(entry["started_at"]), self._formats[_DATE])
        if entry["ended_at"] is not None:
            sheet.write_number(number, 9, self._day(entry["ended_at"]), self._formats[_DATE])
        sheet.write_number(number, 11, seconds / 86400, self._formats[_DURATION])
        sheet.write_number(number, 12, seconds / 3600, self._formats[_HOURS])
        rate = entry["hourly_rate"]
        if rate is not None:
            sheet.write_number(number, 13, float(major_units(rate["amount"], rate["currency"])), self._formats[_RATE])
            sheet.write_string(number, 14, rate["currency"])

    def _texts(self, row: Row) -> list[tuple[int, str]]:
        entry = row["entry"]
        project, client = self._about.project_of(row)
        texts = (str(entry["id"]), str(row["_id"]), project, client, row["title"], entry["note"], tags_in_a_cell(row))
        others = ((10, entry["timezone"]), (15, entry["source"]), (16, row["status"]))
        return [*((column, text) for column, text in enumerate(texts) if text), *others]

    def _day(self, instant: datetime) -> float:
        """A stored instant as a worksheet counts: the days of the clock on the wall, which knows no zone."""
        offset = self._about.local(instant).utcoffset() or timedelta()
        return (aware(instant) - _DAY_NONE + offset) / _DAY
