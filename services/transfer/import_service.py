"""Imports: a file of another program, or an account file, read in so that doing it again does nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import BinaryIO
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.clock import utc_now
from app.errors import ConflictError, DatabaseUnavailableError, FieldError, NotFoundError, ValidationError
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row, object_id
from documents.tracking.queries.overlap import MAX_OVERLAPS
from documents.transfer.import_batches import MAX_COLUMN_LENGTH, MAX_COLUMNS, MAX_FINDINGS, ImportBatch
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser
from services.common.concurrency import TOO_MANY_CONFLICTS
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.offload import run_in_thread
from services.common.values.fields import PageQuery
from services.tracking.rules.overlap import effective_policy, no_overlaps
from services.tracking.schemas.overlaps import OverlapRead
from services.transfer.account_file.importer import open_account
from services.transfer.import_formats.programs.detection import DetectedFormat, detect_format
from services.transfer.import_formats.programs.registry import UTC_FORMATS, RowFormat
from services.transfer.import_formats.results import ReadResult, RowMessage
from services.transfer.import_formats.rows.reader import read_rows
from services.transfer.import_formats.rows.row_parser import ReadSettings
from services.transfer.imports.background import BackgroundImports
from services.transfer.imports.existing import known_to
from services.transfer.imports.lease import ImportTakenOverError, reading_in, require_hold, taking_back
from services.transfer.imports.matching import wanted_ids
from services.transfer.imports.opened_file import (
    Opened,
    Progress,
    Rehearsed,
    Written,
    read_in,
    require_sound,
    unwatched,
)
from services.transfer.imports.overlaps import Latest, checked
from services.transfer.imports.plan import Known, Plan, Tally, plan
from services.transfer.imports.undo import Undoing
from services.transfer.imports.writer import MAX_PLANS, PlanIsStaleError, Writing
from services.transfer.schemas.imports import (
    ImportForm,
    ImportPage,
    ImportRead,
    ImportUndoResult,
    read_column,
    read_import,
    read_undone,
)

FINDINGS_IN_A_LIST = 10

_READ_AT_ONCE = 1024 * 1024


class ImportNotFoundError(NotFoundError):
    """There is no such import, or it is somebody else's."""

    code = "import_not_found"
    detail = "There is no such import."


class ImportRunningError(ConflictError):
    """The import is still being read in, or waits for its turn."""

    code = "import_running"
    detail = "The import is still running: follow it until its status is done or failed, and delete it then."


def require_import_id(text: str) -> ObjectId:
    """The id of an import. Raises ImportNotFoundError when it is no id at all."""
    import_id = object_id(text)
    if import_id is None:
        raise ImportNotFoundError
    return import_id


@dataclass(frozen=True, slots=True)
class _Job:
    """A file that has been read, and what is to be done with it."""

    user: ActingUser
    format: RowFormat
    policy: OverlapPolicy
    zone: str
    digest: str
    read: ReadResult
    wanted: Mapping[ObjectId, str]
    progress: Progress

    @property
    def rows(self) -> int:
        """How many rows the file has, whatever becomes of them."""
        return len(self.read.rows) + len(self.read.errors) + self.read.skipped


class ImportService:
    """The imports of the acting user. Somebody else's are not found."""

    async def run(
        self,
        user: ActingUser,
        *,
        file: BinaryIO,
        asked: ImportForm,
        overlap: OverlapPolicy | None,
        wait: bool = True,
        progress: Progress = unwatched,
    ) -> ImportRead:
        """The import of this file, which is closed then. Another of the same user is waited for.

        Without `wait`, or where the form says so, the answer is the import as it begins: it is read in beside.

        Raises ValidationError for a file that cannot be read, and with `strict` for any row that
        cannot: then nothing is written.
        """
        with file:
            policy = effective_policy(user, overlap)
            opened = await open_file(user, file, asked, policy, progress)
            if asked.dry_run or (asked.strict and asked.wait and wait):
                rehearsed = await opened.rehearse()
                if asked.strict:
                    require_sound(rehearsed.errors)
                if asked.dry_run:
                    return rehearsed.answer
            if not (asked.wait and wait):
                return await background_imports.begin(user, file, opened, asked=asked, policy=policy)
            done = await self._in_turn(user, opened, asked)
        await audit_service.record(user.id, "imported", id=done["id"], format=opened.format, **done["created"])
        return done

    async def _in_turn(self, user: ActingUser, opened: Opened, asked: ImportForm) -> ImportRead:
        while True:
            try:
                async with reading_in(user.id, format=opened.format, digest=opened.digest) as batch:
                    return await read_in(opened, batch, strict=asked.strict)
            except ImportTakenOverError:
                continue  # rows that are stored already are found as duplicates

    async def page(self, user: ActingUser, *, query: PageQuery) -> ImportPage:
        """A page of the user's imports, the newest first. Raises InvalidCursorError."""
        scope = cursor_scope("imports", user.id, query)
        after = None
        if query.cursor is not None:
            position = decode_cursor(query.cursor, scope=scope)
            after = (position.value, position.id or user.id)
        found = await ImportBatch.page(user.id, after=after, limit=query.limit + 1, findings=FINDINGS_IN_A_LIST)
        items, next_cursor = page_of(
            found, limit=query.limit, position=lambda batch: Position(batch["created_at"], batch["_id"]), scope=scope
        )
        return {"items": [read_import(batch) for batch in items], "next_cursor": next_cursor}

    async def get(self, user: ActingUser, *, import_id: str) -> ImportRead:
        """The import. Raises ImportNotFoundError."""
        return read_import(_required(await ImportBatch.find(user.id, require_import_id(import_id))))

    async def take_back(self, user: ActingUser, *, import_id: str) -> ImportUndoResult:
        """Takes back what the import made and nobody has changed since; another import is waited for.

        Asked again, it goes on where it was interrupted, and removes what has been left alone since.
        Raises ImportNotFoundError, or ImportRunningError.
        """
        wanted = require_import_id(import_id)
        while True:
            try:
                _require_at_rest(_required(await ImportBatch.find(user.id, wanted)))
                async with taking_back(user.id, wanted) as batch:
                    undoing = Undoing(batch)
                    await undoing.run()
                    left = await undoing.left()
                    await require_hold(ImportBatch.let_go(undoing.batch, "undone"))
                    return read_undone(wanted, undoing.removed, left)
            except ImportTakenOverError:
                continue


def _require_at_rest(batch: Row) -> None:
    if ImportBatch.is_running(batch):
        raise ImportRunningError


def _required(batch: Row | None) -> Row:
    """The import that was read. Raises ImportNotFoundError when there was none."""
    if batch is None:
        raise ImportNotFoundError
    return batch


async def open_file(
    user: ActingUser, file: BinaryIO, asked: ImportForm, policy: OverlapPolicy, progress: Progress = unwatched
) -> Opened:
    """Reads the file. Raises ValidationError or BodyTooLargeError for one that cannot be read as a whole."""
    form = await _format_of(file, asked)
    if form == "account":
        return await open_account(user, file, progress=progress)
    zone = _zone(user, form, asked)
    digest, read = await run_in_thread(lambda: _read(file, asked, form, zone, policy))
    job = _Job(user, form, policy, zone.key, digest, read, wanted_ids(user.id, read.rows), progress)
    return Opened(form, digest, job.rows, lambda: _rehearse(job), lambda batch: _write_rows(job, batch))


async def _rehearse(job: _Job) -> Rehearsed:
    known = await known_to(job.user.id, job.wanted)
    planned = await _planned(job, known)
    errors, tally, latest = list(job.read.errors), Tally(), None
    overlaps = no_overlaps(job.policy)
    for part in planned.chunks():
        found = await checked(job.user, part, job.policy, import_id=None, latest=latest)
        latest = found.latest
        errors += found.errors
        tally.add(found.entries, known)
        if overlaps is not None:
            overlaps += found.overlaps[: MAX_OVERLAPS - len(overlaps)]
    batch = {
        **ImportBatch.new(job.user.id, format=job.format, digest=job.digest).as_row(),
        **_findings(job, planned),
        "rows_done": job.rows,
        "errors": _rows(errors[:MAX_FINDINGS]),
        "error_count": len(errors),
        "left_out": _left_out(planned),
        "created": tally.made(),
        "state": "done",
    }
    columns = {field: read_column(found.header, found.values) for field, found in job.read.columns.items()}
    return Rehearsed({**read_import(batch, overlaps), "id": None, "dry_run": True, "columns": columns}, errors)


async def _write_rows(job: _Job, batch: Row) -> Written:
    """Writes what is not there yet, planned anew as long as others change what the plan goes by."""
    latest: Latest | None = None
    overlaps: list[OverlapRead] = []
    for _ in range(MAX_PLANS):
        known = await known_to(job.user.id, job.wanted, batch["_id"])
        planned = await _planned(job, known)
        findings = _findings(job, planned)
        await require_hold(ImportBatch.note(batch, findings))
        writing = Writing(job.user, {**batch, **findings}, known, policy=job.policy, zone=job.zone, latest=latest)
        try:
            await _write(writing, planned, job)
        except PlanIsStaleError:
            latest = writing.latest
            continue
        finally:
            overlaps += writing.overlaps[: MAX_OVERLAPS - len(overlaps)]
        return Written({"left_out": _left_out(planned)}, None if no_overlaps(job.policy) is None else overlaps)
    raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)


async def _format_of(file: BinaryIO, asked: ImportForm) -> DetectedFormat:
    """The format that is asked for, or the one that the file has. Raises ValidationError."""
    if asked.format != "auto":
        return asked.format
    return await run_in_thread(lambda: detect_format(file))


def _zone(user: ActingUser, form: RowFormat, asked: ImportForm) -> ZoneInfo:
    """Whose local times the file has. Raises ValidationError when it has some and nobody says whose they are."""
    if asked.timezone is not None:
        return ZoneInfo(asked.timezone)
    if form in UTC_FORMATS:
        return ZoneInfo(user.timezone)
    wrong = "is needed, since the file has local times"
    raise ValidationError(errors=(FieldError(wrong, pointer="#/timezone"),))


def _read(
    file: BinaryIO,
    asked: ImportForm,
    format: RowFormat,  # noqa: A002 -- as read_rows calls it
    zone: ZoneInfo,
    policy: OverlapPolicy,
) -> tuple[str, ReadResult]:
    """What tells this file and how it is read from all others, and its rows. Raises ValidationError."""
    content = hashlib.sha256()
    file.seek(0)
    while some := file.read(_READ_AT_ONCE):
        content.update(some)
    how = (asked.user, asked.currency, asked.columns, asked.day_start)
    content.update(f"\n{format}\n{zone.key}\n{asked.date_order}\n{policy}\n{how}".encode())
    settings = ReadSettings(zone, utc_now(), user=asked.user, currency=asked.currency, day_start=asked.day_start)
    read = read_rows(file, format=format, settings=settings, date_order=asked.date_order, columns=asked.columns)
    return content.hexdigest(), read


async def _planned(job: _Job, known: Known) -> Plan:
    by_time = job.policy != "allow"
    return await run_in_thread(lambda: plan(job.user.id, job.read.rows, known, by_time=by_time))


async def _write(writing: Writing, planned: Plan, job: _Job) -> None:
    done = job.rows - len(planned.entries)
    for part in planned.chunks():
        await writing.write(part)
        done += len(part)
        job.progress(done, job.rows)


def _findings(job: _Job, planned: Plan) -> Row:
    """What is known of the file before its rows are written."""
    read = job.read
    return {
        "row_count": job.rows,
        "rows_done": job.rows - len(planned.entries),
        "duplicates": len(planned.left_out),
        "skipped": read.skipped,
        "errors": _rows(read.errors[:MAX_FINDINGS]),
        "error_count": len(read.errors),
        "notices": _rows(read.notices[:MAX_FINDINGS]),
        "ignored_columns": [header[:MAX_COLUMN_LENGTH] for header in read.ignored_columns[:MAX_COLUMNS]],
    }


def _left_out(planned: Plan) -> list[Row]:
    return [asdict(row) for row in planned.left_out[:MAX_FINDINGS]]


def _rows(findings: list[RowMessage]) -> list[Row]:
    return [asdict(finding) for finding in findings]


background_imports = BackgroundImports(open_file)
import_service = ImportService()
