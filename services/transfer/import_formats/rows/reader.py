"""Read a file of time entries from another program, in two passes."""

from typing import BinaryIO

from services.transfer.import_formats.programs.registry import LAYOUTS, RowFormat, open_source
from services.transfer.import_formats.results import ReadResult
from services.transfer.import_formats.rows.first_pass import FirstPass
from services.transfer.import_formats.rows.row_parser import ReadSettings, RowParser, row_time_parser
from services.transfer.import_formats.tables.columns import Columns
from services.transfer.import_formats.tables.fields import TEXTS, ColumnMapping
from services.transfer.import_formats.values.dates import DateOrder


def read_rows(
    file: BinaryIO,
    *,
    format: RowFormat,  # noqa: A002 - the name in the API
    settings: ReadSettings,
    date_order: DateOrder | None = None,
    columns: ColumnMapping | None = None,
) -> ReadResult:
    """Read all rows of a file. CPU-bound: call it in a thread.

    Raises ValidationError if the file is not a table of time entries (at #/file), if the order of day, month
    and year cannot be determined (#/date_order), if a column cannot be found (#/columns), or if no row is of
    the requested user (#/user).
    """
    with open_source(file, format) as source:
        found_columns = Columns(LAYOUTS[format], source.header, columns)
        first_pass = FirstPass(source, found_columns)
    order = date_order or first_pass.order()
    first_pass.require_text_column(is_mapped=any(field in (columns or {}) for field in TEXTS))
    parser = RowParser(found_columns, settings, row_time_parser(found_columns, settings, order))
    with open_source(file, format) as source:
        for number, row in source.rows():
            parser.add(number, row)
        parser.finish([*source.notices, *first_pass.notices()])
    parser.result.columns, parser.result.ignored_columns = first_pass.mapped_columns(), first_pass.ignored_columns()
    return parser.result
