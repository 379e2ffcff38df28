"""Fuzz targets for whole files: imports of other programs, account files and backups."""

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
from services.common.values.money import MAX_AMOUNT, minor_units
from services.transfer.account_file.reader import TaskPart, iterate_parts, read_account
from services.transfer.import_formats.programs.registry import RowFormat
from services.transfer.import_formats.results import ImportedRow, ReadResult
from services.transfer.import_formats.rows.reader import read_rows
from services.transfer.import_formats.rows.row_parser import ReadSettings
from services.transfer.import_formats.values.dates import DateOrder
from services.transfer.schemas.account_file import DeletedEntryLine
from tests.fuzz.target import Target, choose
from tests.paths import SAMPLES
from tests.transfer.test_account_import import ACCOUNT, END, ENTRY, PROJECT, TASK

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FORMATS: tuple[RowFormat, ...] = get_args(RowFormat)
ORDERS: tuple[DateOrder | None, ...] = (None, *get_args(DateOrder.__value__))
ZONES = ("Europe/Berlin", "UTC", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Monrovia")
VALIDATORS: dict[str, TypeAdapter[Any]] = {
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
HOSTILE_BYTES = (
    *(b",", b";", b"\t", b"\n", b"\r\n", b"\r", b'"', b'""', b"'", b"=", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"2026-11-18", b"18/11/2026", b"02/29/2026", b"9998-12-31", b"1970-01-01", b"23:59:59", b"02:30", b"12:00 AM"),
    *(b"999999:59:59", b"9999999999", b"-1", b"1.5 h", b"start", b"Start Date", b"Billable Rate (EUR)", b"Total", b"-"),
)


def check_time_entries(data: bytes) -> bool:
    """A file of time entries: every row that is read satisfies the limits of stored entries."""
    row_format, data = choose(data, FORMATS)
    order, data = choose(data, ORDERS)
    zone, data = choose(data, ZONES)
    try:
        result = read_rows(
            BytesIO(data), format=row_format, settings=ReadSettings(ZoneInfo(zone), NOW), date_order=order
        )
    except ValidationError as error:
        return check_refusal(error, "#/file", "#/date_order", "#/columns")
    for row in result.rows:
        check_row(row)
    check_messages(result)
    return True


def check_row(row: ImportedRow) -> None:
    for instant in (row.started_at, row.ended_at):
        assert instant.tzinfo is UTC
        assert instant.microsecond == 0
    assert row.started_at.year >= 1970
    assert row.started_at <= row.ended_at <= NOW + timedelta(days=1)
    for name, rule in VALIDATORS.items():
        assert rule.validate_python(getattr(row, name)) == getattr(row, name)
    assert TAGS.validate_python(list(row.tags)) == list(row.tags)
    if row.hourly_rate is not None:
        amount, currency = row.hourly_rate
        assert 0 <= amount <= MAX_AMOUNT
        assert currency in minor_units()
        assert row.billable


def check_messages(result: ReadResult) -> None:
    """Each row is in the result once: as a row or as an error. Messages are short and printable."""
    numbers = sorted([row.number for row in result.rows] + [error.row for error in result.errors])
    assert len(set(numbers)) == len(numbers)
    assert min(numbers, default=1) >= 1
    for finding in (*result.errors, *(notice for notice in result.notices if notice.row)):
        assert 0 < len(finding.message) < 250
    for finding in (*result.errors, *result.notices):
        assert finding.message.isprintable()


def check_refusal(refused: ServiceError | CommandError, *pointers: str) -> bool:
    """The error has a readable detail at an expected place."""
    assert str(refused).endswith((".", "errors"))
    assert "None" not in str(refused)
    if isinstance(refused, ValidationError):
        (error,) = refused.errors
        assert 0 < len(error.detail) < 2_000
        assert error.pointer in (pointers or ("#/file",))
    return False


def check_account(data: bytes) -> bool:
    """An account file, compressed or not: its last line has the counts of what is read."""
    is_compressed, data = choose(data, (False, True))
    file = BytesIO(gzip.compress(data, 1) if is_compressed else data)
    try:
        account = read_account(file)
    except (ValidationError, BodyTooLargeError) as error:
        return check_refusal(error)
    parts = list(iterate_parts(file))
    assert sum(len(part.entries) for part in parts if isinstance(part, TaskPart)) == account.entries
    for part in parts:
        for entry in (part,) if isinstance(part, DeletedEntryLine) else part.entries:
            assert entry.ended_at is None or entry.started_at <= entry.ended_at
    return True


def create_backup(manifest: bytes, tasks: bytes) -> bytes:
    """Create a backup with this manifest and these tasks."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tasks.bson", tasks)
        archive.writestr(MANIFEST, manifest)
    return file.getvalue()


def create_manifest(tasks: bytes, **fields: Any) -> bytes:
    """Create the manifest of a backup with one task."""
    member = {"documents": 1, "bytes": len(tasks), "sha256": hashlib.sha256(tasks).hexdigest()}
    manifest = {"kind": KIND, "version": 1, "schema_version": 1, "created_at": "", "collections": {"tasks": member}}
    return json.dumps(manifest | fields).encode()


def with_compression_method(method: int) -> bytes:
    """A backup whose headers name a wrong compression method."""
    return _with_header_field(10, 8, bytes([method, 0]))


def with_encryption_flag() -> bytes:
    """A backup whose headers mark the members as encrypted."""
    return _with_header_field(8, 6, b"\1\0")


def _with_header_field(central: int, local: int, field: bytes) -> bytes:
    """Set two bytes in the headers of each member (APPNOTE.TXT sections 4.3.7 and 4.3.12)."""
    changed = VALID_BACKUP
    for magic, at in ((b"PK\x01\x02", central), (b"PK\x03\x04", local)):
        first, *members = changed.split(magic)
        changed = first + b"".join(magic + part[: at - 4] + field + part[at - 2 :] for part in members)
    return changed


def check_backup(data: bytes) -> bool:
    """A backup, a manifest, or the documents in a backup: a manifest that is accepted matches the documents."""
    part, data = choose(data, ("file", "manifest", "tasks"))
    with tempfile.NamedTemporaryFile() as backup_file:
        backup_file.write(
            {"file": data, "manifest": create_backup(data, TASK_BSON)}.get(
                part, create_backup(create_manifest(data), data)
            )
        )
        backup_file.flush()
        try:
            with open_for_reading(Path(backup_file.name)) as file:
                manifest = _checked_manifest(file, backup_file.name)
        except BackupError as error:
            return check_refusal(error)
        with zipfile.ZipFile(backup_file.name) as archive:
            for name, expected in manifest["collections"].items():
                content = archive.read(f"{name}.bson")
                documents = list(decode_documents(io.BytesIO(content)))
                assert (len(content), len(documents)) == (expected["bytes"], expected["documents"])
                assert all("_id" in document for document in documents)
    return True


TASK_BSON = bson.encode({"_id": bson.ObjectId("0" * 24), "title": "Write the offer", "tags": ["a"]})
VALID_BACKUP = create_backup(create_manifest(TASK_BSON), TASK_BSON)
ACCOUNT_FILE = b"".join(json.dumps(line).encode() + b"\n" for line in (ACCOUNT, PROJECT, TASK, ENTRY, END))


def create_solidtime_export() -> bytes:
    """Create an archive with one entry, uncompressed, so that mutations change its text."""
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
    "imported file": Target(
        check_time_entries,
        (
            *(b"\0\0\0" + path.read_bytes() for path in sorted(SAMPLES.glob("toggl-*.csv"))),
            *(b"\1\0\0" + path.read_bytes() for path in sorted(SAMPLES.glob("clockify-*.csv"))),
            (
                b"\2\0\0Date,Client,Project,Task,Notes,Hours,Billable?,Billable Rate,Currency\n"
                b'2026-11-18,Acme,Site,Design,Draw,"1,5",Yes,"85,5",Euro - EUR\n'
            ),
            b'\3\0\0[{"id":1,"start":"20261118T090000Z","end":"20261118T100000Z","tags":["a, b"]},{}]',
            b"\4\0\0" + create_solidtime_export(),
            b"\5\0\0" + GENERIC,
            b"\5\0\0start,hours,project,task\n2026-11-18 09:00,1.0," + b"x" * 199 + b" y," + b"x" * 199 + b" y\n",
            b"\5\1\1" + GENERIC.decode().encode("utf-16"),
            b"\5\3\4start,hours\n2026-11-18 09:00,1.0\n",
        ),
        HOSTILE_BYTES,
    ),
    "account file": Target(
        check_account,
        (b"\0" + ACCOUNT_FILE, b"\1" + ACCOUNT_FILE, b"\0" + gzip.compress(ACCOUNT_FILE, mtime=0)),
        (b"null", b"{", b"[", b'"end"', b'"task"', b"\n", b"1e999", b"9" * 5000, b"\\ud800", b"1970-01-01T00:00:00Z"),
    ),
    "backup": Target(
        check_backup,
        (
            b"\0" + VALID_BACKUP,
            b"\1" + create_manifest(TASK_BSON),
            b"\2" + TASK_BSON,
        ),
        (b"null", b"[]", b"{}", b"-1", b"[" * 5_000, b'"users"', b"PK\x01\x02", b"PK\x03\x04", b"\x0c\0", b"\x0e\0"),
        (
            b"\1" + b"[" * 5_000,
            b"\1null",
            b"\2" + bson.encode({"title": "Write the offer"}),
            b"\2" + TASK_BSON[:4] + b"\0" + TASK_BSON[5:],
            *(b"\0" + with_compression_method(method) for method in (12, 14, 99)),
            b"\0" + with_encryption_flag(),
        ),
    ),
}
