"""Reading a file of time entries that another program has written."""

from datetime import datetime
from typing import BinaryIO, Literal
from zoneinfo import ZoneInfo

from services.import_formats.cells import Cells
from services.import_formats.clockify import CLOCKIFY
from services.import_formats.columns import Columns, Layout
from services.import_formats.dates import DateOrder, DateOrderFinder, date_and_rest
from services.import_formats.files import opened
from services.import_formats.generic import GENERIC
from services.import_formats.parsing import RowParser
from services.import_formats.row_times import DATED
from services.import_formats.rows import RowsRead
from services.import_formats.tables import Table
from services.import_formats.toggl import TOGGL

RowFormat = Literal["toggl", "clockify", "csv"]

_LAYOUTS: dict[RowFormat, Layout] = {"toggl": TOGGL, "clockify": CLOCKIFY, "csv": GENERIC}


def read_rows(
    file: BinaryIO,
    *,
    format: RowFormat,  # noqa: A002 - the name that the API has for it
    zone: ZoneInfo,
    date_order: DateOrder | None,
    now: datetime,
) -> RowsRead:
    """All that a file says, read from its beginning; times without an offset are of the zone.

    Raises ValidationError for a file that is no table of time entries (#/file), and where the order
    of day, month and year cannot be told (#/date_order). It takes its time: call it in a thread.
    """
    layout = _LAYOUTS[format]
    order = date_order or _found_order(file, layout)
    with opened(file) as text:
        table = Table(text)
        parser = RowParser(Columns(layout, table.header), zone=zone, order=order, now=now)
        for number, row in table.rows():
            parser.take(number, row)
    return parser.read


def _found_order(file: BinaryIO, layout: Layout) -> DateOrder:
    """The order that all dates of the file are in. Raises ValidationError."""
    finder = DateOrderFinder()
    with opened(file) as text:
        table = Table(text)
        columns = Columns(layout, table.header)
        for number, row in table.rows():
            cells = Cells(columns, row)
            for field in DATED:
                finder.look(date_and_rest(cells.text(field))[0], number)
    return finder.order()
