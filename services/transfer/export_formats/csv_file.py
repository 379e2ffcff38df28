"""Write time entries as CSV (RFC 4180), for spreadsheets and for an import."""

import csv
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO

from services.common.values.money import major_units
from services.transfer.export_formats.context import COLUMNS, Batches, Chunks, ExportContext, Row, join_tags

_BYTE_ORDER_MARK = "\ufeff"
_FORMULA_PREFIXES = frozenset("=+-@\t\r")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """The variant of CSV.

    Attributes:
        bom: Whether the file starts with a byte order mark, by which Excel detects UTF-8.
        delimiter: The separator of cells.
        decimal: The decimal separator.
    """

    bom: bool = False
    delimiter: str = ","
    decimal: str = "."

    def lines(self, rows: list[list[str]]) -> str:
        """Return the rows as lines of CSV."""
        text = StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n").writerows(rows)
        return text.getvalue()

    def number(self, number: str) -> str:
        """Return the number with the decimal separator of the dialect."""
        return number if self.decimal == "." else self.decimal.join(number.split("."))


DEFAULT_DIALECT = CsvDialect()


async def write_csv(batches: Batches, context: ExportContext, *, dialect: CsvDialect = DEFAULT_DIALECT) -> Chunks:
    """Write a header, and a line for each entry."""
    header = (_BYTE_ORDER_MARK if dialect.bom else "") + dialect.lines([list(COLUMNS)])
    async for batch in batches:
        yield (header + dialect.lines([_cells(row, context, dialect) for row in batch])).encode()
        header = ""


def escape_formula(text: str) -> str:
    """Return the text with an apostrophe in front if a spreadsheet could run it as a formula.

    A text that starts with apostrophes gets one more, so that an import knows which one to remove.
    """
    return f"'{text}" if text.lstrip("'")[:1] in _FORMULA_PREFIXES else text


def _cells(row: Row, context: ExportContext, dialect: CsvDialect) -> list[str]:
    entry = row["entry"]
    project, client = context.project_of(row)
    seconds = context.seconds_of(entry)
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
        context.local(entry["started_at"]).isoformat(),
        context.local(entry["ended_at"]).isoformat() if entry["ended_at"] else "",
        entry["timezone"],
        str(seconds),
        dialect.number(_hours(seconds)),
        dialect.number(_in_major_units(rate["amount"], rate["currency"])) if rate else "",
        rate["currency"] if rate else "",
        entry["source"],
        row["status"],
    ]


@lru_cache(maxsize=10_000)
def _hours(seconds: int) -> str:
    """Return the hours with at least four decimals, and enough of them that sums are exact to the second."""
    whole, _, decimals = f"{seconds / 3600:.10f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<4}"


@lru_cache(maxsize=1000)
def _in_major_units(amount: int, currency: str) -> str:
    return str(major_units(amount, currency))
