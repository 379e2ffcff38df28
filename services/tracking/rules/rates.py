"""Hourly rates of billable entries. An entry gets the rate of its project when it ends, and keeps it."""

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.common.outbox import no_changes
from documents.tracking.projects import Project
from documents.tracking.queries.entry_counts import count_entries_with_other_rate
from documents.tracking.tasks import Task
from services.common.concurrency import retry_on_conflict
from services.tracking.rules.changes import MAX_ENTRY_CHANGES, DescribeEntries, describe_entries, project_rerated
from services.tracking.rules.paged_changes import ChangeEntry, change_paged_entries
from services.tracking.rules.pending_changes import recorded_at_the_end


async def hourly_rate_for(user_id: ObjectId, project_id: ObjectId | None, billable: bool) -> Row | None:
    """Return the project's current rate for a billable entry, or None when there is no rate or it is not billable."""
    if not billable or project_id is None:
        return None
    project = await Project.find_live(user_id, project_id)
    return None if project is None else project["hourly_rate"]


async def rerate_project(user_id: ObjectId, project_id: ObjectId) -> int:
    """Apply the project's current rate to the ended billable entries of its tasks; return how many changed.

    Tasks in the trash are included. The hot entries of a task are updated atomically, and so is each of its pages.
    The operation is idempotent. If it changes many entries, the project's outbox gets one change for all of them.
    """
    project = await Project.find_live(user_id, project_id)
    if project is None:
        return 0
    count = await count_entries_with_other_rate(user_id, project_id, project["hourly_rate"])
    if count <= MAX_ENTRY_CHANGES:
        return await _rerate_tasks(user_id, project_id, describe_entries(count))
    async with recorded_at_the_end(user_id, project_rerated(project_id, count)) as pending:
        changed = await _rerate_tasks(user_id, project_id, describe_entries(count))
        pending.item["data"] = {"rerated_entries": max(count, changed)}
    return changed


async def _rerate_tasks(user_id: ObjectId, project_id: ObjectId, describe: DescribeEntries) -> int:
    task_ids = await Task.find_ids_in_project(user_id, project_id)
    return sum([await _rerate_task(user_id, task_id, project_id, describe) for task_id in task_ids])


async def _rerate_task(user_id: ObjectId, task_id: ObjectId, project_id: ObjectId, describe: DescribeEntries) -> int:
    has_pages = False

    async def try_rerate() -> int | None:
        nonlocal has_pages
        # The task is read before the rate: a rate that changes later is applied by its own request.
        task = await Task.find_any_with_entries(user_id, task_id)
        project = await Project.find_live(user_id, project_id)
        if task is None or project is None or task["project_id"] != project_id:
            return 0
        has_pages = bool(task.get("pages"))
        entries = [_with_rate(entry, project["hourly_rate"]) for entry in task["time_entries"]]
        changed = [new for new, old in zip(entries, task["time_entries"], strict=True) if new is not old]
        if not changed and "active" not in task:
            return 0
        # A concurrent stop may have read the old rate. The new version makes it retry.
        changes = describe(changed) if changed else no_changes
        updated = await Task.update_at_version(task, {"time_entries": entries}, changes)
        return None if updated is None else len(changed)

    async def find_change(task: Row) -> ChangeEntry | None:
        project = await Project.find_live(user_id, project_id)
        if project is None or task["project_id"] != project_id:
            return None
        return lambda entry: _with_rate(entry, project["hourly_rate"])

    count = await retry_on_conflict(user_id, try_rerate)
    return count + (await change_paged_entries(user_id, task_id, find_change, describe) if has_pages else 0)


def _with_rate(entry: Row, rate: Row | None) -> Row:
    if not entry["billable"] or entry["hourly_rate"] == rate:
        return entry
    return {**entry, "hourly_rate": rate, "updated_at": naive_utc(utc_now())}
