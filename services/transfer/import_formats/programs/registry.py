"""A file as a table: a header, and rows with their numbers, whichever format it has."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Literal, Protocol

from services.transfer.import_formats.programs.clockify import CLOCKIFY
from services.transfer.import_formats.programs.generic import GENERIC
from services.transfer.import_formats.programs.harvest import HARVEST
from services.transfer.import_formats.programs.solidtime import SOLIDTIME, Archive
from services.transfer.import_formats.programs.timewarrior import TIMEWARRIOR, Intervals
from services.transfer.import_formats.programs.toggl import TOGGL
from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.columns import Layout
from services.transfer.import_formats.tables.csv_table import CsvTable
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
"""Those whose times are instants: no zone is needed to read them."""


class TableSource(Protocol):
    """A header as it stands in the file, the rows from the first on, and what is to be said of the file then."""

    header: list[str]
    notices: list[RowMessage]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows, each with its number: 1 for the first of the data."""


@contextmanager
def open_source(file: BinaryIO, format: RowFormat) -> Iterator[TableSource]:  # noqa: A002 - the API's name
    """The file from its beginning. Raises ValidationError for what is none of the format."""
    if format == "timewarrior":
        yield Intervals(file)
    elif format == "solidtime":
        yield Archive(file)
    else:
        with open_text(file) as text:
            yield CsvTable(text)
