"""Read import files without the API, and shorten the results for assertions; samples of several programs."""

import csv
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings

from app.clock import rfc3339
from app.errors import FieldError, ValidationError
from services.transfer.import_formats.programs.detection import detect_format
from services.transfer.import_formats.programs.registry import RowFormat
from services.transfer.import_formats.results import ImportedRow, ReadResult, RowMessage
from services.transfer.import_formats.rows.reader import read_rows
from services.transfer.import_formats.rows.row_parser import ReadSettings
from services.transfer.import_formats.tables.fields import ColumnMapping
from services.transfer.import_formats.values.dates import DateOrder

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

property_test = settings(max_examples=60)


def read(
    file: str | bytes,
    *,
    format: RowFormat | None = None,  # noqa: A002 - the name in the API
    zone: str = "Europe/Berlin",
    date_order: DateOrder | None = None,
    columns: ColumnMapping | None = None,
    **options: Any,
) -> ReadResult:
    """Read a file. Its format is detected if none is given."""
    content = BytesIO(file.encode() if isinstance(file, str) else file)
    used_format = format or detect_format(content)
    assert used_format != "account"
    read_settings = ReadSettings(ZoneInfo(zone), NOW, **options)
    return read_rows(content, format=used_format, settings=read_settings, date_order=date_order, columns=columns)


def read_row(file: str | bytes, **options: Any) -> ImportedRow:
    """The only row of a file without errors and notices."""
    result = read(file, **options)
    assert (result.errors, result.notices) == ([], [])
    (row,) = result.rows
    return row


def read_times(file: str | bytes, **options: Any) -> tuple[str, str]:
    """The start and the end of the only row of a file without errors."""
    result = read(file, **options)
    assert not result.errors
    (row,) = result.rows
    return start_and_end(row)


def read_error(file: str | bytes, **options: Any) -> RowMessage:
    """The error of the only row of a file."""
    result = read(file, **options)
    assert not result.rows
    (error,) = result.errors
    return error


def file_error(file: str | bytes, **options: Any) -> FieldError:
    """The error of a file that cannot be read at all."""
    with pytest.raises(ValidationError) as raised:
        read(file, **options)
    (error,) = raised.value.errors
    return error


def start_and_end(row: ImportedRow) -> tuple[str, str]:
    return rfc3339(row.started_at), rfc3339(row.ended_at)


def duration_seconds(row: ImportedRow) -> int:
    return int((row.ended_at - row.started_at).total_seconds())


def summary(row: ImportedRow) -> tuple[str, int, str, str | None, str | None, tuple[str, ...]]:
    """The start, the seconds, the title, the note, the project and the tags of a row."""
    return rfc3339(row.started_at), duration_seconds(row), row.title, row.note, row.project, row.tags


def without_rate_and_user(row: ImportedRow) -> ImportedRow:
    """The row without its rate and its user, which not every format has."""
    return replace(row, user=None, hourly_rate=None, takes_project_rate=True, price=())


def file_notices(result: ReadResult) -> list[str]:
    """The notices about columns and the whole file."""
    return [f"{notice.column} {notice.message}" for notice in result.notices if notice.row == 0]


def to_csv(*rows: list[str]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def to_zip(**tables: str) -> bytes:
    """An archive with a CSV file for each table."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables.items():
            archive.writestr(f"{name}.csv", text)
    return content.getvalue()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00+00:00")


DESIGN_ENTRY = ImportedRow(
    number=1,
    started_at=utc("2026-11-18T08:00"),
    ended_at=utc("2026-11-18T09:30"),
    title="Design",
    note="Draw the header",
    project="Website",
    client="Acme",
    tags=("web", "urgent"),
    billable=True,
)
MAIL_ENTRY = ImportedRow(
    number=2,
    started_at=utc("2026-11-18T12:05"),
    ended_at=utc("2026-11-18T12:20"),
    title="Read mail",
    billable=False,
)

TIMES_OVER_MIDNIGHT = ("2025-11-30T22:30:00Z", "2025-11-30T23:15:00Z")
TIMES_IN_REPEATED_HOUR = ("2026-10-25T00:30:00Z", "2026-10-25T01:15:00Z")

CLOCKIFY = (
    "Project,Client,Description,Task,User,Group,Email,Tags,Billable,Start Date,Start Time,End Date,End Time,"
    "Duration (h),Duration (decimal),Billable Rate ({0}),Billable Amount ({0})\n"
    "Site,Acme,Call,,Ada,,ada@example.com,,Yes,22/06/2026,10:00,22/06/2026,10:30,0:30,0.50,26.25,13.13\n"
)
KIMAI = (
    "Date,From,To,Duration,Currency,Price,Internal price,Hourly price,Fixed price,Name,User,Staff number,Customer,"
    "Project,Activity,Description,Billable,Tags\n"
    '2024-03-04,09:00,17:00,07:30,EUR,750.00,300.00,100.00,,Anna,anna,,Acme,Site,Design,Cover,Yes,"a, b"\n'
    "2024-03-05,22:00,02:00,04:00,EUR,400.00,160.00,100.00,,Anna,anna,,Acme,Site,Design,Night,Yes,\n"
)
HARVEST = (
    "Date,Client,Project,Project Code,Task,Notes,Hours,Billable?,Invoiced?,Approved?,First Name,Last Name,Roles,"
    "Employee?,Billable Rate,Billable Amount,Cost Rate,Cost Amount,Currency,External Reference URL\n"
    '2024-03-04,Acme,Site,,Design,Draw,"1,5",Yes,No,No,Ada,Byron,,Yes,"100,0","150,0","0,0","0,0",Euro - EUR,\n'
    '2024-03-04,Acme,Site,,Design,Draw,"1,5",Yes,No,No,Ada,Byron,,Yes,"100,0","150,0","0,0","0,0",Euro - EUR,\n'
    '2024-03-04,,Inner,,Mail,,"0,01",No,No,No,Bob,Hope,,Yes,"0,0","0,0","0,0","0,0",Euro - EUR,\n'
    '2024-03-05,Acme,Site,,Design,,"1,25",Yes,No,No,Ada,Byron,,Yes,"1.000,5","1.250,63","0,0","0,0",Euro - EUR,\n'
)
TIMEWARRIOR_INTERVALS = [
    {"id": 3, "start": "20231001T103000Z", "end": "20231001T120000Z", "tags": ["Site", "a, b"], "annotation": "Go"},
    {"id": 2, "start": "20231001T090000Z", "end": "20231001T100000Z", "tags": ["Site", "mail"]},
    {"id": 1, "start": "20231001T130000Z", "tags": ["Site"]},
]
SOLIDTIME_ENTRIES = (
    "id,description,start,end,billable_rate,billable,member_id,user_id,organization_id,client_id,project_id,task_id,"
    "tags,is_imported,still_active_email_sent_at,created_at,updated_at\n"
    'e1,Draw,2024-03-04T09:23:00Z,2024-03-04T10:23:01Z,10050,true,m1,u1,o1,c1,p1,t1,"[""g1"",""g2""]",false,,,\n'
    "e2,,2024-03-05T09:23:52Z,2024-03-05T09:23:52Z,,false,m1,u1,o1,,p2,,[],false,,,\n"
)
SOLIDTIME_TABLES = {
    "projects": "id,name,color,billable_rate,client_id,organization_id\np1,Site,,,c1,o1\np2,Inner,,,,o1\n",
    "clients": "id,name\nc1,Acme\n",
    "tasks": "id,name,project_id\nt1,Design,p1\nt1,Later,p1\n",
    "tags": 'id,name\ng1,Web\ng2,"Ink, red"\n',
    "members": "id,user_id,name,email\nm1,u1,Ada Byron,ada@example.com\n",
    "organizations": "id,name,billable_rate,currency\no1,Acme,,EUR\n",
}
