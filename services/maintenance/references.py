"""Checks of the references between a user's tasks, their pages and other documents."""

from collections.abc import Iterator
from typing import Any, Self

from bson import ObjectId

from documents.accounts.users import User
from documents.common.base import Row
from documents.common.json_schema import format_value
from documents.maintenance.inspection import iterate_rows
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.projects import Project
from documents.transfer.import_batches import ImportBatch
from services.maintenance.findings import Inconsistency
from services.tracking.rules.invariants import entry_ids, hot_and_running_entries, import_ids


class References:
    """Checks the references of a user's tasks and pages. Pass it each task, followed by its pages."""

    def __init__(
        self, user_id: Any, *, user_exists: bool, projects: set[Any], deleted: set[Any], imports: set[Any]
    ) -> None:
        self._user_id = user_id
        self._user_exists = user_exists
        self._projects = projects
        self._imports = imports
        self._owner_by_entry = dict.fromkeys(deleted, "deleted_entries")
        self._running_task: str | None = None

    @classmethod
    async def of(cls, user_id: Any) -> Self:
        """Read the ids of all documents that the tasks of a user can refer to."""
        by_owner = {"user_id": user_id}
        return cls(
            user_id,
            user_exists=await User.find_by_id(user_id) is not None,
            projects={row["_id"] async for row in iterate_rows(Project, by_owner)},
            deleted={row["_id"] async for row in iterate_rows(DeletedEntry, by_owner)},
            imports={row["_id"] async for row in iterate_rows(ImportBatch, by_owner)},
        )

    def check_task(self, task: Row) -> Iterator[Inconsistency]:
        """Yield the errors of a task with regard to the documents before it and to the other collections."""
        task_id, entries = task["_id"], hot_and_running_entries(task)
        if not self._user_exists:
            yield Inconsistency("tasks", task_id, f"its user {format_value(self._user_id)} does not exist")
        project_id = task.get("project_id")
        if isinstance(project_id, ObjectId) and project_id not in self._projects:
            message = f"project_id is {project_id}, which is no project of its user"
            yield Inconsistency("tasks", task_id, message, is_repairable=True)
        if "active" in task:
            if self._running_task is not None:
                yield Inconsistency("tasks", task_id, f"its timer runs, and so does that of {self._running_task}")
            self._running_task = format_value(task_id)
        for message in self._entry_errors([task, *entries], format_value(task_id)):
            yield Inconsistency("tasks", task_id, message)

    def check_page(self, page: Row) -> Iterator[Inconsistency]:
        """Yield the errors of a page with regard to the documents before it and to the other collections."""
        entries = [entry for entry in page["entries"] if isinstance(entry, dict)]
        for message in self._entry_errors(entries, f"page {page['_id']}"):
            yield Inconsistency("task_pages", page["_id"], message)

    def _entry_errors(self, rows: list[Row], place: str) -> Iterator[str]:
        """Check the imports of the rows, and that no entry among them was found in another place before."""
        for import_id in import_ids(*rows) - self._imports:
            yield f"import_id {import_id} is no import of its user"
        for entry_id in entry_ids(rows):
            previous_place = self._owner_by_entry.get(entry_id)
            if previous_place is not None:
                yield f"its entry {entry_id} is in {previous_place} too"
            self._owner_by_entry[entry_id] = place
