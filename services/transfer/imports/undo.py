"""Undoing an import: removing what it created and nobody has changed since."""

from collections.abc import Awaitable, Callable

from bson import ObjectId

from documents.common.base import DuplicateError, Row
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.pages import TaskPage
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from documents.transfer.import_batches import ImportBatch
from documents.transfer.import_queries import (
    count_entries,
    find_created_deleted_entries,
    find_created_projects,
    find_created_tasks,
    find_pages_of_import,
    find_tasks_with_hot_entries,
)
from documents.transfer.imported_tasks import ImportedEntries, Removal, remove_imported_task
from documents.transfer.task_batches import split_by_entry_count
from services.tracking.projects import project_service
from services.transfer.imports.lease import require_lease, write_part

TASKS_PER_TRANSACTION = 100

MAX_ENTRIES = 2_000
"""A transaction deletes tasks with at most this number of entries, or one task."""

PAGES_PER_TRANSACTION = 40
"""A transaction reads at most this number of pages, so that it is short."""

MAX_PAGE_ROUNDS = 10
"""How often pages of the import are searched for. The limit ends it when other requests keep turning pages."""


class ImportUndo:
    """One attempt to undo a leased import. After an interruption the next attempt continues.

    Attributes:
        removed: How many projects, tasks and entries this attempt has removed.
    """

    def __init__(self, batch: Row) -> None:
        self.batch = batch
        self._user_id: ObjectId = batch["user_id"]
        self._import_id: ObjectId = batch["_id"]
        self._imported = ImportedEntries(self._user_id, self._import_id, batch["created_at"])
        self.removed = {"projects": 0, "tasks": 0, "entries": 0}

    async def run(self) -> None:
        """Remove entries, then tasks without entries, then projects without tasks. Raises LeaseLostError.

        Tasks that nobody has changed are removed first, with their entries, because that takes the least time.
        """
        created_at = self.batch["created_at"]
        for task_ids in split_by_entry_count(await find_created_tasks(self._user_id, self._import_id), MAX_ENTRIES):
            await self._remove_whole_tasks(task_ids)
        for task_id in await find_tasks_with_hot_entries(self._user_id, self._import_id):
            await self._remove_entries(task_id, [])
        await self._remove_paged_entries()
        tasks = await find_created_tasks(self._user_id, self._import_id)
        for first in range(0, len(tasks), TASKS_PER_TRANSACTION):
            self.removed["tasks"] += await self._remove_tasks(tasks[first : first + TASKS_PER_TRANSACTION])
        for deleted in await find_created_deleted_entries(self._user_id, self._import_id, created_at):
            await DeletedEntry.remove(deleted)
        for project in await find_created_projects(self._user_id, self._import_id):
            self.removed["projects"] += await self._remove_project(project)

    async def count_left(self) -> dict[str, int]:
        """Return how many projects, tasks and entries of the import still exist."""
        return {
            "projects": len(await find_created_projects(self._user_id, self._import_id)),
            "tasks": len(await find_created_tasks(self._user_id, self._import_id)),
            "entries": await count_entries(self._user_id, self._import_id),
        }

    async def _remove_whole_tasks(self, task_ids: list[ObjectId]) -> None:
        removed = await write_part(self.batch, lambda: self._imported.remove_whole_tasks(task_ids))
        self.removed["tasks"] += len(removed)
        self.removed["entries"] += sum(task["entry_count"] for task in removed)

    async def _remove_paged_entries(self) -> None:
        """Remove the unmodified entries in pages. A page that is turned meanwhile is found in the next round."""
        examined: set[tuple[ObjectId, int]] = set()
        for _ in range(MAX_PAGE_ROUNDS):
            pages = await find_pages_of_import(self._user_id, self._import_id)
            by_task: dict[ObjectId, list[ObjectId]] = {}
            for page in pages:
                if (page["_id"], page["version"]) not in examined:
                    by_task.setdefault(page["task_id"], []).append(page["_id"])
            if not by_task:
                return
            examined.update((page["_id"], page["version"]) for page in pages)
            for task_id, page_ids in by_task.items():
                for first in range(0, len(page_ids), PAGES_PER_TRANSACTION):
                    await self._remove_entries(task_id, page_ids[first : first + PAGES_PER_TRANSACTION])

    async def _remove_entries(self, task_id: ObjectId, page_ids: list[ObjectId]) -> None:
        """Remove the unmodified entries of a task that are hot or in these pages, in as few transactions as possible.

        Pages without entries are deleted once the task does not list them any more.
        """
        while True:
            removal = await write_part(self.batch, self._removal_attempt(task_id, page_ids), task_ids=(task_id,))
            self.removed["entries"] += removal.entries
            for page in removal.dropped:
                await TaskPage.delete_by_id(self._user_id, page["_id"])
            if not removal.rest:
                return
            page_ids = removal.rest

    def _removal_attempt(self, task_id: ObjectId, page_ids: list[ObjectId]) -> Callable[[], Awaitable[Removal | None]]:
        async def attempt() -> Removal | None:
            removal = await self._imported.remove_from_task(task_id, page_ids)
            if removal is not None:
                await self._renew_lease()
            return removal

        return attempt

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
