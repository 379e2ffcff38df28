"""Importing a file of time entries, in any format but that of an account file."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import BinaryIO
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.clock import utc_now
from app.errors import DatabaseUnavailableError, FieldError, ValidationError
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row
from documents.tracking.queries.overlap import MAX_OVERLAPS
from documents.transfer.import_batches import MAX_COLUMN_LENGTH, MAX_COLUMNS, MAX_FINDINGS, ImportBatch
from services.common.acting_user import ActingUser
from services.common.concurrency import TOO_MANY_CONFLICTS
from services.common.offload import run_in_thread
from services.tracking.rules.overlap import no_overlaps
from services.tracking.schemas.overlaps import OverlapRead
from services.transfer.import_formats.programs.registry import UTC_FORMATS, RowFormat
from services.transfer.import_formats.results import ReadResult, RowMessage
from services.transfer.import_formats.rows.reader import read_rows
from services.transfer.import_formats.rows.row_parser import ReadSettings
from services.transfer.imports.existing import load_existing
from services.transfer.imports.lease import require_lease
from services.transfer.imports.matching import possible_entry_ids
from services.transfer.imports.overlaps import LatestRow, check_overlaps
from services.transfer.imports.parsed_file import DryRun, ParsedFile, Progress, WriteResult
from services.transfer.imports.plan import CreationCounter, Existing, Plan, plan
from services.transfer.imports.writer import MAX_PLAN_ATTEMPTS, PlanWriter, StalePlanError
from services.transfer.schemas.imports import ImportForm, read_column, read_import

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Job:
    """A file that has been read, and how it is imported."""

    user: ActingUser
    format: RowFormat
    policy: OverlapPolicy
    zone: str
    digest: str
    read: ReadResult
    entry_ids: Mapping[ObjectId, str]
    progress: Progress

    @property
    def rows(self) -> int:
        """The number of rows of the file."""
        return len(self.read.rows) + len(self.read.errors) + self.read.skipped


async def parse_entry_file(
    user: ActingUser,
    file: BinaryIO,
    form: ImportForm,
    *,
    format: RowFormat,  # noqa: A002 -- the name of the field
    policy: OverlapPolicy,
    progress: Progress,
) -> ParsedFile:
    """Read all rows of the file. Raises ValidationError if it cannot be read as a whole."""
    zone = _time_zone(user, format, form)
    digest, read = await run_in_thread(lambda: _read(file, form, format, zone, policy))
    job = _Job(user, format, policy, zone.key, digest, read, possible_entry_ids(user.id, read.rows), progress)
    return ParsedFile(format, digest, job.rows, lambda: _dry_run(job), lambda batch: _write(job, batch))


def _time_zone(user: ActingUser, format: RowFormat, form: ImportForm) -> ZoneInfo:  # noqa: A002
    """Return the time zone of local times in the file. Raises ValidationError if it is needed and not given."""
    if form.timezone is not None:
        return ZoneInfo(form.timezone)
    if format in UTC_FORMATS:
        return ZoneInfo(user.timezone)
    raise ValidationError(errors=(FieldError("is required because the file has local times", pointer="#/timezone"),))


def _read(
    file: BinaryIO,
    form: ImportForm,
    format: RowFormat,  # noqa: A002
    zone: ZoneInfo,
    policy: OverlapPolicy,
) -> tuple[str, ReadResult]:
    """Return the digest of the file and all options that it is read with, and the rows. Raises ValidationError."""
    content = hashlib.sha256()
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        content.update(block)
    options = (form.user, form.currency, form.columns, form.day_start)
    content.update(f"\n{format}\n{zone.key}\n{form.date_order}\n{policy}\n{options}".encode())
    settings = ReadSettings(zone, utc_now(), user=form.user, currency=form.currency, day_start=form.day_start)
    read = read_rows(file, format=format, settings=settings, date_order=form.date_order, columns=form.columns)
    return content.hexdigest(), read


async def _dry_run(job: _Job) -> DryRun:
    existing = await load_existing(job.user.id, job.entry_ids)
    planned = await _plan(job, existing)
    errors, created, latest = list(job.read.errors), CreationCounter(), None
    overlaps = no_overlaps(job.policy)
    for entries in planned.batches():
        check = await check_overlaps(job.user, entries, job.policy, import_id=None, latest=latest)
        latest = check.latest
        errors += check.errors
        created.add(check.entries, existing)
        if overlaps is not None:
            overlaps += check.overlaps[: MAX_OVERLAPS - len(overlaps)]
    batch = {
        **ImportBatch.new(job.user.id, format=job.format, digest=job.digest).as_row(),
        **_initial_fields(job, planned),
        "rows_done": job.rows,
        "errors": _to_rows(errors[:MAX_FINDINGS]),
        "error_count": len(errors),
        "left_out": _left_out(planned),
        "created": created.counts(),
        "state": "done",
    }
    columns = {field: read_column(column.header, column.values) for field, column in job.read.columns.items()}
    return DryRun({**read_import(batch, overlaps), "id": None, "dry_run": True, "columns": columns}, errors)


async def _write(job: _Job, batch: Row) -> WriteResult:
    """Write the rows that do not exist yet. Plan again whenever the data has changed."""
    latest: LatestRow | None = None
    overlaps: list[OverlapRead] = []
    for _ in range(MAX_PLAN_ATTEMPTS):
        existing = await load_existing(job.user.id, job.entry_ids, batch["_id"])
        planned = await _plan(job, existing)
        fields = _initial_fields(job, planned)
        await require_lease(ImportBatch.set_fields(batch, fields))
        writer = PlanWriter(
            job.user,
            {**batch, **fields},
            existing,
            policy=job.policy,
            zone=job.zone,
            latest=latest,
            overlaps=overlaps,
        )
        try:
            await _write_batches(writer, planned, job)
        except StalePlanError:
            latest = writer.latest
            continue
        return WriteResult({"left_out": _left_out(planned)}, None if no_overlaps(job.policy) is None else overlaps)
    raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)


async def _plan(job: _Job, existing: Existing) -> Plan:
    by_time = job.policy != "allow"
    return await run_in_thread(lambda: plan(job.user.id, job.read.rows, existing, by_time=by_time))


async def _write_batches(writer: PlanWriter, planned: Plan, job: _Job) -> None:
    done = job.rows - len(planned.entries)
    for entries in planned.batches():
        await writer.write(entries)
        done += len(entries)
        job.progress(done, job.rows)


def _initial_fields(job: _Job, planned: Plan) -> Row:
    """Return the fields of the import that are known before its rows are written."""
    read = job.read
    return {
        "row_count": job.rows,
        "rows_done": job.rows - len(planned.entries),
        "duplicates": len(planned.left_out),
        "skipped": read.skipped,
        "errors": _to_rows(read.errors[:MAX_FINDINGS]),
        "error_count": len(read.errors),
        "notices": _to_rows(read.notices[:MAX_FINDINGS]),
        "ignored_columns": [header[:MAX_COLUMN_LENGTH] for header in read.ignored_columns[:MAX_COLUMNS]],
    }


def _left_out(planned: Plan) -> list[Row]:
    return [asdict(row) for row in planned.left_out[:MAX_FINDINGS]]


def _to_rows(messages: list[RowMessage]) -> list[Row]:
    return [asdict(message) for message in messages]
