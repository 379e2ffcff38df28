"""Tasks leave projects that are being deleted."""

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from services.common.concurrency import retry_on_conflict
from services.tracking.rules.changes import task_updated


async def leave_deleted_project(user_id: ObjectId, task_id: ObjectId, project_id: ObjectId | None) -> Row | None:
    """Remove the task from the project that was just written to it, if that project is being deleted.

    Return the changed task, or None if it stays in the project.

    A deletion marks the project before it searches for its tasks. So either the deletion finds the task, or the mark
    is found here.
    """
    if project_id is None or await Project.confirm_live(user_id, project_id):
        return None
    return await remove_from_project(user_id, task_id, project_id)


async def remove_from_project(user_id: ObjectId, task_id: ObjectId, project_id: ObjectId) -> Row | None:
    """Remove the task from this project, in the trash or not. Return the task, or None when it does not exist."""

    async def try_remove() -> tuple[Row | None] | None:
        task = await Task.find_any(user_id, task_id)
        if task is None or task["project_id"] != project_id:
            return (task,)
        updated = await Task.update_at_version(task, {"project_id": None}, task_updated)
        return None if updated is None else (updated,)

    (task,) = await retry_on_conflict(user_id, try_remove)
    return task
