"""The import formats: the layout of each, and how to open a file of each as a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Literal, Protocol

from services.transfer.import_formats.programs.clockify import CLOCKIFY
from services.transfer.import_formats.programs.generic import GENERIC
from services.transfer.import_formats.programs.harvest import HARVEST
from services.transfer.import_formats.programs.solidtime import SOLIDTIME, SolidtimeArchive
from services.transfer.import_formats.programs.timewarrior import TIMEWARRIOR, TimewarriorIntervals
from services.transfer.import_formats.programs.toggl import TOGGL
from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.csv_table import CsvTable
from services.transfer.import_formats.tables.layout import Layout
from services.transfer.import_formats.tables.text_files import open_text

RowFormat = Literal["toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv"]

LAYOUTS: dict[RowFormat, Layout] = {
    "toggl": TOGGL,
    "clockify": CLOCKIFY,
    "harvest": HARVEST,
    "timewarrior": TIMEWARRIOR,
    "solidtime": SOLIDTIME,
    "csv": GENERIC,
}
UTC_FORMATS: frozenset[RowFormat] = frozenset({"timewarrior", "solidtime"})
"""The formats whose times are all in UTC, so that they need no time zone."""


class TableSource(Protocol):
    """A file as a table: its header and its rows. The notices are complete once all rows are read."""

    header: list[str]
    notices: list[RowMessage]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows with their numbers: 1 for the first line of data."""


@contextmanager
def open_source(file: BinaryIO, format: RowFormat) -> Iterator[TableSource]:  # noqa: A002 - the name in the API
    """Open the file from its beginning. Raises ValidationError if it does not have this format."""
    if format == "timewarrior":
        yield TimewarriorIntervals(file)
    elif format == "solidtime":
        yield SolidtimeArchive(file)
    else:
        with open_text(file) as text:
            yield CsvTable(text)
