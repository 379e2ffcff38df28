"""The service of tasks, with the trash."""

from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import NotFoundError
from documents.common.base import Row, require_object_id
from documents.common.outbox import DescribeChanges
from documents.tracking.queries.timeline import find_with_newest_entries
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.versions import VersionCondition, Versioned, require_version
from services.tracking.project_membership import leave_deleted_project
from services.tracking.projects import require_referenced_project
from services.tracking.rules.changes import both, task_created, task_restored, task_trashed, task_updated, timer_stopped
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

_STOPPING_STATUSES = ("pending", "completed")
"""A task that gets one of these statuses stops its timer."""


class TaskNotFoundError(NotFoundError):
    """The task does not exist, is in the trash, or belongs to another user."""

    code = "task_not_found"
    detail = "There is no such task."


def require_task_id(text: str) -> ObjectId:
    """Parse the id of a task. Raises TaskNotFoundError when the text is not an id."""
    return require_object_id(text, TaskNotFoundError)


def require_task(task: Row | None) -> Row:
    """Return the task. Raises TaskNotFoundError when it is None."""
    if task is None:
        raise TaskNotFoundError
    return task


class TaskService:
    """The tasks of the acting user. The tasks of other users are not found."""

    async def create(self, user: ActingUser, *, new: TaskCreate, request_key: RequestKey | None) -> Versioned:
        """Create a task. `billable` defaults to that of the project.

        Raises ValidationError when the project does not exist.
        """
        return await run_once(
            user,
            request_key,
            lambda attempt: self.create_with_id(user, new, task_id=attempt.new_id(), is_retry=attempt.is_retry),
        )

    async def create_with_id(
        self, user: ActingUser, new: TaskCreate, *, task_id: ObjectId, is_retry: bool
    ) -> Versioned:
        """Create a task with this id. A retry returns the task that an earlier attempt created."""
        existing = await Task.find_any(user.id, task_id) if is_retry else None
        if existing is not None:
            # The earlier attempt may have been interrupted before this step.
            existing = await _ensure_live_project(existing, existing)
            return Versioned(read_task(existing), existing["version"], created=True)
        fields = _to_stored(new.model_dump())
        if new.project_id is not None:
            project = await require_referenced_project(user, new.project_id)
            fields["project_id"] = project["_id"]
            if "billable" not in new.model_fields_set:
                fields["billable"] = project["billable"]
        created = await Task.new(user.id, task_id, fields).add_with_changes(task_created)
        task = await _ensure_live_project(created, fields)
        return Versioned(read_task(task), task["version"], created=True)

    async def list_tasks(self, user: ActingUser, *, query: TaskQuery) -> TaskPage:
        """Return a page of the user's tasks. Raises InvalidCursorError."""
        tasks, next_cursor = await list_tasks(user.id, query)
        return {"items": [read_task(task) for task in tasks], "next_cursor": next_cursor}

    async def get(self, user: ActingUser, *, task_id: str) -> Versioned:
        """Return the task with its newest entries. Raises TaskNotFoundError."""
        task = require_task(await find_with_newest_entries(user.id, require_task_id(task_id)))
        return Versioned(read_task_with_entries(task), task["version"])

    async def update(
        self,
        user: ActingUser,
        *,
        task_id: str,
        change: TaskUpdate,
        if_match: VersionCondition | None,
    ) -> Versioned:
        """Update the fields that were sent. Completing the task, or setting it to pending, stops its timer.

        Raises TaskNotFoundError, StaleVersionError when If-Match names another version, or
        ValidationError when the project does not exist.
        """
        parsed_id, fields = require_task_id(task_id), _to_stored(change.model_dump(exclude_unset=True))
        if change.project_id is not None:
            require_task(await Task.find_live(user.id, parsed_id))
            fields["project_id"] = (await require_referenced_project(user, change.project_id))["_id"]
        task = await self._update_at_version(user, parsed_id, fields, if_match, task_updated)
        task = await _ensure_live_project(task, fields)
        return Versioned(read_task(task), task["version"])

    async def trash(self, user: ActingUser, *, task_id: str, if_match: VersionCondition | None) -> None:
        """Move the task to the trash and stop its timer. Raises TaskNotFoundError or StaleVersionError."""
        fields = {"deleted_at": naive_utc(utc_now())}
        await self._update_at_version(user, require_task_id(task_id), fields, if_match, task_trashed)

    async def is_in_trash(self, user: ActingUser, *, task_id: str) -> bool:
        """Return whether the user has this task in the trash."""
        task = await Task.find_any(user.id, require_task_id(task_id))
        return task is not None and task["deleted_at"] is not None

    async def restore(
        self, user: ActingUser, *, task_id: str, if_match: VersionCondition | None, request_key: RequestKey | None
    ) -> Versioned:
        """Restore the task from the trash. A task that is not in the trash is returned unchanged.

        Raises TaskNotFoundError or StaleVersionError.
        """
        parsed_id = require_task_id(task_id)

        async def try_restore(attempt: Attempt) -> Versioned | None:
            task = require_task(await Task.find_any(user.id, parsed_id))
            # An earlier attempt may have restored the task and so changed its version.
            if task["deleted_at"] or not attempt.is_retry:
                require_version(if_match, task["version"])
            restored: Row | None = task
            if task["deleted_at"]:
                restored = await Task.update_at_version(task, {"deleted_at": None}, task_restored)
            return None if restored is None else Versioned(read_task(restored), restored["version"])

        return await run_once(
            user, request_key, lambda attempt: retry_on_conflict(user.id, lambda: try_restore(attempt))
        )

    async def _update_at_version(
        self,
        user: ActingUser,
        task_id: ObjectId,
        fields: Row,
        if_match: VersionCondition | None,
        task_changes: DescribeChanges,
    ) -> Row:
        """Update the version that was read, and retry after a concurrent change."""

        async def try_update() -> Row | None:
            task = require_task(await Task.find_live(user.id, task_id))
            require_version(if_match, task["version"])
            if not fields:
                return task
            values = {**fields, **_completion(task, fields)}
            if "active" in task and _stops_timer(fields):
                # The entry is built from the updated task, because the same request may change its project.
                entry = await build_ended_entry(user, {**task, **values}, ended_at=utc_now())
                return await Task.stop_timer(task, entry, values, both(timer_stopped(entry), task_changes))
            return await Task.update_at_version(task, values, task_changes)

        return await retry_on_conflict(user.id, try_update)


async def _ensure_live_project(task: Row, written: Row) -> Row:
    """Return the task, removed from the project that was just written to it if that is being deleted."""
    changed = await leave_deleted_project(task["user_id"], task["_id"], written.get("project_id"))
    return task if changed is None else changed


def _stops_timer(fields: Row) -> bool:
    return "deleted_at" in fields or fields.get("status") in _STOPPING_STATUSES


def _completion(task: Row, fields: Row) -> Row:
    """Return the update of `completed_at`. A task that stays completed keeps its value."""
    if "status" not in fields:
        return {}
    if fields["status"] != "completed":
        return {"completed_at": None}
    return {"completed_at": task["completed_at"] or naive_utc(utc_now())}


def _to_stored(fields: dict[str, Any]) -> Row:
    if fields.get("due_at") is not None:
        fields["due_at"] = naive_utc(fields["due_at"])
    return fields


task_service = TaskService()
