"""Reading an account file into an account: all that it holds, as it was, and nothing twice."""

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
from services.accounts.authentication import authentication_service
from services.common.acting_user import ActingUser
from services.common.concurrency import TOO_MANY_CONFLICTS
from services.common.offload import run_in_thread
from services.tracking.rules.transaction_sizes import IMPORT_BATCH_BYTES
from services.tracking.rules.transaction_sizes import split_by_size as small_parts_of
from services.transfer.account_file.existing import KnownAccount, known_account
from services.transfer.account_file.reader import AccountFile, TaskPart, parts_of, read_account
from services.transfer.account_file.rows import deleted_row, entry_row, project_row, task_row
from services.transfer.imports.lease import require_hold, written_as_one
from services.transfer.imports.opened_file import Opened, Progress, Rehearsed, Written
from services.transfer.imports.plan import ROOM
from services.transfer.imports.writer import MAX_PLANS, PlanIsStaleError
from services.transfer.schemas.account_file import DeletedEntryLine
from services.transfer.schemas.imports import read_import

ENTRIES_AT_ONCE = 500
PARTS_AT_ONCE = 100
PROJECTS_AT_ONCE = 500

IS_THERE = "is an entry of this account already"

_READ_AT_ONCE = 1024 * 1024

Part = TaskPart | DeletedEntryLine


async def open_account(user: ActingUser, file: BinaryIO, *, progress: Progress) -> Opened:
    """Reads this account file. Overlaps are not looked for: what comes back is as it was.

    Raises ValidationError or BodyTooLargeError.
    """
    digest, read = await run_in_thread(lambda: _read(file))
    return Opened(
        "account",
        digest,
        read.entries,
        lambda: _rehearse(user, file, read, digest),
        lambda batch: _import(user, batch, file, read, progress),
        needs_the_file=True,
    )


def _read(file: BinaryIO) -> tuple[str, AccountFile]:
    content = hashlib.sha256(b"account\n")
    while some := file.read(_READ_AT_ONCE):
        content.update(some)
    return content.hexdigest(), read_account(file)


async def _import(user: ActingUser, batch: Row, file: BinaryIO, read: AccountFile, progress: Progress) -> Written:
    for _ in range(MAX_PLANS):
        await require_hold(ImportBatch.note(batch, {"row_count": read.entries, "rows_done": 0}))
        known = await known_account(user.id, batch["_id"])
        if not known.foreign:
            await _take_over_the_profile(user, read)
        writing = _Writing(user.id, batch, known)
        try:
            await writing.projects(read)
            await _each(file, writing.parts, lambda done: progress(done, read.entries))
        except PlanIsStaleError:
            continue
        return Written({**writing.findings(), "left_out": writing.left_out}, None)
    raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)


async def _rehearse(user: ActingUser, file: BinaryIO, read: AccountFile, digest: str) -> Rehearsed:
    """What the import would answer. Nothing is written."""
    batch = ImportBatch.new(user.id, format="account", digest=digest).as_row()
    known = await known_account(user.id)
    running = await Task.find_running(user.id) is not None
    created = {"projects": 0, "tasks": 0, "entries": 0}
    writing = _Writing(user.id, batch, known)

    async def count(parts: list[Part]) -> None:
        nonlocal running
        for planned in writing.planned(parts, running=running):
            running = running or (planned.new_task is not None and "active" in planned.new_task)
            created["tasks"] += planned.new_task is not None
            created["entries"] += planned.entry_count
            writing.tell(planned)

    created["projects"] = len(writing.planned_projects(read))
    await _each(file, count, lambda _: None)
    batch |= {
        "row_count": read.entries,
        "rows_done": read.entries,
        "created": created,
        "left_out": writing.left_out,
        **writing.findings(),
    }
    return Rehearsed({**read_import(batch), "id": None, "dry_run": True}, [])


async def _take_over_the_profile(user: ActingUser, read: AccountFile) -> None:
    account = read.account
    preferences = {f"preferences.{name}": value for name, value in account.preferences.model_dump().items()}
    fields = {"full_name": account.full_name, "timezone": account.timezone, "week_start": account.week_start}
    await User.update_fields(user.id, {**fields, **preferences})
    authentication_service.invalidate(user.id)


async def _each(file: BinaryIO, do: Callable[[list[Part]], Awaitable[None]], progress: Callable[[int], object]) -> None:
    """Does it with all tasks and deleted entries of the file, some at a time."""
    parts, done = parts_of(file), 0
    while some := await run_in_thread(lambda: _some(parts)):
        await do(some)
        done += sum(len(part.entries) for part in some if isinstance(part, TaskPart))
        progress(done)


def _some(parts: Iterator[Part]) -> list[Part]:
    some: list[Part] = []
    entries = 0
    while entries < ENTRIES_AT_ONCE and len(some) < PARTS_AT_ONCE and (part := next(parts, None)) is not None:
        some.append(part)
        entries += len(part.entries) if isinstance(part, TaskPart) else 1
    return some


@dataclass(slots=True)
class _Planned:
    """What is to be written of a part of the file."""

    task_id: ObjectId
    new_task: Row | None = None
    project_id: ObjectId | None = None
    entries: list[Row] = field(default_factory=list)
    deleted: Row | None = None
    duplicates: list[Row] = field(default_factory=list)
    notice: str | None = None

    @property
    def entry_count(self) -> int:
        """How many entries it adds to tasks."""
        return len(self.entries)

    def entry_ids(self) -> list[ObjectId]:
        """Of those, and of the deleted one."""
        return [entry["id"] for entry in self.entries] + ([] if self.deleted is None else [self.deleted["_id"]])


class _Writing:
    """The writing of an account file, in parts that are each kept as a whole, or not at all."""

    def __init__(self, user_id: ObjectId, batch: Row, known: KnownAccount) -> None:
        self._user_id = user_id
        self._batch = batch
        self._known = known
        self._projects: dict[str, ObjectId] = {}
        self._written: set[ObjectId] = set()
        self.duplicates = 0
        self.left_out: list[Row] = []
        self.notices: list[Row] = []

    def planned_projects(self, read: AccountFile) -> list[Row]:
        """The projects that are to be made: those whose name is there already are that one."""
        new = []
        standing = set(self._known.projects.values())
        for line in read.projects:
            project_id = self._known.new_id(line.id)
            if project_id not in standing:
                project_id = self._known.projects.get(line.name, project_id)
            self._projects[line.id] = project_id
            if project_id not in standing:
                new.append(project_row(line, self._user_id, self._known.new_id, self._batch["_id"]))
        return new

    async def projects(self, read: AccountFile) -> None:
        """Makes the projects. Raises PlanIsStaleError or ImportTakenOverError."""
        new = self.planned_projects(read)
        for first in range(0, len(new), PROJECTS_AT_ONCE):
            await self._make_projects(new[first : first + PROJECTS_AT_ONCE])

    async def parts(self, parts: list[Part]) -> None:
        """Writes these tasks, their entries, and deleted entries. Raises like the other."""
        standing = [self._task_id(part) for part in parts]
        sizes = await Task.sizes_in_bytes(
            self._user_id, [task_id for task_id in standing if task_id in self._known.tasks]
        )
        for some in small_parts_of(parts, sizes, self._task_id, max_bytes=IMPORT_BATCH_BYTES):
            for planned in await written_as_one(self._batch, lambda some=some: self._attempt(some)):  # type: ignore[misc]
                self.tell(planned)

    def findings(self) -> Row:
        """What is known of the file once all of it is written."""
        return {"duplicates": self.duplicates, "notices": self.notices[:MAX_FINDINGS]}

    def _task_id(self, part: Part) -> ObjectId:
        return self._known.new_id(part.task_id if isinstance(part, DeletedEntryLine) else part.task.id)

    def tell(self, planned: _Planned) -> None:
        """Counts what was there already, and keeps what there is to say."""
        self._written.update(planned.entry_ids())
        self.duplicates += len(planned.duplicates)
        self.left_out += planned.duplicates[: MAX_FINDINGS - len(self.left_out)]
        if planned.notice is not None:
            self.notices.append({"row": 0, "column": None, "message": planned.notice})

    def planned(self, parts: list[Part], *, running: bool) -> list[_Planned]:
        """What is to be written of these parts, where a timer runs or not."""
        some = []
        seen: set[ObjectId] = set()
        for part in parts:
            if isinstance(part, DeletedEntryLine):
                planned = self._planned_deleted(part, seen)
            else:
                planned = self._planned_task(part, seen, running=running)
                running = running or (planned.new_task is not None and "active" in planned.new_task)
            seen.update(planned.entry_ids())
            some.append(planned)
        return some

    def _planned_task(self, part: TaskPart, seen: set[ObjectId], *, running: bool) -> _Planned:
        known, planned = self._known, _Planned(self._known.new_id(part.task.id))
        lines = []
        met = set(seen)
        for number, line in enumerate(part.entries, part.line + 1):
            entry_id = known.new_id(line.id)
            if entry_id in met or entry_id in self._written:
                continue  # it was moved while the file was made
            met.add(entry_id)
            if entry_id in known.entries:
                if entry_id not in known.own:
                    planned.duplicates.append({"row": number, "reason": IS_THERE})
            elif line.ended_at is None and (running or planned.task_id in known.tasks):
                planned.notice = f"the timer of {part.task.title!r} was left out: another one runs, or it has ended"
            else:
                lines.append(line)
        planned.entries = [entry_row(line, known.new_id, self._batch["_id"]) for line in lines]
        if planned.task_id not in known.tasks:
            planned.new_task = task_row(
                part.task, planned.entries, self._user_id, known.new_id, self._batch["_id"], self._projects
            )
            planned.project_id = planned.new_task["project_id"]
        return planned

    def _planned_deleted(self, line: DeletedEntryLine, seen: set[ObjectId]) -> _Planned:
        planned, entry_id = _Planned(self._known.new_id(line.task_id)), self._known.new_id(line.id)
        is_over = naive_utc(line.deleted_at) <= naive_utc(utc_now() - RETENTION)
        is_there = any(entry_id in ids for ids in (seen, self._written, self._known.entries))
        if not is_over and not is_there:
            new_id = self._known.new_id
            planned.deleted = deleted_row(line, self._user_id, planned.task_id, new_id, self._batch["_id"])
        return planned

    async def _make_projects(self, new: list[Row]) -> None:
        async def attempt() -> bool | None:
            try:
                await Project.add_all(new)
            except DuplicateError as taken:
                raise PlanIsStaleError from taken
            await self._count({"projects": len(new), "tasks": 0, "entries": 0})
            return True

        await written_as_one(self._batch, attempt)

    async def _attempt(self, parts: list[Part]) -> list[_Planned] | None:
        running = await Task.find_running(self._user_id) is not None
        all_planned = self.planned(parts, running=running)
        for project_id in {planned.project_id for planned in all_planned} - {None}:
            if project_id and not await Project.confirm_live(self._user_id, project_id):
                raise PlanIsStaleError
        new = [planned.new_task for planned in all_planned if planned.new_task is not None]
        if new:
            await Task.add_all(new)
        for planned in all_planned:
            if planned.new_task is None and planned.entries and not await self._add_to_task(planned):
                return None
        deleted = [planned.deleted for planned in all_planned if planned.deleted is not None]
        if deleted:
            await DeletedEntry.add_all(deleted)
        made = {"projects": 0, "tasks": len(new), "entries": sum(planned.entry_count for planned in all_planned)}
        await self._count(made, rows=sum(len(part.entries) for part in parts if isinstance(part, TaskPart)))
        return all_planned

    async def _add_to_task(self, planned: _Planned) -> bool:
        """Whether the entries are in a task that was there before; one that has no room for them stays as it is."""
        task = await Task.find_any(self._user_id, planned.task_id)
        if task is None:
            raise PlanIsStaleError
        if task["entry_count"] + len(planned.entries) > ROOM:
            planned.notice = f"the task {task['title']!r} is full: {len(planned.entries)} entries were left out"
            planned.entries = []
            return True
        return await Task.add_imported_entries(task, planned.entries) is not None

    async def _count(self, made: dict[str, int], *, rows: int = 0) -> None:
        await require_hold(ImportBatch.add_made(self._batch, made, [], room=0, rows=rows))
