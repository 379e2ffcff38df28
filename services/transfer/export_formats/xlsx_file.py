"""Time entries as a worksheet, with real dates, durations and amounts, and rows that add them up."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from xlsxwriter import Workbook

from app.clock import aware_utc
from app.errors import FieldError, ValidationError
from services.common.offload import run_in_thread
from services.common.rounding import amount_from_rate_seconds
from services.common.values.money import MINOR_UNITS, major_units
from services.transfer.export_formats.context import Batches, Chunks, ExportContext, Row, join_tags

MAX_ENTRIES = 1_048_000
"""A worksheet has 2**20 rows; one is for the names of the columns, some are for the totals of each currency."""

PIECE_BYTES = 256 * 1024

_DAY = timedelta(days=1)
_DAY_NONE = datetime(1899, 12, 30, tzinfo=UTC)
"""What a worksheet counts days from."""

_DATE, _DURATION, _HOURS = "yyyy-mm-dd hh:mm:ss", "[h]:mm:ss", "0.00"
_RATE, _AMOUNT = "#,##0.00##", "#,##0.00"
_WIDTHS = {
    "project": 20,
    "client": 20,
    "task": 32,
    "note": 40,
    "tags": 20,
    "billable": 8,
    "start": 19,
    "end": 19,
    "timezone": 18,
    "duration": 12,
    "duration_hours": 10,
    "hourly_rate": 10,
    "amount": 12,
    "currency": 9,
    "source": 9,
    "status": 12,
    "entry_id": 26,
    "task_id": 26,
}
"""The columns, and how wide each is."""

_PLACES = {name: place for place, name in enumerate(_WIDTHS)}
_LETTERS = {name: chr(ord("A") + place) for name, place in _PLACES.items()}
_LINE_BREAK = re.compile(r"\r\n?")
_A4 = 9
_SECONDS_A_DAY, _SECONDS_AN_HOUR = 86_400, 3_600


async def write_xlsx(batches: Batches, about: ExportContext) -> Chunks:
    """The whole file, once the last entry is in it. Raises ValidationError when a worksheet cannot hold them all."""
    with TemporaryDirectory(prefix="task-timer-export-") as folder:
        sheet = EntrySheet(Path(folder), about)
        try:
            async for batch in batches:
                await run_in_thread(partial(sheet.add, batch))
            await run_in_thread(sheet.finish)
        finally:
            sheet.close()
        with sheet.path.open("rb") as file:
            while piece := await run_in_thread(partial(file.read, PIECE_BYTES)):
                yield piece


class EntrySheet:
    """A worksheet that is written row by row into a folder and never held as a whole."""

    def __init__(self, folder: Path, about: ExportContext, *, most: int = MAX_ENTRIES) -> None:
        self.path = folder / "time-entries.xlsx"
        self._about = about
        self._most = most
        self._entries = self._seconds = 0
        self._amounts: Counter[str] = Counter()
        self._book = Workbook(
            str(self.path),
            {"constant_memory": True, "tmpdir": str(folder), "strings_to_formulas": False, "strings_to_urls": False},
        )
        self._sheet = self._book.add_worksheet("Time entries")
        self._bold = self._book.add_format({"bold": True})
        self._formats = {
            said: self._book.add_format({"num_format": said}) for said in (_DATE, _DURATION, _HOURS, _RATE, _AMOUNT)
        }
        for name, width in _WIDTHS.items():
            self._sheet.set_column(_PLACES[name], _PLACES[name], width)
            self._sheet.write_string(0, _PLACES[name], name, self._bold)
        self._sheet.freeze_panes(1, 0)
        self._set_up_the_page()

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
        self._write_sum(last, "duration", _DURATION, self._seconds / _SECONDS_A_DAY)
        self._write_sum(last, "duration_hours", _HOURS, self._seconds / _SECONDS_AN_HOUR)
        for row, currency in enumerate(sorted(self._amounts), start=last):
            self._write_amounts(row, currency)
        if self._entries:
            self._sheet.autofilter(0, 0, self._entries, len(_WIDTHS) - 1)
        self._book.close()

    def close(self) -> None:
        """Lets go of what is open, whether it was finished or not."""
        if not self._book.fileclosed:
            self._sheet.row_data_fh.close()

    def _set_up_the_page(self) -> None:
        """Landscape, as wide as the paper, with the names of the columns on each page."""
        self._sheet.set_landscape()
        self._sheet.set_paper(_A4)
        self._sheet.fit_to_pages(1, 0)
        self._sheet.repeat_rows(0)

    def _cells_of(self, name: str) -> str:
        letter = _LETTERS[name]
        return f"{letter}2:{letter}{self._entries + 1}"

    def _write_sum(self, row: int, name: str, said: str, total: float) -> None:
        bold = self._book.add_format({"bold": True, "num_format": said})
        cells = self._cells_of(name) if self._entries else "0"
        self._sheet.write_formula(row, _PLACES[name], f"=SUM({cells})", bold, total)

    def _write_amounts(self, row: int, currency: str) -> None:
        """The sum of what is in this currency, added up exactly and rounded once: the same as in a report."""
        bold = self._book.add_format({"bold": True, "num_format": _AMOUNT})
        added = f'SUMIF({self._cells_of("currency")},"{currency}",{self._cells_of("amount")})'
        said = f"=ROUND({added},{MINOR_UNITS.get(currency, 0)})"
        total = float(major_units(amount_from_rate_seconds(self._amounts[currency]), currency))
        self._sheet.write_formula(row, _PLACES["amount"], said, bold, total)
        self._sheet.write_string(row, _PLACES["currency"], currency, self._bold)

    def _write(self, number: int, row: Row) -> None:
        entry = row["entry"]
        seconds = self._about.seconds_of(entry)
        self._seconds += seconds
        for name, text in self._texts(row).items():
            if text:
                self._sheet.write_string(number, _PLACES[name], _LINE_BREAK.sub("\n", text))
        self._sheet.write_boolean(number, _PLACES["billable"], entry["billable"])
        self._write_number(number, "start", self._day(entry["started_at"]), _DATE)
        if entry["ended_at"] is not None:
            self._write_number(number, "end", self._day(entry["ended_at"]), _DATE)
        self._write_number(number, "duration", seconds / _SECONDS_A_DAY, _DURATION)
        self._write_number(number, "duration_hours", seconds / _SECONDS_AN_HOUR, _HOURS)
        if entry["hourly_rate"] is not None:
            self._write_money(number, entry, seconds)

    def _write_number(self, row: int, name: str, number: float, said: str) -> None:
        self._sheet.write_number(row, _PLACES[name], number, self._formats[said])

    def _write_money(self, row: int, entry: Row, seconds: int) -> None:
        """What an hour costs and what the entry comes to, which is nothing while it is not billable."""
        amount, currency = entry["hourly_rate"]["amount"], entry["hourly_rate"]["currency"]
        of_seconds = amount * seconds if entry["billable"] else 0
        self._amounts[currency] += of_seconds
        self._write_number(row, "hourly_rate", float(major_units(amount, currency)), _RATE)
        exact = float(major_units(of_seconds, currency)) / _SECONDS_AN_HOUR
        self._write_number(row, "amount", exact, _AMOUNT)
        self._sheet.write_string(row, _PLACES["currency"], currency)

    def _texts(self, row: Row) -> dict[str, str | None]:
        entry = row["entry"]
        project, client = self._about.project_of(row)
        return {
            "project": project,
            "client": client,
            "task": row["title"],
            "note": entry["note"],
            "tags": join_tags(row),
            "timezone": entry["timezone"],
            "source": entry["source"],
            "status": row["status"],
            "entry_id": str(entry["id"]),
            "task_id": str(row["_id"]),
        }

    def _day(self, instant: datetime) -> float:
        """A stored instant as a worksheet counts: the days of the clock on the wall, which knows no zone."""
        offset = self._about.local(instant).utcoffset() or timedelta()
        return (aware_utc(instant) - _DAY_NONE + offset) / _DAY
