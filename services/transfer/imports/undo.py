"""Taking an import back: exactly what it made, and nobody has changed since."""

from bson import ObjectId

from documents.common.base import DuplicateError, Row
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from documents.transfer.import_batches import ImportBatch
from documents.transfer.import_queries import count_entries_of, made_by, made_deleted, tasks_with_untouched_entries
from services.tracking.projects import project_service
from services.transfer.imports.lease import require_hold, written_as_one

TASKS_AT_ONCE = 100
"""How many empty tasks are removed as one."""


class Undoing:
    """One try at taking an import back: where it is interrupted, the next goes on. `removed` is what it removes."""

    def __init__(self, batch: Row) -> None:
        self.batch = batch
        self._user_id: ObjectId = batch["user_id"]
        self._import_id: ObjectId = batch["_id"]
        self.removed = {"projects": 0, "tasks": 0, "entries": 0}

    async def run(self) -> None:
        """Removes entries first, then tasks that hold none, then projects that no task is in.

        Raises ImportTakenOverError when another has come to do it.
        """
        for task_id in await tasks_with_untouched_entries(self._user_id, self._import_id, self.batch["created_at"]):
            self.removed["entries"] += await self._take_entries(task_id)
        made = await made_by(Task, self._user_id, self._import_id)
        for first in range(0, len(made), TASKS_AT_ONCE):
            self.removed["tasks"] += await self._remove_tasks(made[first : first + TASKS_AT_ONCE])
        for deleted in await made_deleted(self._user_id, self._import_id, self.batch["created_at"]):
            await DeletedEntry.remove(deleted)
        for project in await made_by(Project, self._user_id, self._import_id):
            self.removed["projects"] += await self._remove_project(project)

    async def left(self) -> dict[str, int]:
        """How many are still there of what the import has made."""
        return {
            "projects": len(await made_by(Project, self._user_id, self._import_id)),
            "tasks": len(await made_by(Task, self._user_id, self._import_id)),
            "entries": await count_entries_of(self._user_id, self._import_id),
        }

    async def _take_entries(self, task_id: ObjectId) -> int:
        """How many were taken out of a task, all at once."""

        async def attempt() -> int | None:
            task = await Task.find_any(self._user_id, task_id)
            if task is None:
                return 0
            if not await Task.remove_imported_entries(task, self._import_id, self.batch["created_at"]):
                return None
            await self._keep_hold()
            after = await Task.find_any(self._user_id, task_id)
            return None if after is None else task["entry_count"] - after["entry_count"]

        return await written_as_one(self.batch, attempt)

    async def _remove_tasks(self, tasks: list[Row]) -> int:
        async def attempt() -> int | None:
            removed = sum([await Task.remove_imported_task(task) for task in tasks])
            await self._keep_hold()
            return removed

        return await written_as_one(self.batch, attempt)

    async def _remove_project(self, project: Row) -> bool:
        """Whether it is gone: it is, unless somebody has changed it, or a task is in it.

        It is marked first: whoever puts a task into it later does not find it, and what was put
        there before is found here. Then it is as it was.
        """
        if project["deleted_at"] is not None:  # an earlier try was interrupted, or somebody deletes it
            await project_service.finish_deletion(self._user_id, project["_id"])
            return True
        untouched = project["updated_at"] == project["created_at"] or project["updated_at"] < self.batch["created_at"]
        if not untouched or await self._has_tasks(project):
            return False

        async def attempt() -> tuple[bool] | None:
            marked = await Project.begin_deletion_if_unchanged(project)
            await self._keep_hold()
            return (marked,)

        (marked,) = await written_as_one(self.batch, attempt)
        if marked and await self._has_tasks(project):
            try:
                return not await Project.cancel_deletion(project)
            except DuplicateError:
                pass  # another has its name by now
        if marked:
            await project_service.finish_deletion(self._user_id, project["_id"])
        return marked

    async def _has_tasks(self, project: Row) -> bool:
        return bool(await Task.find_ids_in_project(self._user_id, project["_id"]))

    async def _keep_hold(self) -> None:
        await require_hold(ImportBatch.keep_hold(self.batch))
