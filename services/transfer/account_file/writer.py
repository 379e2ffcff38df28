"""Writing an account file: one part after the other, each in one transaction."""

from dataclasses import dataclass, field
from functools import partial

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import DuplicateError, Row
from documents.tracking.deleted_entries import RETENTION, DeletedEntry
from documents.tracking.pages import TaskPage
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from documents.transfer.import_batches import MAX_FINDINGS, ImportBatch
from documents.transfer.import_queries import find_targets
from documents.transfer.imported_pages import add_imported_entries, new_pages, place_entries
from services.tracking.rules.transaction_sizes import IMPORT_BATCH_BYTES, split_by_size
from services.transfer.account_file.existing import ExistingAccount
from services.transfer.account_file.reader import AccountFile, TaskPart
from services.transfer.account_file.rows import deleted_row, entry_row, project_row, task_row
from services.transfer.imports.lease import require_lease, write_part
from services.transfer.imports.writer import StalePlanError, make_room
from services.transfer.schemas.account_file import DeletedEntryLine

MAX_PROJECTS_PER_BATCH = 500

ALREADY_IN_ACCOUNT = "duplicate: this account has this entry"

Part = TaskPart | DeletedEntryLine


@dataclass(slots=True)
class PlannedPart:
    """What is written of one task or deleted entry of the file."""

    task_id: ObjectId
    is_last: bool = True
    new_task: Row | None = None
    new_pages: list[Row] = field(default_factory=list)
    project_id: ObjectId | None = None
    entries: list[Row] = field(default_factory=list)
    earlier_entries: int = 0
    """The number of entries in pages that were written before the new task, or that wait to be written with it."""
    deleted: Row | None = None
    duplicates: list[Row] = field(default_factory=list)
    notice: str | None = None

    @property
    def entry_count(self) -> int:
        """The number of entries that are added to the task."""
        return self.earlier_entries + len(self.entries)

    @property
    def has_new_timer(self) -> bool:
        """Whether a running timer is created."""
        return self.new_task is not None and "active" in self.new_task

    def entry_ids(self) -> list[ObjectId]:
        """Return the ids of these entries and of the deleted entry."""
        return [entry["id"] for entry in self.entries] + ([] if self.deleted is None else [self.deleted["_id"]])


@dataclass(slots=True)
class _LargeTask:
    """A new task of which some parts are read. It is created with the last part, in one transaction.

    Until then no task lists its pages.

    Attributes:
        waiting: The ended entries that are in no page.
        pages: The pages that are written, without their entries.
        running: The running entry, if one was read.
    """

    waiting: list[Row] = field(default_factory=list)
    pages: list[Row] = field(default_factory=list)
    running: list[Row] = field(default_factory=list)

    @property
    def entry_count(self) -> int:
        """The number of ended entries."""
        paged: int = sum(page["entry_count"] for page in self.pages)
        return len(self.waiting) + paged


class AccountWriter:
    """Writes an account file in parts, each in one transaction."""

    def __init__(self, user_id: ObjectId, batch: Row, existing: ExistingAccount) -> None:
        self._user_id = user_id
        self._batch = batch
        self._existing = existing
        self._projects: dict[str, ObjectId] = {}
        self._written: set[ObjectId] = set()
        self._large = _LargeTask()
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
        rest: list[Part] = []
        for part in parts:
            if isinstance(part, TaskPart) and not part.is_last and self._task_id(part) not in self._existing.tasks:
                await self._write_parts(rest)
                rest = []
                await self._write_pages(part)
            else:
                rest.append(part)
        await self._write_parts(rest)

    async def _write_parts(self, parts: list[Part]) -> None:
        sizes = await make_room(self._user_id, self._existing_tasks(parts), in_trash=True)
        for some in split_by_size(parts, sizes, self._task_id, max_bytes=IMPORT_BATCH_BYTES):
            task_ids = self._existing_tasks(some)
            for planned in await write_part(self._batch, partial(self._attempt, some), task_ids=task_ids):
                self.record(planned)

    def _existing_tasks(self, parts: list[Part]) -> set[ObjectId]:
        return {self._task_id(part) for part in parts} & self._existing.tasks

    async def _write_pages(self, part: TaskPart) -> None:
        """Write pages with entries of a new task, before the task itself."""
        planned = self._plan_task(part, set(), running=False)
        large = _LargeTask() if part.is_first else self._large
        ended = [entry for entry in planned.entries if entry["ended_at"] is not None]
        placement = place_entries([*large.waiting, *ended], is_last=False)
        pages = new_pages(self._user_id, planned.task_id, placement)
        if pages:
            await TaskPage.add_all(pages)
        summaries = [{name: value for name, value in page.items() if name != "entries"} for page in pages]
        running = [entry for entry in planned.entries if entry["ended_at"] is None]
        self._large = _LargeTask(placement.hot, [*large.pages, *summaries], large.running + running)
        self.record(planned)
        await self._add_created({"projects": 0, "tasks": 0, "entries": 0}, rows=len(part.entries))

    def result_fields(self) -> Row:
        """Return the fields of the import that are known once everything is written."""
        return {"duplicates": self.duplicates, "notices": self.notices[:MAX_FINDINGS]}

    def _task_id(self, part: Part) -> ObjectId:
        return self._existing.new_id(part.task_id if isinstance(part, DeletedEntryLine) else part.task.id)

    def record(self, planned: PlannedPart) -> None:
        """Record the duplicates and the notice of a part that is written."""
        self._written.update(planned.entry_ids())
        self.duplicates += len(planned.duplicates)
        self.left_out += planned.duplicates[: MAX_FINDINGS - len(self.left_out)]
        if planned.notice is not None:
            self.notices.append({"row": 0, "column": None, "message": planned.notice})

    def plan(self, parts: list[Part], *, running: bool) -> list[PlannedPart]:
        """Return what to write of these parts. `running` tells whether the user has a running timer."""
        result = []
        seen: set[ObjectId] = set()
        for part in parts:
            if isinstance(part, DeletedEntryLine):
                planned = self._plan_deleted_entry(part, seen)
            else:
                planned = self._plan_task(part, seen, running=running)
                running = running or planned.has_new_timer
            seen.update(planned.entry_ids())
            result.append(planned)
        return result

    def _plan_task(self, part: TaskPart, seen: set[ObjectId], *, running: bool) -> PlannedPart:
        existing, planned = self._existing, PlannedPart(self._existing.new_id(part.task.id), part.is_last)
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
                planned.notice = _timer_notice(part)
            else:
                lines.append(line)
        planned.entries = [entry_row(line, existing.new_id, self._batch["_id"]) for line in lines]
        if planned.task_id not in existing.tasks and part.is_last:
            self._plan_new_task(part, planned, running=running)
        return planned

    def _plan_new_task(self, part: TaskPart, planned: PlannedPart, *, running: bool) -> None:
        """Plan the task of which `planned` has the last entries."""
        large = _LargeTask() if part.is_first else self._large
        if large.running and running:
            planned.notice = _timer_notice(part)
        elif large.running:
            planned.entries += large.running
        timers = [entry for entry in planned.entries if entry["ended_at"] is None]
        placement = place_entries([*large.waiting, *(entry for entry in planned.entries if entry["ended_at"])])
        planned.new_pages = new_pages(self._user_id, planned.task_id, placement)
        planned.earlier_entries = large.entry_count
        planned.new_task = task_row(
            part.task,
            [*placement.hot, *timers],
            self._user_id,
            self._existing.new_id,
            self._batch["_id"],
            self._projects,
            [*large.pages, *planned.new_pages],
        )
        planned.project_id = planned.new_task["project_id"]

    def _plan_deleted_entry(self, line: DeletedEntryLine, seen: set[ObjectId]) -> PlannedPart:
        planned, entry_id = PlannedPart(self._existing.new_id(line.task_id)), self._existing.new_id(line.id)
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

    async def _attempt(self, parts: list[Part]) -> list[PlannedPart] | None:
        running = await Task.find_running(self._user_id) is not None
        planned_parts = self.plan(parts, running=running)
        for project_id in {planned.project_id for planned in planned_parts} - {None}:
            if project_id and not await Project.confirm_live(self._user_id, project_id):
                raise StalePlanError
        pages = [page for planned in planned_parts for page in planned.new_pages]
        if pages:
            await TaskPage.add_all(pages)
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

    async def _add_to_task(self, planned: PlannedPart) -> bool:
        """Add the entries to an existing task. Return False on a version conflict."""
        tasks = await find_targets(self._user_id, [planned.task_id], in_trash=True)
        if not tasks:
            raise StalePlanError
        (task,) = tasks
        return await add_imported_entries(task, planned.entries, is_last=planned.is_last) is not None

    async def _add_created(self, created: dict[str, int], *, rows: int = 0) -> None:
        await require_lease(ImportBatch.add_created(self._batch, created, [], max_errors=0, rows=rows))


def _timer_notice(part: TaskPart) -> str:
    return f"the timer of {part.task.title!r} was left out: another timer is running, or it has ended"
