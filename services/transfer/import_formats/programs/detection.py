"""Which program has written a file, as far as the file tells."""

from typing import BinaryIO, Literal

from services.transfer.import_formats.programs.registry import RowFormat
from services.transfer.import_formats.tables.columns import normalize_header
from services.transfer.import_formats.tables.csv_table import CsvTable
from services.transfer.import_formats.tables.text_files import ARCHIVE, file_error, open_text

DetectedFormat = Literal["toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"]

_GZIP = b"\x1f\x8b"
_LOOKED_AT = 512
_CLOCKIFY = frozenset({"duration (h)", "duration (decimal)", "group", "date of creation"})
_TOGGL = frozenset({"duration", "description", "email", "user", "member", "stop date"})


def detect_format(file: BinaryIO) -> DetectedFormat:
    """The format of the file. Raises ValidationError for what is a file of none."""
    file.seek(0)
    head = file.read(_LOOKED_AT)
    file.seek(0)
    if head.startswith(ARCHIVE):
        return "solidtime"
    if head.startswith(_GZIP):
        return "account"
    beginning = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if beginning.startswith(b"["):
        return "timewarrior"
    if beginning.startswith(b"{"):
        if b'"type"' in beginning.partition(b"\n")[0] and b'"account"' in beginning:
            return "account"
        raise file_error("is JSON of no kind that is known: intervals of Timewarrior, or an account file")
    with open_text(file) as text:
        return _of_header({normalize_header(name) for name in CsvTable(text).header})


def _of_header(names: set[str]) -> RowFormat:
    if {"start date", "start time"} <= names:
        if names & _CLOCKIFY or any(name.startswith("billable rate (") for name in names):
            return "clockify"
        if len(names & _TOGGL) > 1 and "duration" in names:
            return "toggl"
    if {"date", "client", "project", "task", "hours"} <= names and names & {"first name", "notes", "billable rate"}:
        return "harvest"
    return "csv"
