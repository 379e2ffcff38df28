"""What an hour of a billable entry costs: it takes its project's rate when it ends, and keeps it."""

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from services.common.concurrency import retry_on_conflict


async def hourly_rate_for(user_id: ObjectId, project_id: ObjectId | None, billable: bool) -> Row | None:
    """The project's present rate for a billable entry; None for any other, and where there is no project or rate."""
    if not billable or project_id is None:
        return None
    project = await Project.find_live(user_id, project_id)
    return None if project is None else project["hourly_rate"]


async def rerate_project(user_id: ObjectId, project_id: ObjectId) -> int:
    """How many entries have another rate, now that all billable ones of the project's tasks have its present one.

    Ended entries alone, those of tasks in the trash included. Each task is changed as a whole; when
    it is asked again, what has been done is not done twice.
    """
    tasks = await Task.find_ids_in_project(user_id, project_id)
    return sum([await _rerate_task(user_id, task_id, project_id) for task_id in tasks])


async def _rerate_task(user_id: ObjectId, task_id: ObjectId, project_id: ObjectId) -> int:
    async def attempt() -> int | None:
        # The task first, then the rate: whoever changes the rate after this will find the task changed, or unchanged.
        task = await Task.find_any_with_entries(user_id, task_id)
        project = await Project.find_live(user_id, project_id)
        if task is None or project is None or task["project_id"] != project_id:
            return 0
        entries = [_with_rate(entry, project["hourly_rate"]) for entry in task["time_entries"]]
        count = sum(new is not old for new, old in zip(entries, task["time_entries"], strict=True))
        if count == 0 and "active" not in task:
            return 0
        # A timer that is just being stopped may have read the rate that was: the new version makes it read again.
        return None if await Task.update_at_version(task, {"time_entries": entries}) is None else count

    return await retry_on_conflict(attempt)


def _with_rate(entry: Row, rate: Row | None) -> Row:
    if not entry["billable"] or entry["hourly_rate"] == rate:
        return entry
    return {**entry, "hourly_rate": rate, "updated_at": naive_utc(utc_now())}
