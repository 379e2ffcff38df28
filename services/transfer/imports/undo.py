"""Undoing an import: removing what it created and nobody has changed since."""

from bson import ObjectId

from documents.common.base import DuplicateError, Row
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from documents.transfer.import_batches import ImportBatch
from documents.transfer.import_queries import (
    count_entries,
    find_created_by,
    find_created_deleted_entries,
    find_tasks_to_undo,
)
from documents.transfer.imported_tasks import remove_imported_entries, remove_imported_task
from services.tracking.projects import project_service
from services.transfer.imports.lease import require_lease, write_part

TASKS_PER_TRANSACTION = 100


class ImportUndo:
    """One attempt to undo a leased import. After an interruption the next attempt continues.

    Attributes:
        removed: How many projects, tasks and entries this attempt has removed.
    """

    def __init__(self, batch: Row) -> None:
        self.batch = batch
        self._user_id: ObjectId = batch["user_id"]
        self._import_id: ObjectId = batch["_id"]
        self.removed = {"projects": 0, "tasks": 0, "entries": 0}

    async def run(self) -> None:
        """Remove entries, then tasks without entries, then projects without tasks. Raises LeaseLostError."""
        created_at = self.batch["created_at"]
        for task_id in await find_tasks_to_undo(self._user_id, self._import_id, created_at):
            self.removed["entries"] += await self._remove_entries(task_id)
        tasks = await find_created_by(Task, self._user_id, self._import_id)
        for first in range(0, len(tasks), TASKS_PER_TRANSACTION):
            self.removed["tasks"] += await self._remove_tasks(tasks[first : first + TASKS_PER_TRANSACTION])
        for deleted in await find_created_deleted_entries(self._user_id, self._import_id, created_at):
            await DeletedEntry.remove(deleted)
        for project in await find_created_by(Project, self._user_id, self._import_id):
            self.removed["projects"] += await self._remove_project(project)

    async def count_left(self) -> dict[str, int]:
        """Return how many projects, tasks and entries of the import still exist."""
        return {
            "projects": len(await find_created_by(Project, self._user_id, self._import_id)),
            "tasks": len(await find_created_by(Task, self._user_id, self._import_id)),
            "entries": await count_entries(self._user_id, self._import_id),
        }

    async def _remove_entries(self, task_id: ObjectId) -> int:
        """Remove the unmodified entries of a task in one transaction. Return their number."""

        async def attempt() -> int | None:
            task = await Task.find_any(self._user_id, task_id)
            if task is None:
                return 0
            if not await remove_imported_entries(task, self._import_id, self.batch["created_at"]):
                return None
            await self._renew_lease()
            after = await Task.find_any(self._user_id, task_id)
            return None if after is None else task["entry_count"] - after["entry_count"]

        return await write_part(self.batch, attempt)

    async def _remove_tasks(self, tasks: list[Row]) -> int:
        async def attempt() -> int | None:
            removed = sum([await remove_imported_task(task) for task in tasks])
            await self._renew_lease()
            return removed

        return await write_part(self.batch, attempt)

    async def _remove_project(self, project: Row) -> bool:
        """Remove a project unless it was changed or has tasks. Return whether it is removed.

        It is marked as deleted first. A task that is added later does not find the project, and a task that was
        added before is found after that; then the mark is removed.
        """
        if project["deleted_at"] is not None:  # an interrupted attempt, or a deletion by the user
            await project_service.finish_deletion(self._user_id, project["_id"])
            return True
        unmodified = project["updated_at"] == project["created_at"] or project["updated_at"] < self.batch["created_at"]
        if not unmodified or await self._has_tasks(project):
            return False

        async def attempt() -> tuple[bool] | None:
            marked = await Project.begin_deletion_if_unchanged(project)
            await self._renew_lease()
            return (marked,)

        (marked,) = await write_part(self.batch, attempt)
        if marked and await self._has_tasks(project):
            try:
                return not await Project.cancel_deletion(project)
            except DuplicateError:
                pass  # another project has taken the name
        if marked:
            await project_service.finish_deletion(self._user_id, project["_id"])
        return marked

    async def _has_tasks(self, project: Row) -> bool:
        return bool(await Task.find_ids_in_project(self._user_id, project["_id"]))

    async def _renew_lease(self) -> None:
        await require_lease(ImportBatch.renew_lease(self.batch))
