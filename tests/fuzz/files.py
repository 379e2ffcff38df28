"""Whole files: those of other programs, an account, a backup."""

import gzip
import hashlib
import io
import json
import tempfile
import zipfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import bson
from pydantic import TypeAdapter

from app.commands.atomic_files import open_for_reading
from app.commands.backup import KIND, MANIFEST, BackupError, _checked_manifest
from app.errors import BodyTooLargeError, CommandError, ServiceError, ValidationError
from documents.maintenance.dump import decode_documents
from services.common.values.fields import ClientName, Note, ProjectName, Tags, Title, Zone
from services.common.values.money import MAX_AMOUNT, MINOR_UNITS
from services.transfer.account_file.reader import TaskPart, parts_of, read_account
from services.transfer.import_formats.programs.registry import RowFormat
from services.transfer.import_formats.results import ImportedRow, ReadResult
from services.transfer.import_formats.rows.reader import read_rows
from services.transfer.import_formats.rows.row_parser import ReadSettings
from services.transfer.import_formats.values.dates import DateOrder
from services.transfer.schemas.account_file import DeletedEntryLine
from tests.fuzz.target import Target, chosen
from tests.paths import SAMPLES
from tests.transfer.test_account_import import ACCOUNT, END, ENTRY, PROJECT, TASK

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FORMATS: tuple[RowFormat, ...] = get_args(RowFormat)
ORDERS: tuple[DateOrder | None, ...] = (None, *get_args(DateOrder.__value__))
ZONES = ("Europe/Berlin", "UTC", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Monrovia")
LIMITS: dict[str, TypeAdapter[Any]] = {
    "title": TypeAdapter(Title),
    "note": TypeAdapter(Note | None),
    "project": TypeAdapter(ProjectName | None),
    "client": TypeAdapter(ClientName | None),
    "timezone": TypeAdapter(Zone | None),
}
TAGS: TypeAdapter[list[str]] = TypeAdapter(Tags)

GENERIC = (
    b"start,end,hours,task,note,project,client,tags,billable,rate,currency,timezone\r\n"
    b'2026-11-18 09:00,2026-11-18 10:30,1.5,Design,"a ""b""",Site,Acme,"x, y",yes,85.50,EUR,Asia/Tokyo\r\n'
    b"2026-11-18 09:00,,1.5,'=1+1,,,,,no,,,\r\n"
)
HOSTILE = (
    *(b",", b";", b"\t", b"\n", b"\r\n", b"\r", b'"', b'""', b"'", b"=", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"2026-11-18", b"18/11/2026", b"02/29/2026", b"9998-12-31", b"1970-01-01", b"23:59:59", b"02:30", b"12:00 AM"),
    *(b"999999:59:59", b"9999999999", b"-1", b"1.5 h", b"start", b"Start Date", b"Billable Rate (EUR)", b"Total", b"-"),
)


def look_at_rows(data: bytes) -> bool:
    """A table of time entries: what is read of it can be stored as it is."""
    of, data = chosen(data, FORMATS)
    order, data = chosen(data, ORDERS)
    zone, data = chosen(data, ZONES)
    try:
        read = read_rows(BytesIO(data), format=of, settings=ReadSettings(ZoneInfo(zone), NOW), date_order=order)
    except ValidationError as refused:
        return look_at_a_refusal(refused, "#/file", "#/date_order", "#/columns")
    for row in read.rows:
        look_at_a_row(row)
    look_at_what_is_said(read)
    return True


def look_at_a_row(row: ImportedRow) -> None:
    for instant in (row.started_at, row.ended_at):
        assert instant.tzinfo is UTC
        assert instant.microsecond == 0
    assert row.started_at.year >= 1970
    assert row.started_at <= row.ended_at <= NOW + timedelta(days=1)
    for name, rule in LIMITS.items():
        assert rule.validate_python(getattr(row, name)) == getattr(row, name)
    assert TAGS.validate_python(list(row.tags)) == list(row.tags)
    if row.hourly_rate is not None:
        amount, currency = row.hourly_rate
        assert 0 <= amount <= MAX_AMOUNT
        assert currency in MINOR_UNITS
        assert row.billable


def look_at_what_is_said(read: ReadResult) -> None:
    """Each row is told of once: it is read, or it is an error."""
    numbers = sorted([row.number for row in read.rows] + [error.row for error in read.errors])
    assert len(set(numbers)) == len(numbers)
    assert min(numbers, default=1) >= 1
    for finding in (*read.errors, *(notice for notice in read.notices if notice.row)):
        assert 0 < len(finding.message) < 250
    for finding in (*read.errors, *read.notices):
        assert finding.message.isprintable()


def look_at_a_refusal(refused: ServiceError | CommandError, *pointers: str) -> bool:
    """It says why, in one sentence a person can read."""
    assert str(refused).endswith((".", "errors"))
    assert "None" not in str(refused)
    if isinstance(refused, ValidationError):
        (wrong,) = refused.errors
        assert 0 < len(wrong.detail) < 2_000
        assert wrong.pointer in (pointers or ("#/file",))
    return False


def look_at_an_account(data: bytes) -> bool:
    """An account file, packed or not: what is read of it has as many things as its end says."""
    packed, data = chosen(data, (False, True))
    file = BytesIO(gzip.compress(data, 1) if packed else data)
    try:
        account = read_account(file)
    except (ValidationError, BodyTooLargeError) as refused:
        return look_at_a_refusal(refused)
    parts = list(parts_of(file))
    assert sum(len(part.entries) for part in parts if isinstance(part, TaskPart)) == account.entries
    for part in parts:
        for entry in (part,) if isinstance(part, DeletedEntryLine) else part.entries:
            assert entry.ended_at is None or entry.started_at <= entry.ended_at
    return True


def backup_of(manifest: bytes, tasks: bytes) -> bytes:
    """A backup of these tasks with this manifest."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tasks.bson", tasks)
        archive.writestr(MANIFEST, manifest)
    return file.getvalue()


def manifest_of(tasks: bytes, **fields: Any) -> bytes:
    """The manifest that fits one task."""
    member = {"documents": 1, "bytes": len(tasks), "sha256": hashlib.sha256(tasks).hexdigest()}
    told = {"kind": KIND, "version": 1, "schema_version": 1, "created_at": "", "collections": {"tasks": member}}
    return json.dumps(told | fields).encode()


def packed_as(method: int) -> bytes:
    """A backup that says of its members that they are packed in another way than they are."""
    return _with_each_header(10, 8, bytes([method, 0]))


def marked_as_encrypted() -> bytes:
    """A backup that says of its members that they are encrypted."""
    return _with_each_header(8, 6, b"\1\0")


def _with_each_header(central: int, local: int, field: bytes) -> bytes:
    """The two bytes at these places of the headers of each member (APPNOTE.TXT sections 4.3.7 and 4.3.12)."""
    changed = WHOLE
    for magic, at in ((b"PK\x01\x02", central), (b"PK\x03\x04", local)):
        first, *members = changed.split(magic)
        changed = first + b"".join(magic + part[: at - 4] + field + part[at - 2 :] for part in members)
    return changed


def look_at_a_backup(data: bytes) -> bool:
    """A whole backup, the manifest of one, or the documents in one: what is refused is refused before it is stored."""
    part, data = chosen(data, ("file", "manifest", "tasks"))
    with tempfile.NamedTemporaryFile() as kept:
        kept.write({"file": data, "manifest": backup_of(data, TASK_BSON)}.get(part, backup_of(manifest_of(data), data)))
        kept.flush()
        try:
            with open_for_reading(Path(kept.name)) as file:
                manifest = _checked_manifest(file, kept.name)
        except BackupError as refused:
            return look_at_a_refusal(refused)
        with zipfile.ZipFile(kept.name) as archive:
            for name, said in manifest["collections"].items():
                content = archive.read(f"{name}.bson")
                documents = list(decode_documents(io.BytesIO(content)))
                assert (len(content), len(documents)) == (said["bytes"], said["documents"])
                assert all("_id" in document for document in documents)
    return True


TASK_BSON = bson.encode({"_id": bson.ObjectId("0" * 24), "title": "Write the offer", "tags": ["a"]})
WHOLE = backup_of(manifest_of(TASK_BSON), TASK_BSON)
ACCOUNT_FILE = b"".join(json.dumps(line).encode() + b"\n" for line in (ACCOUNT, PROJECT, TASK, ENTRY, END))


def solidtime_export() -> bytes:
    """An archive of one entry, not packed, so that its letters can be changed one by one."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "time_entries.csv",
            "description,start,end,billable_rate,billable,organization_id,project_id,tags\n"
            'Draw,2026-11-18T09:00:00Z,2026-11-18T10:00:00Z,8550,true,o,p,"[""t""]"\n',
        )
        archive.writestr("organizations.csv", "id,currency\no,EUR\n")
        archive.writestr("projects.csv", "id,name\np,Site\n")
        archive.writestr("tags.csv", "id,name\nt,Web\n")
    return file.getvalue()


FILES: dict[str, Target] = {
    "file of time entries": Target(
        look_at_rows,
        (
            *(b"\0\0\0" + path.read_bytes() for path in sorted(SAMPLES.glob("toggl-*.csv"))),
            *(b"\1\0\0" + path.read_bytes() for path in sorted(SAMPLES.glob("clockify-*.csv"))),
            (
                b"\2\0\0Date,Client,Project,Task,Notes,Hours,Billable?,Billable Rate,Currency\n"
                b'2026-11-18,Acme,Site,Design,Draw,"1,5",Yes,"85,5",Euro - EUR\n'
            ),
            b'\3\0\0[{"id":1,"start":"20261118T090000Z","end":"20261118T100000Z","tags":["a, b"]},{}]',
            b"\4\0\0" + solidtime_export(),
            b"\5\0\0" + GENERIC,
            b"\5\0\0start,hours,project,task\n2026-11-18 09:00,1.0," + b"x" * 199 + b" y," + b"x" * 199 + b" y\n",
            b"\5\1\1" + GENERIC.decode().encode("utf-16"),
            b"\5\3\4start,hours\n2026-11-18 09:00,1.0\n",
        ),
        HOSTILE,
    ),
    "account file": Target(
        look_at_an_account,
        (b"\0" + ACCOUNT_FILE, b"\1" + ACCOUNT_FILE, b"\0" + gzip.compress(ACCOUNT_FILE, mtime=0)),
        (b"null", b"{", b"[", b'"end"', b'"task"', b"\n", b"1e999", b"9" * 5000, b"\\ud800", b"1970-01-01T00:00:00Z"),
    ),
    "backup": Target(
        look_at_a_backup,
        (
            b"\0" + WHOLE,
            b"\1" + manifest_of(TASK_BSON),
            b"\2" + TASK_BSON,
        ),
        (b"null", b"[]", b"{}", b"-1", b"[" * 5_000, b'"users"', b"PK\x01\x02", b"PK\x03\x04", b"\x0c\0", b"\x0e\0"),
        (
            b"\1" + b"[" * 5_000,
            b"\1null",
            b"\2" + bson.encode({"title": "Write the offer"}),
            b"\2" + TASK_BSON[:4] + b"\0" + TASK_BSON[5:],
            *(b"\0" + packed_as(method) for method in (12, 14, 99)),
            b"\0" + marked_as_encrypted(),
        ),
    ),
}
