"""Time entries as CSV (RFC 4180), for spreadsheets and for an import."""

import csv
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO

from services.common.values.money import major_units
from services.transfer.export_formats.context import COLUMNS, Batches, Chunks, ExportContext, Row, join_tags

_BYTE_ORDER_MARK = "\ufeff"
_BEGIN_A_FORMULA = frozenset("=+-@\t\r")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """What a program wants of the file: the mark by which Excel knows UTF-8, and its marks between cells and digits."""

    bom: bool = False
    delimiter: str = ","
    decimal: str = "."

    def lines(self, rows: list[list[str]]) -> str:
        """The rows as lines."""
        text = StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n").writerows(rows)
        return text.getvalue()

    def number(self, number: str) -> str:
        """A number with decimals."""
        return number if self.decimal == "." else self.decimal.join(number.split("."))


DEFAULT_DIALECT = CsvDialect()


async def write_csv(batches: Batches, about: ExportContext, *, form: CsvDialect = DEFAULT_DIALECT) -> Chunks:
    """A line of names and a line an entry."""
    head = (_BYTE_ORDER_MARK if form.bom else "") + form.lines([list(COLUMNS)])
    async for batch in batches:
        yield (head + form.lines([_cells(row, about, form) for row in batch])).encode()
        head = ""


def escape_formula(text: str) -> str:
    """The text as a spreadsheet will not run it: an apostrophe stands before what would begin a formula.

    One that stands there already gets another one, so that it is known which one to take off again.
    """
    return f"'{text}" if text.lstrip("'")[:1] in _BEGIN_A_FORMULA else text


def _cells(row: Row, about: ExportContext, form: CsvDialect) -> list[str]:
    entry = row["entry"]
    project, client = about.project_of(row)
    seconds = about.seconds_of(entry)
    rate = entry["hourly_rate"]
    return [
        str(entry["id"]),
        str(row["_id"]),
        escape_formula(project or ""),
        escape_formula(client or ""),
        escape_formula(row["title"]),
        escape_formula(entry["note"] or ""),
        escape_formula(join_tags(row)),
        "true" if entry["billable"] else "false",
        about.local(entry["started_at"]).isoformat(),
        about.local(entry["ended_at"]).isoformat() if entry["ended_at"] else "",
        entry["timezone"],
        str(seconds),
        form.number(_hours(seconds)),
        form.number(_in_major_units(rate["amount"], rate["currency"])) if rate else "",
        rate["currency"] if rate else "",
        entry["source"],
        row["status"],
    ]


@lru_cache(maxsize=10_000)
def _hours(seconds: int) -> str:
    """The hours with so many digits, at least four, that sums of them are exact to the second."""
    whole, _, decimals = f"{seconds / 3600:.10f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<4}"


@lru_cache(maxsize=1000)
def _in_major_units(amount: int, currency: str) -> str:
    return str(major_units(amount, currency))
