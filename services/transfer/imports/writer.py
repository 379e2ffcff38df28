"""Writing a plan: one part after the other, each in a transaction that also updates the counters of the import."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from bson import ObjectId

from documents.accounts.users import OverlapPolicy, User
from documents.common.base import DocumentFullError, DuplicateError, Row
from documents.tracking.entries import TimeEntry
from documents.tracking.page_turns import turn_page
from documents.tracking.pages import TaskPage
from documents.tracking.projects import Project
from documents.tracking.queries.overlap import MAX_OVERLAPS
from documents.tracking.tasks import Task
from documents.transfer.import_batches import MAX_FINDINGS, ImportBatch
from documents.transfer.import_queries import find_targets, new_project_row, new_task_row
from documents.transfer.imported_pages import add_imported_entries, place_in_new_task
from services.common.acting_user import ActingUser
from services.common.intervals import seconds_between
from services.tracking.rules.transaction_sizes import IMPORT_BATCH_BYTES, split_by_size
from services.tracking.schemas.overlaps import OverlapRead
from services.transfer.imports.lease import require_lease, write_part
from services.transfer.imports.overlaps import LatestRow, OverlapCheck, check_overlaps
from services.transfer.imports.plan import Existing, PlannedEntry, TargetTask

ENTRIES_BETWEEN_YIELDS = 50
"""Creating entries is CPU-bound: yield to the event loop after this many."""

MAX_UNREVIEWED_LENGTH = timedelta(days=31)
"""A longer entry is marked for review. It cannot be created by hand."""

MAX_PLAN_ATTEMPTS = 100
"""How often an import is planned again because other requests changed the data. Parts that are written stay."""


class StalePlanError(Exception):
    """The data has changed since the plan: a task is gone, a name is taken, or a project is being deleted."""


@dataclass(frozen=True, slots=True)
class _PartResult:
    """The result of a transaction, which is applied once it is committed."""

    check: OverlapCheck
    projects: dict[str, ObjectId]


@dataclass(frozen=True, slots=True)
class _Part:
    """What a transaction needs to write its entries.

    Attributes:
        tasks: The existing tasks by id.
        projects: The projects by name, including new ones.
        rates: The hourly rates of existing projects.
        overlapping: The numbers of the rows that overlap other time.
        last: The tasks to which the plan adds no more entries after these.
    """

    tasks: dict[ObjectId, Row]
    projects: dict[str, ObjectId]
    rates: dict[ObjectId, Row | None]
    overlapping: set[int]
    last: set[ObjectId]


async def make_room(user_id: ObjectId, task_ids: set[ObjectId], *, in_trash: bool = False) -> dict[ObjectId, int]:
    """Turn a page of each task with many hot entries. Return the sizes of the tasks before that, in bytes.

    Tasks in the trash are included only with `in_trash`.
    """
    if not task_ids:
        return {}
    tasks = await find_targets(user_id, list(task_ids), in_trash=in_trash)
    for task in tasks:
        if task["hot_count"] >= Task.hot_entries:
            await turn_page(user_id, task["_id"])
    return {task["_id"]: task["bytes"] for task in tasks}


class PlanWriter:
    """Writes the parts of one plan."""

    def __init__(
        self,
        user: ActingUser,
        batch: Row,
        existing: Existing,
        *,
        policy: OverlapPolicy,
        zone: str,
        latest: LatestRow | None,
        overlaps: list[OverlapRead],
    ) -> None:
        """`overlaps` gets the existing entries that rows overlap, until it has MAX_OVERLAPS of them."""
        self._user = user
        self._batch = batch
        self._projects = dict(existing.projects)
        self._policy = policy
        self._zone = zone
        self._error_count = batch["error_count"]
        self.latest = latest
        self._overlaps = overlaps

    async def write(self, planned: list[PlannedEntry]) -> None:
        """Write these entries, in several transactions if the existing tasks are large.

        Raises StalePlanError or LeaseLostError. The last transaction has written nothing then.
        """
        sizes = await make_room(self._user.id, _existing_tasks(planned))
        for part in split_by_size(planned, sizes, lambda entry: entry.target.task_id, max_bytes=IMPORT_BATCH_BYTES):
            await self._write(part)

    async def _write(self, planned: list[PlannedEntry]) -> None:
        existing_tasks = _existing_tasks(planned)
        result = await write_part(self._batch, lambda: self._attempt(planned), task_ids=existing_tasks)
        self._projects = result.projects
        self._error_count += len(result.check.errors)
        self._overlaps += result.check.overlaps[: MAX_OVERLAPS - len(self._overlaps)]
        self.latest = result.check.latest
        for entry in result.check.entries:
            entry.target.new_name = None
        for entry in planned:
            entry.target.planned -= 1

    async def _attempt(self, planned: list[PlannedEntry]) -> _PartResult | None:
        if self._policy != "allow":
            await User.lock_timeline(self._user.id)
        check = await check_overlaps(
            self._user, planned, self._policy, import_id=self._batch["_id"], latest=self.latest
        )
        by_task: dict[ObjectId, list[PlannedEntry]] = {}
        for entry in check.entries:
            by_task.setdefault(entry.target.task_id, []).append(entry)
        try:
            tasks = await self._existing_tasks({task_id: entries[0].target for task_id, entries in by_task.items()})
            projects = await self._create_projects(check.entries)
            rates = await self._hourly_rates(check.entries, tasks)
            part = _Part(tasks, projects, rates, check.overlapping, _last_tasks(planned))
            new_tasks = await self._write_tasks(by_task, part)
        except (DuplicateError, DocumentFullError) as error:
            raise StalePlanError from error
        if new_tasks is None:
            return None
        created = {
            "projects": len(projects) - len(self._projects),
            "tasks": new_tasks,
            "entries": len(check.entries),
        }
        errors = [{"row": error.row, "column": error.column, "message": error.message} for error in check.errors]
        max_errors = max(0, MAX_FINDINGS - self._error_count)
        await require_lease(
            ImportBatch.add_created(self._batch, created, errors, max_errors=max_errors, rows=len(planned))
        )
        return _PartResult(check, projects)

    async def _existing_tasks(self, targets: dict[ObjectId, TargetTask]) -> dict[ObjectId, Row]:
        """Return the existing tasks by id. Raises StalePlanError if one has changed since the plan."""
        existing = {task_id: target for task_id, target in targets.items() if target.new_name is None}
        if not existing:
            return {}
        tasks = {task["_id"]: task for task in await find_targets(self._user.id, list(existing))}
        for task_id, target in existing.items():
            task = tasks.get(task_id)
            if task is None or target.found_as not in {None, (task["project_id"], task["title"])}:
                raise StalePlanError
        return tasks

    async def _create_projects(self, entries: list[PlannedEntry]) -> dict[str, ObjectId]:
        """Create the projects that new tasks need. Return the ids of all projects by name."""
        clients: dict[str, str | None] = {}
        for entry in entries:
            if entry.target.new_project is not None:
                clients.setdefault(entry.target.new_project, entry.row.client)
        new = [
            new_project_row(self._user.id, name, client, import_id=self._batch["_id"])
            for name, client in clients.items()
            if name not in self._projects
        ]
        if new:
            await Project.add_all(new)
        return self._projects | {project["name"]: project["_id"] for project in new}

    async def _hourly_rates(
        self, entries: list[PlannedEntry], tasks: dict[ObjectId, Row]
    ) -> dict[ObjectId, Row | None]:
        """Return the hourly rates of the existing projects that get entries."""
        names = {entry.target.new_project for entry in entries}
        used = {project_id for name, project_id in self._projects.items() if name in names}
        used |= {task["project_id"] for task in tasks.values() if task["project_id"] is not None}
        return {project_id: await self._hourly_rate(project_id) for project_id in sorted(used)}

    async def _hourly_rate(self, project_id: ObjectId) -> Row | None:
        # This updates the project, so that a concurrent deletion or a new rate conflicts with this transaction.
        if not await Project.confirm_live(self._user.id, project_id):
            raise StalePlanError
        project = await Project.find_live(self._user.id, project_id)
        if project is None:
            raise StalePlanError
        rate: Row | None = project["hourly_rate"]
        return rate

    async def _write_tasks(self, by_task: dict[ObjectId, list[PlannedEntry]], part: _Part) -> int | None:
        """Create tasks, or add entries to them. Return the number of new tasks, or None on a version conflict."""
        new: list[Row] = []
        new_task_pages: list[Row] = []
        for task_id, planned in by_task.items():
            task, target, is_last = part.tasks.get(task_id), planned[0].target, task_id in part.last
            project_id = _project_of(target, task, part.projects)
            entries = await self._entry_rows(planned, task, project_id, part)
            if target.new_name is not None:
                pages, fields = place_in_new_task(self._user.id, task_id, entries, is_last=is_last)
                name, import_id = target.new_name, self._batch["_id"]
                new.append(new_task_row(self._user.id, task_id, name, project_id, fields, import_id=import_id))
                new_task_pages += pages
            elif task is None:
                raise StalePlanError
            elif await add_imported_entries(task, entries, is_last=is_last) is None:
                return None
        if new_task_pages:
            await TaskPage.add_all(new_task_pages)
        if new:
            await Task.add_all(new)
        return len(new)

    async def _entry_rows(
        self, planned: list[PlannedEntry], task: Row | None, project_id: ObjectId | None, part: _Part
    ) -> list[Row]:
        """Return the entries to write to one task."""
        billable = False if task is None else task["billable"]
        rate = None if project_id is None else part.rates.get(project_id)
        entries = []
        for entry in planned:
            entries.append(self._entry_row(entry, billable, rate, entry.row.number in part.overlapping))
            if len(entries) % ENTRIES_BETWEEN_YIELDS == 0:
                await asyncio.sleep(0)
        return entries

    def _entry_row(self, planned: PlannedEntry, task_billable: bool, project_rate: Row | None, overlaps: bool) -> Row:
        row = planned.row
        billable = task_billable if row.billable is None else row.billable
        row_rate = None if row.hourly_rate is None else {"amount": row.hourly_rate[0], "currency": row.hourly_rate[1]}
        return TimeEntry.ended(
            ObjectId(),
            source="import",
            started_at=row.started_at,
            ended_at=row.ended_at,
            duration_seconds=seconds_between(row.started_at, row.ended_at),
            note=row.note,
            tags=list(row.tags),
            billable=billable,
            timezone=row.timezone or self._zone,
            needs_review=overlaps or row.ended_at - row.started_at > MAX_UNREVIEWED_LENGTH,
            hourly_rate=row_rate or (project_rate if billable and row.takes_project_rate else None),
            import_id=self._batch["_id"],
            import_key=planned.key,
        )


def _existing_tasks(planned: list[PlannedEntry]) -> set[ObjectId]:
    return {entry.target.task_id for entry in planned if entry.target.new_name is None}


def _last_tasks(planned: list[PlannedEntry]) -> set[ObjectId]:
    """Return the tasks of which these are the last planned entries."""
    counts = Counter(entry.target.task_id for entry in planned)
    targets = {entry.target.task_id: entry.target for entry in planned}
    return {task_id for task_id, count in counts.items() if targets[task_id].planned <= count}


def _project_of(target: TargetTask, task: Row | None, projects: dict[str, ObjectId]) -> ObjectId | None:
    """Return the project of an existing task, or of a task that is to be created."""
    if task is not None:
        project_id: ObjectId | None = task["project_id"]
        return project_id
    return None if target.new_project is None else projects[target.new_project]
