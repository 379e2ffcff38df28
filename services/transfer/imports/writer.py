"""Writing what was planned: a part of it at a time, each with its count in one transaction."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from bson import ObjectId

from documents.accounts.users import OverlapPolicy, User
from documents.common.base import DocumentFullError, DuplicateError, Row
from documents.tracking.entries import TimeEntry
from documents.tracking.projects import Project
from documents.tracking.queries.overlap import MAX_OVERLAPS
from documents.tracking.tasks import Task
from documents.transfer.import_batches import MAX_FINDINGS, ImportBatch
from documents.transfer.import_queries import imported_project, imported_task
from services.common.acting_user import ActingUser
from services.common.intervals import seconds_between
from services.tracking.rules.transaction_sizes import IMPORT_BATCH_BYTES, split_by_size
from services.tracking.schemas.overlaps import OverlapRead
from services.transfer.imports.lease import require_hold, written_as_one
from services.transfer.imports.overlaps import Checked, Latest, checked
from services.transfer.imports.plan import ROOM, Known, Place, PlannedEntry

MADE_AT_ONCE = 50
"""After so many entries others get their turn."""

MAX_UNDOUBTED_LENGTH = timedelta(days=31)
"""A longer entry is marked for review: nobody could write it by hand."""

MAX_PLANS = 100
"""How often an import is planned anew since others change what it goes by. What it has written stays."""


class PlanIsStaleError(Exception):
    """What the plan goes by is no longer so: a task is full or gone, a name is taken, a project is being deleted."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What a transaction has kept."""

    checked: Checked
    projects: dict[str, ObjectId]


class Writing:
    """The writing of one plan. Each part is kept as a whole, or the next try finds nothing of it."""

    def __init__(
        self, user: ActingUser, batch: Row, known: Known, *, policy: OverlapPolicy, zone: str, latest: Latest | None
    ) -> None:
        self._user = user
        self._batch = batch
        self._projects = dict(known.projects)
        self._policy = policy
        self._zone = zone
        self._listed = batch["error_count"]
        self.latest = latest
        self.overlaps: list[OverlapRead] = []

    async def write(self, planned: list[PlannedEntry]) -> None:
        """Writes this part, as one or, where the tasks that are there already are large, in smaller parts.

        Raises PlanIsStaleError or ImportTakenOverError, and then nothing of it or of its last part is written.
        """
        standing = {entry.place.task_id for entry in planned if entry.place.new is None}
        sizes = await Task.sizes_in_bytes(self._user.id, list(standing))
        for part in split_by_size(planned, sizes, lambda entry: entry.place.task_id, max_bytes=IMPORT_BATCH_BYTES):
            await self._write(part)

    async def _write(self, planned: list[PlannedEntry]) -> None:
        done = await written_as_one(self._batch, lambda: self._attempt(planned))
        self._projects = done.projects
        self._listed += len(done.checked.errors)
        self.overlaps += done.checked.overlaps[: MAX_OVERLAPS - len(self.overlaps)]
        self.latest = done.checked.latest
        for entry in done.checked.entries:
            entry.place.new = None

    async def _attempt(self, planned: list[PlannedEntry]) -> _Done | None:
        if self._policy != "allow":
            await User.lock_timeline(self._user.id)
        found = await checked(self._user, planned, self._policy, import_id=self._batch["_id"], latest=self.latest)
        by_task: dict[ObjectId, list[PlannedEntry]] = {}
        for entry in found.entries:
            by_task.setdefault(entry.place.task_id, []).append(entry)
        try:
            standing = await self._standing({task_id: entries[0].place for task_id, entries in by_task.items()})
            projects = await self._with_projects(found.entries)
            rates = await self._rates(found.entries, standing)
            made = await self._with_tasks(by_task, standing, projects, rates, found.doubtful)
        except (DuplicateError, DocumentFullError) as taken:
            raise PlanIsStaleError from taken
        if made is None:
            return None
        created = {"projects": len(projects) - len(self._projects), "tasks": made, "entries": len(found.entries)}
        errors = [{"row": error.row, "column": error.column, "message": error.message} for error in found.errors]
        room = max(0, MAX_FINDINGS - self._listed)
        await require_hold(ImportBatch.add_made(self._batch, created, errors, room=room, rows=len(planned)))
        return _Done(found, projects)

    async def _standing(self, places: dict[ObjectId, Place]) -> dict[ObjectId, Row]:
        """The tasks that are there already. Raises PlanIsStaleError when one is not what was planned."""
        wanted = {task_id: place for task_id, place in places.items() if place.new is None}
        if not wanted:
            return {}
        mine: Row = {"user_id": self._user.id, "_id": {"$in": list(wanted)}, "deleted_at": None}
        found = {
            task["_id"]: task
            for task in await Task.aggregate_rows([{"$match": mine}, {"$project": Task.read_projection}])
        }
        for task_id, place in wanted.items():
            task = found.get(task_id)
            if task is None or place.found_as not in {None, (task["project_id"], task["title"])}:
                raise PlanIsStaleError
        return found

    async def _with_projects(self, entries: list[PlannedEntry]) -> dict[str, ObjectId]:
        """The ids of all projects by name, those of the tasks that are to be made among them, made if need be."""
        clients: dict[str, str | None] = {}
        for entry in entries:
            if entry.place.new_in is not None:
                clients.setdefault(entry.place.new_in, entry.row.client)
        new = [
            imported_project(self._user.id, name, client, import_id=self._batch["_id"])
            for name, client in clients.items()
            if name not in self._projects
        ]
        if new:
            await Project.add_all(new)
        return self._projects | {project["name"]: project["_id"] for project in new}

    async def _rates(self, entries: list[PlannedEntry], standing: dict[ObjectId, Row]) -> dict[ObjectId, Row | None]:
        """What an hour costs in each project that was there before, and gets time now."""
        names = {entry.place.new_in for entry in entries}
        used = {project_id for name, project_id in self._projects.items() if name in names}
        used |= {task["project_id"] for task in standing.values() if task["project_id"] is not None}
        return {project_id: await self._rate_in(project_id) for project_id in sorted(used)}

    async def _rate_in(self, project_id: ObjectId) -> Row | None:
        # Changed as well, so that a deletion or a new rate comes before this or after it, and then sees it.
        if not await Project.confirm_live(self._user.id, project_id):
            raise PlanIsStaleError
        project = await Project.find_live(self._user.id, project_id)
        if project is None:
            raise PlanIsStaleError
        rate: Row | None = project["hourly_rate"]
        return rate

    async def _with_tasks(
        self,
        by_task: dict[ObjectId, list[PlannedEntry]],
        standing: dict[ObjectId, Row],
        projects: dict[str, ObjectId],
        rates: dict[ObjectId, Row | None],
        doubtful: set[int],
    ) -> int | None:
        """How many tasks were made, now that all entries are in theirs; None when one has moved on."""
        new = []
        for task_id, planned in by_task.items():
            task, place = standing.get(task_id), planned[0].place
            project_id = _project_of(place, task, projects)
            billable = False if task is None else task["billable"]
            rate = None if project_id is None else rates.get(project_id)
            entries = []
            for entry in planned:
                entries.append(self._entry(entry, billable, rate, entry.row.number in doubtful))
                if len(entries) % MADE_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if place.new is not None:
                made = imported_task(
                    self._user.id, task_id, place.new, project_id, entries, import_id=self._batch["_id"]
                )
                new.append(made)
            elif task is None or task["entry_count"] + len(entries) > ROOM:
                raise PlanIsStaleError
            elif await Task.add_imported_entries(task, entries) is None:
                return None
        if new:
            await Task.add_all(new)
        return len(new)

    def _entry(self, planned: PlannedEntry, of_task: bool, rate: Row | None, doubtful: bool) -> Row:
        row = planned.row
        billable = of_task if row.billable is None else row.billable
        own = None if row.hourly_rate is None else {"amount": row.hourly_rate[0], "currency": row.hourly_rate[1]}
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
            needs_review=doubtful or row.ended_at - row.started_at > MAX_UNDOUBTED_LENGTH,
            hourly_rate=own or (rate if billable and row.takes_project_rate else None),
            import_id=self._batch["_id"],
            import_key=planned.key,
        )


def _project_of(place: Place, task: Row | None, projects: dict[str, ObjectId]) -> ObjectId | None:
    """The project of a task that is there, or of one that is to be made."""
    if task is not None:
        project_id: ObjectId | None = task["project_id"]
        return project_id
    return None if place.new_in is None else projects[place.new_in]
