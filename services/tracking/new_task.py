"""Tasks that are created with a running timer, in one insert: neither exists without the other.

While another timer of the user runs, the unique index refuses the insert.
"""

from dataclasses import replace

from bson import ObjectId

from app.errors import StaleVersionError
from documents.common.base import Row, object_id
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.idempotency import Attempt
from services.common.values.versions import VersionCondition, Versioned
from services.tracking.project_membership import leave_deleted_project
from services.tracking.projects import require_referenced_project
from services.tracking.rules.changes import both, task_created, timer_started
from services.tracking.schemas.tasks import TaskCreate
from services.tracking.schemas.timer import TimerRead, TimerTarget

_TASK_PART = 1
"""The part of a request that creates the task. Part 0 creates the entry, as in a start on an existing task."""


async def new_task_fields(user: ActingUser, target: TimerTarget) -> Row:
    """Return the fields of the task to create. `billable` is that of the project.

    Raises InsufficientScopeError for an API token that may not create tasks, and ValidationError if the project does
    not exist.
    """
    user.require_scope("write")
    project = None if target.project_id is None else await require_referenced_project(user, target.project_id)
    return {
        **TaskCreate(title=target.title or "", status="in_progress").model_dump(),
        "project_id": None if project is None else project["_id"],
        "billable": project is not None and project["billable"],
    }


def require_no_version(if_match: VersionCondition | None) -> None:
    """Raise StaleVersionError for an If-Match: a task that does not exist yet has no version."""
    if if_match is not None:
        raise StaleVersionError


async def add_running_task(user: ActingUser, attempt: Attempt, fields: Row, entry: Row) -> Row:
    """Insert a task with these fields and this running entry. Raises DuplicateError while another timer runs."""
    task = Task.new(user.id, attempt.new_id(_TASK_PART), {**fields, "active": entry})
    return await task.add_with_changes(both(task_created, timer_started))


async def ensure_live_project(user: ActingUser, timer: TimerRead, response: Versioned) -> Versioned:
    """Remove the new task from its project if that is being deleted. Return the response with the stored task.

    `timer` is the part of the response with the task.
    """
    project_id = None if timer["project_id"] is None else object_id(timer["project_id"])
    task = await leave_deleted_project(user.id, ObjectId(timer["task_id"]), project_id)
    if task is None:
        return response
    timer["project_id"] = None
    return replace(response, version=task["version"])
