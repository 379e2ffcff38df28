"""Reading a file of time entries that another program has written."""

from typing import BinaryIO

from services.transfer.import_formats.programs.registry import LAYOUTS, RowFormat, open_source
from services.transfer.import_formats.results import ReadResult
from services.transfer.import_formats.rows.first_pass import FirstPass
from services.transfer.import_formats.rows.row_parser import ReadSettings, RowParser, row_times
from services.transfer.import_formats.tables.columns import Columns
from services.transfer.import_formats.tables.fields import TEXTS, ColumnMapping
from services.transfer.import_formats.values.dates import DateOrder


def read_rows(
    file: BinaryIO,
    *,
    format: RowFormat,  # noqa: A002 - the name that the API has for it
    settings: ReadSettings,
    date_order: DateOrder | None = None,
    columns: ColumnMapping | None = None,
) -> ReadResult:
    """All that a file says, read from its beginning; times without an offset are of the zone.

    Raises ValidationError for a file that is no table of time entries (#/file), where the order of
    day, month and year cannot be told (#/date_order), where a column cannot be found (#/columns), and
    where no row is of the user (#/user). It takes its time: call it in a thread.
    """
    layout = LAYOUTS[format]
    with open_source(file, format) as source:
        found = Columns(layout, source.header, columns)
        survey = FirstPass(source, found)
    order = date_order or survey.order()
    survey.require_a_text(is_mapped=any(field in (columns or {}) for field in TEXTS))
    parser = RowParser(found, settings, row_times(found, settings, order))
    with open_source(file, format) as source:
        for number, row in source.rows():
            parser.take(number, row)
        parser.finish([*source.notices, *survey.notices()])
    parser.read.columns, parser.read.ignored_columns = survey.read_from(), survey.ignored()
    return parser.read
