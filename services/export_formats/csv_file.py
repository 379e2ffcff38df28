"""Time entries as CSV (RFC 4180), for spreadsheets and for an import."""

import csv
from functools import lru_cache
from io import StringIO

from services.export_formats.rows import COLUMNS, About, Batches, Contents, Row, tags_in_a_cell
from services.money import major_units

_BYTE_ORDER_MARK = "\ufeff"
_BEGIN_A_FORMULA = frozenset("=+-@\t\r")


async def write_csv(batches: Batches, about: About, *, bom: bool = False) -> Contents:
    """A line of names and a line an entry; with `bom` the mark by which Excel knows UTF-8."""
    head = (_BYTE_ORDER_MARK if bom else "") + _lines([list(COLUMNS)])
    async for batch in batches:
        yield (head + _lines([_cells(row, about) for row in batch])).encode()
        head = ""


def inert(text: str) -> str:
    """The text as a spreadsheet will not run it: an apostrophe stands before what would begin a formula.

    One that stands there already gets another one, so that it is known which one to take off again.
    """
    return f"'{text}" if text.lstrip("'")[:1] in _BEGIN_A_FORMULA else text


def _lines(rows: list[list[str]]) -> str:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _cells(row: Row, about: About) -> list[str]:
    entry = row["entry"]
    project, client = about.project_of(row)
    seconds = about.seconds_of(entry)
    rate = entry["hourly_rate"]
    return [
        str(entry["id"]),
        str(row["_id"]),
        inert(project or ""),
        inert(client or ""),
        inert(row["title"]),
        inert(entry["note"] or ""),
        inert(tags_in_a_cell(row)),
        "true" if entry["billable"] else "false",
        about.local(entry["started_at"]).isoformat(),
        about.local(entry["ended_at"]).isoformat() if entry["ended_at"] else "",
        entry["timezone"],
        str(seconds),
        f"{seconds / 3600:.4f}",
        _in_major_units(rate["amount"], rate["currency"]) if rate else "",
        rate["currency"] if rate else "",
        entry["source"],
        row["status"],
    ]


@lru_cache(maxsize=1000)
def _in_major_units(amount: int, currency: str) -> str:
    return str(major_units(amount, currency))
