"""Detect the format of a file from its first bytes or its header."""

from typing import BinaryIO, Literal

from services.transfer.import_formats.programs.registry import RowFormat
from services.transfer.import_formats.tables.csv_table import CsvTable
from services.transfer.import_formats.tables.layout import normalize_header
from services.transfer.import_formats.tables.text_files import ZIP_SIGNATURES, file_error, open_text

DetectedFormat = Literal["toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"]

_GZIP_SIGNATURE = b"\x1f\x8b"
_HEAD_BYTES = 512
_CLOCKIFY_HEADERS = frozenset({"duration (h)", "duration (decimal)", "group", "date of creation"})
_TOGGL_HEADERS = frozenset({"duration", "description", "email", "user", "member", "stop date"})


def detect_format(file: BinaryIO) -> DetectedFormat:
    """Return the format of the file. Raises ValidationError for JSON of no known format."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if head.startswith(ZIP_SIGNATURES):
        return "solidtime"
    if head.startswith(_GZIP_SIGNATURE):
        return "account"
    beginning = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if beginning.startswith(b"["):
        return "timewarrior"
    if beginning.startswith(b"{"):
        if b'"type"' in beginning.partition(b"\n")[0] and b'"account"' in beginning:
            return "account"
        raise file_error("is JSON, but neither Timewarrior intervals nor an account file")
    with open_text(file) as text:
        return _detect_from_header({normalize_header(name) for name in CsvTable(text).header})


def _detect_from_header(names: set[str]) -> RowFormat:
    if {"start date", "start time"} <= names:
        if names & _CLOCKIFY_HEADERS or any(name.startswith("billable rate (") for name in names):
            return "clockify"
        if len(names & _TOGGL_HEADERS) > 1 and "duration" in names:
            return "toggl"
    if {"date", "client", "project", "task", "hours"} <= names and names & {"first name", "notes", "billable rate"}:
        return "harvest"
    return "csv"
