"""Files that are read without a service: what comes of them, shortly."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.clock import rfc3339
from app.errors import FieldError, ValidationError
from services.transfer.import_formats.programs.detection import DetectedFormat, detect_format
from services.transfer.import_formats.results import ImportedRow, ReadResult
from services.transfer.import_formats.rows.reader import read_rows
from services.transfer.import_formats.rows.row_parser import ReadSettings
from services.transfer.import_formats.tables.fields import ColumnMapping

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def read(file: str | bytes, *, columns: ColumnMapping | None = None, as_csv: bool = False, **form: Any) -> ReadResult:
    """What is read of the file, whose format it tells."""
    content = BytesIO(file.encode() if isinstance(file, str) else file)
    of: DetectedFormat = "csv" if as_csv else detect_format(content)
    assert of != "account"
    return read_rows(content, format=of, settings=ReadSettings(ZoneInfo("Europe/Berlin"), NOW, **form), columns=columns)


def only(file: str | bytes, **form: Any) -> ImportedRow:
    """The one row of a file that there is nothing to say of."""
    got = read(file, **form)
    assert (got.errors, got.notices) == ([], [])
    (row,) = got.rows
    return row


def refused(file: str | bytes, **form: Any) -> FieldError:
    """What is wrong with the file as a whole."""
    with pytest.raises(ValidationError) as raised:
        read(file, **form)
    (wrong,) = raised.value.errors
    return wrong


def seconds(row: ImportedRow) -> int:
    return int((row.ended_at - row.started_at).total_seconds())


def told(row: ImportedRow) -> tuple[str, int, str, str | None, str | None, tuple[str, ...]]:
    """When and how long it was, what was done, in which project, and with which tags."""
    return rfc3339(row.started_at), seconds(row), row.title, row.note, row.project, row.tags


def about(got: ReadResult) -> list[str]:
    """What is said of the file as a whole."""
    return [f"{notice.column} {notice.message}" for notice in got.notices if notice.row == 0]


CLOCKIFY = (
    "Project,Client,Description,Task,User,Group,Email,Tags,Billable,Start Date,Start Time,End Date,End Time,"
    "Duration (h),Duration (decimal),Billable Rate ({0}),Billable Amount ({0})\n"
    "Site,Acme,Call,,Ada,,ada@example.com,,Yes,22/06/2026,10:00,22/06/2026,10:30,0:30,0.50,26.25,13.13\n"
)
