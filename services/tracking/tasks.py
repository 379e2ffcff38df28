"""Tasks: making, listing, reading, changing, the trash."""

from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import NotFoundError
from documents.common.base import Row, object_id
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.versions import VersionCondition, Versioned, require_version
from services.tracking.projects import require_referenced_project
from services.tracking.schemas.tasks import (
    TaskCreate,
    TaskPage,
    TaskQuery,
    TaskUpdate,
    read_task,
    read_task_with_entries,
)
from services.tracking.stop import build_ended_entry
from services.tracking.task_list import list_tasks

_STOPS_THE_TIMER = ("pending", "completed")


class TaskNotFoundError(NotFoundError):
    """There is no such task, or it is in the trash, or somebody else's."""

    code = "task_not_found"
    detail = "There is no such task."


def require_task_id(text: str) -> ObjectId:
    """The id of a task. Raises TaskNotFoundError when it is no id at all."""
    task_id = object_id(text)
    if task_id is None:
        raise TaskNotFoundError
    return task_id


def require_task(task: Row | None) -> Row:
    """The task that was read. Raises TaskNotFoundError when there was none."""
    if task is None:
        raise TaskNotFoundError
    return task


class TaskService:
    """The tasks of the acting user. Somebody else's are not found."""

    async def create(self, user: ActingUser, *, new: TaskCreate, request_key: RequestKey | None) -> Versioned:
        """The new task; it is billable if its project is, unless it says otherwise.

        Raises ValidationError when there is no such project.
        """
        return await run_once(
            user, request_key, lambda work: self.create_with_id(user, new, task_id=work.new_id(), retried=work.is_retry)
        )

    async def create_with_id(self, user: ActingUser, new: TaskCreate, *, task_id: ObjectId, retried: bool) -> Versioned:
        """The new task, of this id; a try that is not the first finds what an earlier one has made."""
        made = await Task.find_any(user.id, task_id) if retried else None
        if made is not None:
            made = await self._leave_deleted_project(made, made)  # the earlier try may not have come to that
            return Versioned(read_task(made), made["version"], created=True)
        fields = _as_stored(new.model_dump())
        if new.project_id is not None:
            project = await require_referenced_project(user, new.project_id)
            fields["project_id"] = project["_id"]
            if "billable" not in new.model_fields_set:
                fields["billable"] = project["billable"]
        task = await self._leave_deleted_project(await Task.new(user.id, task_id, fields).add(), fields)
        return Versioned(read_task(task), task["version"], created=True)

    async def list_tasks(self, user: ActingUser, *, query: TaskQuery) -> TaskPage:
        """A page of the user's tasks. Raises InvalidCursorError."""
        tasks, next_cursor = await list_tasks(user.id, query)
        return {"items": [read_task(task) for task in tasks], "next_cursor": next_cursor}

    async def get(self, user: ActingUser, *, task_id: str) -> Versioned:
        """The task with its newest entries. Raises TaskNotFoundError."""
        task = require_task(await Task.find_live_with_entries(user.id, require_task_id(task_id)))
        return Versioned(read_task_with_entries(task), task["version"])

    async def update(
        self,
        user: ActingUser,
        *,
        task_id: str,
        change: TaskUpdate,
        if_match: VersionCondition | None,
    ) -> Versioned:
        """The task with the fields that were sent changed; completing it, or setting it to pending, stops its timer.

        Raises TaskNotFoundError, StaleVersionError when If-Match names another version, or
        ValidationError when there is no such project.
        """
        wanted, fields = require_task_id(task_id), _as_stored(change.model_dump(exclude_unset=True))
        if change.project_id is not None:
            require_task(await Task.find_live(user.id, wanted))
            fields["project_id"] = (await require_referenced_project(user, change.project_id))["_id"]
        if fields and if_match is None and "status" not in fields:
            # What depends on nothing that was read needs no reading: nobody else's change can be in its way.
            task = require_task(await Task.update_fields(user.id, wanted, fields))
        else:
            task = await self._change_as_read(user, wanted, fields, if_match)
        task = await self._leave_deleted_project(task, fields)
        return Versioned(read_task(task), task["version"])

    async def trash(self, user: ActingUser, *, task_id: str, if_match: VersionCondition | None) -> None:
        """Moves the task to the trash, and stops its timer. Raises TaskNotFoundError or StaleVersionError."""
        fields = {"deleted_at": naive_utc(utc_now())}
        await self._change_as_read(user, require_task_id(task_id), fields, if_match)

    async def is_in_trash(self, user: ActingUser, *, task_id: str) -> bool:
        """Whether it is there, and the user's."""
        task = await Task.find_any(user.id, require_task_id(task_id))
        return task is not None and task["deleted_at"] is not None

    async def restore(
        self, user: ActingUser, *, task_id: str, if_match: VersionCondition | None, request_key: RequestKey | None
    ) -> Versioned:
        """The task, back from the trash; one that is not there stays as it is.

        Raises TaskNotFoundError or StaleVersionError.
        """
        wanted = require_task_id(task_id)

        async def attempt(work: Attempt) -> Versioned | None:
            task = require_task(await Task.find_any(user.id, wanted))
            if task["deleted_at"] or not work.is_retry:  # else an earlier try may have made the version that stands
                require_version(if_match, task["version"])
            restored = await Task.update_at_version(task, {"deleted_at": None}) if task["deleted_at"] else task
            return None if restored is None else Versioned(read_task(restored), restored["version"])

        return await run_once(user, request_key, lambda work: retry_on_conflict(lambda: attempt(work)))

    async def _change_as_read(
        self, user: ActingUser, task_id: ObjectId, fields: Row, if_match: VersionCondition | None
    ) -> Row:
        """Changes exactly the version that was read, and reads again when another change came between."""

        async def attempt() -> Row | None:
            task = require_task(await Task.find_live(user.id, task_id))
            require_version(if_match, task["version"])
            if not fields:
                return task
            changes = {**fields, **_completion(task, fields)}
            if "active" in task and _ends_the_timer(fields):
                # By what the task is after this very change: its project may be another one.
                entry = await build_ended_entry(user, {**task, **changes}, ended_at=utc_now())
                return await Task.stop_timer(task, entry, changes)
            return await Task.update_at_version(task, changes)

        return await retry_on_conflict(attempt)

    @staticmethod
    async def _leave_deleted_project(task: Row, written: Row) -> Row:
        """The task, taken out of the project that was just written into it if that is being deleted.

        Either the deletion, which marks the project first, finds the task; or it is seen here.
        """
        project_id = written.get("project_id")
        if project_id is None or await Project.confirm_live(task["user_id"], project_id):
            return task
        left = await Task.remove_from_project(task["user_id"], task["_id"], project_id)
        return left or require_task(await Task.find_any(task["user_id"], task["_id"]))


def _ends_the_timer(fields: Row) -> bool:
    return "deleted_at" in fields or fields.get("status") in _STOPS_THE_TIMER


def _completion(task: Row, fields: Row) -> Row:
    """When the task was completed: kept while it stays so, gone when it is not."""
    if "status" not in fields:
        return {}
    if fields["status"] != "completed":
        return {"completed_at": None}
    return {"completed_at": task["completed_at"] or naive_utc(utc_now())}


def _as_stored(fields: dict[str, Any]) -> Row:
    if fields.get("due_at") is not None:
        fields["due_at"] = naive_utc(fields["due_at"])
    return fields


task_service = TaskService()
