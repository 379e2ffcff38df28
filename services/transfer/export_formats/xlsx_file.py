"""Write time entries as a worksheet with typed dates, durations and amounts, and rows of totals."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from app.clock import aware_utc
from app.errors import FieldError, ValidationError
from services.common.offload import run_in_thread
from services.common.rounding import amount_from_rate_seconds
from services.common.values.money import major_units, minor_units
from services.transfer.export_formats.context import Batches, Chunks, ExportContext, Row, join_tags

MAX_ENTRIES = 1_048_000
"""A worksheet has 2**20 rows; the header takes one, and the totals take one for each currency."""

CHUNK_BYTES = 256 * 1024

_DAY = timedelta(days=1)
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
"""Day 0 of a worksheet."""

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
"""The columns, and their widths in characters."""

_COLUMN_INDEXES = {name: index for index, name in enumerate(_WIDTHS)}
_COLUMN_LETTERS = {name: chr(ord("A") + index) for name, index in _COLUMN_INDEXES.items()}
_LINE_BREAK = re.compile(r"\r\n?")
_A4 = 9
_SECONDS_A_DAY, _SECONDS_AN_HOUR = 86_400, 3_600


async def write_xlsx(batches: Batches, context: ExportContext) -> Chunks:
    """Write the workbook, and yield it after the last entry. Raises ValidationError for too many entries."""
    with TemporaryDirectory(prefix="task-timer-export-") as folder:
        sheet = await run_in_thread(partial(EntrySheet, Path(folder), context))
        try:
            async for batch in batches:
                await run_in_thread(partial(sheet.add, batch))
            await run_in_thread(sheet.finish)
        finally:
            sheet.close()
        with sheet.path.open("rb") as file:
            while chunk := await run_in_thread(partial(file.read, CHUNK_BYTES)):
                yield chunk


class EntrySheet:
    """A workbook with one sheet, written row by row to a folder, in constant memory."""

    def __init__(self, folder: Path, context: ExportContext, *, max_entries: int = MAX_ENTRIES) -> None:
        from xlsxwriter import Workbook  # noqa: PLC0415 - takes 2 MiB in each process that has imported it

        self.path = folder / "time-entries.xlsx"
        self._context = context
        self._max_entries = max_entries
        self._entries = self._seconds = 0
        self._amounts: Counter[str] = Counter()
        self._book = Workbook(
            str(self.path),
            {"constant_memory": True, "tmpdir": str(folder), "strings_to_formulas": False, "strings_to_urls": False},
        )
        self._sheet = self._book.add_worksheet("Time entries")
        self._bold = self._book.add_format({"bold": True})
        self._formats = {
            number_format: self._book.add_format({"num_format": number_format})
            for number_format in (_DATE, _DURATION, _HOURS, _RATE, _AMOUNT)
        }
        for name, width in _WIDTHS.items():
            self._sheet.set_column(_COLUMN_INDEXES[name], _COLUMN_INDEXES[name], width)
            self._sheet.write_string(0, _COLUMN_INDEXES[name], name, self._bold)
        self._sheet.freeze_panes(1, 0)
        self._set_up_printing()

    def add(self, rows: list[Row]) -> None:
        """Write a row for each entry. Raises ValidationError if there are too many."""
        if self._entries + len(rows) > self._max_entries:
            detail = (
                f"selects more than {self._max_entries:,} entries, the limit of a worksheet: use a later from or csv"
            )
            raise ValidationError(errors=(FieldError(detail, parameter="from"),))
        for row in rows:
            self._entries += 1
            self._write(self._entries, row)

    def finish(self) -> None:
        """Write the totals, and complete the file."""
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
        """Close the files that are open. Needed if the workbook was not finished."""
        if not self._book.fileclosed:
            self._sheet.row_data_fh.close()

    def _set_up_printing(self) -> None:
        """Print in landscape, fitted to the page width, with the header on each page."""
        self._sheet.set_landscape()
        self._sheet.set_paper(_A4)
        self._sheet.fit_to_pages(1, 0)
        self._sheet.repeat_rows(0)

    def _cell_range(self, name: str) -> str:
        letter = _COLUMN_LETTERS[name]
        return f"{letter}2:{letter}{self._entries + 1}"

    def _write_sum(self, row: int, name: str, number_format: str, total: float) -> None:
        bold = self._book.add_format({"bold": True, "num_format": number_format})
        cells = self._cell_range(name) if self._entries else "0"
        self._sheet.write_formula(row, _COLUMN_INDEXES[name], f"=SUM({cells})", bold, total)

    def _write_amounts(self, row: int, currency: str) -> None:
        """Write the total of a currency: an exact sum, rounded once, as in reports."""
        bold = self._book.add_format({"bold": True, "num_format": _AMOUNT})
        sum_formula = f'SUMIF({self._cell_range("currency")},"{currency}",{self._cell_range("amount")})'
        formula = f"=ROUND({sum_formula},{minor_units().get(currency, 0)})"
        total = float(major_units(amount_from_rate_seconds(self._amounts[currency]), currency))
        self._sheet.write_formula(row, _COLUMN_INDEXES["amount"], formula, bold, total)
        self._sheet.write_string(row, _COLUMN_INDEXES["currency"], currency, self._bold)

    def _write(self, number: int, row: Row) -> None:
        entry = row["entry"]
        seconds = self._context.seconds_of(entry)
        self._seconds += seconds
        for name, text in self._texts(row).items():
            if text:
                self._sheet.write_string(number, _COLUMN_INDEXES[name], _LINE_BREAK.sub("\n", text))
        self._sheet.write_boolean(number, _COLUMN_INDEXES["billable"], entry["billable"])
        self._write_number(number, "start", self._serial_day(entry["started_at"]), _DATE)
        if entry["ended_at"] is not None:
            self._write_number(number, "end", self._serial_day(entry["ended_at"]), _DATE)
        self._write_number(number, "duration", seconds / _SECONDS_A_DAY, _DURATION)
        self._write_number(number, "duration_hours", seconds / _SECONDS_AN_HOUR, _HOURS)
        if entry["hourly_rate"] is not None:
            self._write_money(number, entry, seconds)

    def _write_number(self, row: int, name: str, number: float, number_format: str) -> None:
        self._sheet.write_number(row, _COLUMN_INDEXES[name], number, self._formats[number_format])

    def _write_money(self, row: int, entry: Row, seconds: int) -> None:
        """Write the hourly rate and the amount; the amount is 0 if the entry is not billable."""
        amount, currency = entry["hourly_rate"]["amount"], entry["hourly_rate"]["currency"]
        amount_seconds = amount * seconds if entry["billable"] else 0
        self._amounts[currency] += amount_seconds
        self._write_number(row, "hourly_rate", float(major_units(amount, currency)), _RATE)
        exact = float(major_units(amount_seconds, currency)) / _SECONDS_AN_HOUR
        self._write_number(row, "amount", exact, _AMOUNT)
        self._sheet.write_string(row, _COLUMN_INDEXES["currency"], currency)

    def _texts(self, row: Row) -> dict[str, str | None]:
        entry = row["entry"]
        project, client = self._context.project_of(row)
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

    def _serial_day(self, instant: datetime) -> float:
        """Return a stored instant as local days since _EPOCH: a worksheet has no time zones."""
        offset = self._context.local(instant).utcoffset() or timedelta()
        return (aware_utc(instant) - _EPOCH + offset) / _DAY
