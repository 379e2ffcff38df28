"""Importing an account file: everything in it is restored as it was, and nothing is imported twice."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import DatabaseUnavailableError
from documents.accounts.users import User
from documents.common.base import DuplicateError, Row
from documents.tracking.deleted_entries import RETENTION, DeletedEntry
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from documents.transfer.import_batches import MAX_FINDINGS, ImportBatch
from documents.transfer.import_queries import find_targets
from documents.transfer.imported_pages import add_imported_entries
from services.accounts.authentication import authentication_service
from services.common.acting_user import ActingUser
from services.common.concurrency import TOO_MANY_CONFLICTS
from services.common.offload import run_in_thread
from services.tracking.rules.transaction_sizes import IMPORT_BATCH_BYTES, split_by_size
from services.transfer.account_file.existing import ExistingAccount, load_existing_account
from services.transfer.account_file.reader import AccountFile, TaskPart, iterate_parts, read_account
from services.transfer.account_file.rows import deleted_row, entry_row, project_row, task_row
from services.transfer.imports.lease import require_lease, write_part
from services.transfer.imports.parsed_file import DryRun, ParsedFile, Progress, WriteResult
from services.transfer.imports.writer import MAX_PLAN_ATTEMPTS, StalePlanError
from services.transfer.schemas.account_file import DeletedEntryLine
from services.transfer.schemas.imports import read_import

MAX_ENTRIES_PER_BATCH = 500
MAX_PARTS_PER_BATCH = 100
MAX_PROJECTS_PER_BATCH = 500

ALREADY_IN_ACCOUNT = "duplicate: this account has this entry"

_BLOCK_BYTES = 1024 * 1024

Part = TaskPart | DeletedEntryLine


async def parse_account_file(user: ActingUser, file: BinaryIO, *, progress: Progress) -> ParsedFile:
    """Validate the file. Overlaps are not checked, because the account is restored as it was.

    Raises ValidationError or BodyTooLargeError.
    """
    digest, read = await run_in_thread(lambda: _read(file))
    return ParsedFile(
        "account",
        digest,
        read.entries,
        lambda: _dry_run(user, file, read, digest),
        lambda batch: _write(user, batch, file, read, progress),
        needs_file=True,
    )


def _read(file: BinaryIO) -> tuple[str, AccountFile]:
    content = hashlib.sha256(b"account\n")
    while block := file.read(_BLOCK_BYTES):
        content.update(block)
    return content.hexdigest(), read_account(file)


async def _write(user: ActingUser, batch: Row, file: BinaryIO, read: AccountFile, progress: Progress) -> WriteResult:
    """Write what does not exist yet. Start again whenever the data has changed."""
    for _ in range(MAX_PLAN_ATTEMPTS):
        await require_lease(ImportBatch.set_fields(batch, {"row_count": read.entries, "rows_done": 0}))
        existing = await load_existing_account(user.id, batch["_id"])
        if not existing.has_other_data:
            await _update_profile(user, read)
        writer = _AccountWriter(user.id, batch, existing)
        try:
            await writer.write_projects(read)
            await _for_each_batch(file, writer.write, lambda done: progress(done, read.entries))
        except StalePlanError:
            continue
        return WriteResult({**writer.result_fields(), "left_out": writer.left_out}, None)
    raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)


async def _dry_run(user: ActingUser, file: BinaryIO, read: AccountFile, digest: str) -> DryRun:
    batch = ImportBatch.new(user.id, format="account", digest=digest).as_row()
    existing = await load_existing_account(user.id)
    running = await Task.find_running(user.id) is not None
    created = {"projects": 0, "tasks": 0, "entries": 0}
    writer = _AccountWriter(user.id, batch, existing)

    async def count(parts: list[Part]) -> None:
        nonlocal running
        for planned in writer.plan(parts, running=running):
            running = running or (planned.new_task is not None and "active" in planned.new_task)
            created["tasks"] += planned.new_task is not None
            created["entries"] += planned.entry_count
            writer.record(planned)

    created["projects"] = len(writer.plan_projects(read))
    await _for_each_batch(file, count, lambda _: None)
    batch |= {
        "row_count": read.entries,
        "rows_done": read.entries,
        "created": created,
        "left_out": writer.left_out,
        **writer.result_fields(),
    }
    return DryRun({**read_import(batch), "id": None, "dry_run": True}, [])


async def _update_profile(user: ActingUser, read: AccountFile) -> None:
    account = read.account
    preferences = {f"preferences.{name}": value for name, value in account.preferences.model_dump().items()}
    fields = {"full_name": account.full_name, "timezone": account.timezone, "week_start": account.week_start}
    await User.update_fields(user.id, {**fields, **preferences})
    authentication_service.invalidate(user.id)


async def _for_each_batch(
    file: BinaryIO, handle: Callable[[list[Part]], Awaitable[None]], progress: Callable[[int], object]
) -> None:
    """Call `handle` with the tasks and deleted entries of the file in batches."""
    parts, done = iterate_parts(file), 0
    while batch := await run_in_thread(lambda: _next_batch(parts)):
        await handle(batch)
        done += sum(len(part.entries) for part in batch if isinstance(part, TaskPart))
        progress(done)


def _next_batch(parts: Iterator[Part]) -> list[Part]:
    batch: list[Part] = []
    entries = 0
    while (
        entries < MAX_ENTRIES_PER_BATCH and len(batch) < MAX_PARTS_PER_BATCH and (part := next(parts, None)) is not None
    ):
        batch.append(part)
        entries += len(part.entries) if isinstance(part, TaskPart) else 1
    return batch


@dataclass(slots=True)
class _Planned:
    """What is written of one task or deleted entry of the file."""

    task_id: ObjectId
    new_task: Row | None = None
    project_id: ObjectId | None = None
    entries: list[Row] = field(default_factory=list)
    deleted: Row | None = None
    duplicates: list[Row] = field(default_factory=list)
    notice: str | None = None

    @property
    def entry_count(self) -> int:
        """The number of entries that are added to the task."""
        return len(self.entries)

    def entry_ids(self) -> list[ObjectId]:
        """Return the ids of these entries and of the deleted entry."""
        return [entry["id"] for entry in self.entries] + ([] if self.deleted is None else [self.deleted["_id"]])


class _AccountWriter:
    """Writes an account file in parts, each in one transaction."""

    def __init__(self, user_id: ObjectId, batch: Row, existing: ExistingAccount) -> None:
        self._user_id = user_id
        self._batch = batch
        self._existing = existing
        self._projects: dict[str, ObjectId] = {}
        self._written: set[ObjectId] = set()
        self.duplicates = 0
        self.left_out: list[Row] = []
        self.notices: list[Row] = []

    def plan_projects(self, read: AccountFile) -> list[Row]:
        """Return the projects to create. A project whose name exists is the existing one."""
        new = []
        existing_ids = set(self._existing.projects.values())
        for line in read.projects:
            project_id = self._existing.new_id(line.id)
            if project_id not in existing_ids:
                project_id = self._existing.projects.get(line.name, project_id)
            self._projects[line.id] = project_id
            if project_id not in existing_ids:
                new.append(project_row(line, self._user_id, self._existing.new_id, self._batch["_id"]))
        return new

    async def write_projects(self, read: AccountFile) -> None:
        """Create the projects. Raises StalePlanError or LeaseLostError."""
        new = self.plan_projects(read)
        for first in range(0, len(new), MAX_PROJECTS_PER_BATCH):
            await self._create_projects(new[first : first + MAX_PROJECTS_PER_BATCH])

    async def write(self, parts: list[Part]) -> None:
        """Write tasks with their entries, and deleted entries. Raises StalePlanError or LeaseLostError."""
        task_ids = [self._task_id(part) for part in parts]
        existing_ids = [task_id for task_id in task_ids if task_id in self._existing.tasks]
        sizes = await Task.sizes_in_bytes(self._user_id, existing_ids)
        for some in split_by_size(parts, sizes, self._task_id, max_bytes=IMPORT_BATCH_BYTES):
            for planned in await write_part(self._batch, lambda some=some: self._attempt(some)):  # type: ignore[misc]
                self.record(planned)

    def result_fields(self) -> Row:
        """Return the fields of the import that are known once everything is written."""
        return {"duplicates": self.duplicates, "notices": self.notices[:MAX_FINDINGS]}

    def _task_id(self, part: Part) -> ObjectId:
        return self._existing.new_id(part.task_id if isinstance(part, DeletedEntryLine) else part.task.id)

    def record(self, planned: _Planned) -> None:
        """Record the duplicates and the notice of a part that is written."""
        self._written.update(planned.entry_ids())
        self.duplicates += len(planned.duplicates)
        self.left_out += planned.duplicates[: MAX_FINDINGS - len(self.left_out)]
        if planned.notice is not None:
            self.notices.append({"row": 0, "column": None, "message": planned.notice})

    def plan(self, parts: list[Part], *, running: bool) -> list[_Planned]:
        """Return what to write of these parts. `running` tells whether the user has a running timer."""
        result = []
        seen: set[ObjectId] = set()
        for part in parts:
            if isinstance(part, DeletedEntryLine):
                planned = self._plan_deleted_entry(part, seen)
            else:
                planned = self._plan_task(part, seen, running=running)
                running = running or (planned.new_task is not None and "active" in planned.new_task)
            seen.update(planned.entry_ids())
            result.append(planned)
        return result

    def _plan_task(self, part: TaskPart, seen: set[ObjectId], *, running: bool) -> _Planned:
        existing, planned = self._existing, _Planned(self._existing.new_id(part.task.id))
        lines = []
        seen_here = set(seen)
        for number, line in enumerate(part.entries, part.line + 1):
            entry_id = existing.new_id(line.id)
            if entry_id in seen_here or entry_id in self._written:
                continue  # it was moved during the export, so it is in the file twice
            seen_here.add(entry_id)
            if entry_id in existing.entries:
                if entry_id not in existing.own:
                    planned.duplicates.append({"row": number, "reason": ALREADY_IN_ACCOUNT})
            elif line.ended_at is None and (running or planned.task_id in existing.tasks):
                planned.notice = (
                    f"the timer of {part.task.title!r} was left out: another timer is running, or it has ended"
                )
            else:
                lines.append(line)
        planned.entries = [entry_row(line, existing.new_id, self._batch["_id"]) for line in lines]
        if planned.task_id not in existing.tasks:
            planned.new_task = task_row(
                part.task, planned.entries, self._user_id, existing.new_id, self._batch["_id"], self._projects
            )
            planned.project_id = planned.new_task["project_id"]
        return planned

    def _plan_deleted_entry(self, line: DeletedEntryLine, seen: set[ObjectId]) -> _Planned:
        planned, entry_id = _Planned(self._existing.new_id(line.task_id)), self._existing.new_id(line.id)
        is_expired = naive_utc(line.deleted_at) <= naive_utc(utc_now() - RETENTION)
        exists = any(entry_id in ids for ids in (seen, self._written, self._existing.entries))
        if not is_expired and not exists:
            new_id = self._existing.new_id
            planned.deleted = deleted_row(line, self._user_id, planned.task_id, new_id, self._batch["_id"])
        return planned

    async def _create_projects(self, new: list[Row]) -> None:
        async def attempt() -> bool | None:
            try:
                await Project.add_all(new)
            except DuplicateError as error:
                raise StalePlanError from error
            await self._add_created({"projects": len(new), "tasks": 0, "entries": 0})
            return True

        await write_part(self._batch, attempt)

    async def _attempt(self, parts: list[Part]) -> list[_Planned] | None:
        running = await Task.find_running(self._user_id) is not None
        planned_parts = self.plan(parts, running=running)
        for project_id in {planned.project_id for planned in planned_parts} - {None}:
            if project_id and not await Project.confirm_live(self._user_id, project_id):
                raise StalePlanError
        new = [planned.new_task for planned in planned_parts if planned.new_task is not None]
        if new:
            await Task.add_all(new)
        for planned in planned_parts:
            if planned.new_task is None and planned.entries and not await self._add_to_task(planned):
                return None
        deleted = [planned.deleted for planned in planned_parts if planned.deleted is not None]
        if deleted:
            await DeletedEntry.add_all(deleted)
        created = {
            "projects": 0,
            "tasks": len(new),
            "entries": sum(planned.entry_count for planned in planned_parts),
        }
        await self._add_created(created, rows=sum(len(part.entries) for part in parts if isinstance(part, TaskPart)))
        return planned_parts

    async def _add_to_task(self, planned: _Planned) -> bool:
        """Add the entries to an existing task. Return False on a version conflict."""
        tasks = await find_targets(self._user_id, [planned.task_id], in_trash=True)
        if not tasks:
            raise StalePlanError
        (task,) = tasks
        return await add_imported_entries(task, planned.entries) is not None

    async def _add_created(self, created: dict[str, int], *, rows: int = 0) -> None:
        await require_lease(ImportBatch.add_created(self._batch, created, [], max_errors=0, rows=rows))
