"""Removing tasks from projects that are being deleted."""

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.tasks import Task
from services.common.concurrency import retry_on_conflict
from services.tracking.rules.changes import task_updated


async def remove_from_project(user_id: ObjectId, task_id: ObjectId, project_id: ObjectId) -> Row | None:
    """Remove the task from this project, in the trash or not. Return the task, or None when it does not exist."""

    async def try_remove() -> tuple[Row | None] | None:
        task = await Task.find_any(user_id, task_id)
        if task is None or task["project_id"] != project_id:
            return (task,)
        updated = await Task.update_at_version(task, {"project_id": None}, task_updated)
        return None if updated is None else (updated,)

    (task,) = await retry_on_conflict(try_remove)
    return task
