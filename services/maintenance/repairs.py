"""Repairs of values that are derived from others, each by an optimistic update."""

from typing import Any

from documents.maintenance.inspection import iterate_rows
from documents.tracking.pages import TaskPage
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from services.common.concurrency import retry_on_conflict
from services.maintenance.page_checks import read_page_totals
from services.tracking.rules.changes import task_updated
from services.tracking.rules.invariants import check_page, check_task


async def repair(collection: str, user_id: Any, document_id: Any) -> bool:
    """Correct the derived values of a task or a page. Return whether they are consistent now."""
    if collection == Task.Settings.name:
        return await retry_on_conflict(user_id, lambda: _repair_task(user_id, document_id))
    return await retry_on_conflict(user_id, lambda: _repair_page(user_id, document_id))


async def _repair_task(user_id: Any, task_id: Any) -> bool | None:
    """Correct a task. Return None when it has changed since it was read.

    A change of its pages changes the version of the task too, so that the totals of the pages are still correct.
    """
    by_owner = {"user_id": user_id}
    for task in [task async for task in iterate_rows(Task, {"_id": task_id, **by_owner})]:
        findings, project_id = check_task(task, await read_page_totals(task)), task.get("project_id")
        if findings.schema_errors:
            return False  # the validator of the database would refuse the update
        fields = dict(findings.counters)
        if project_id and not [row async for row in iterate_rows(Project, {"_id": project_id, **by_owner})]:
            fields["project_id"] = None
        if fields and await Task.update_at_version(task, fields, task_updated) is None:
            return None
    return True


async def _repair_page(user_id: Any, page_id: Any) -> bool | None:
    """Correct the counters of a page. Return None when it has changed since it was read."""
    for page in [page async for page in iterate_rows(TaskPage, {"_id": page_id, "user_id": user_id})]:
        findings = check_page(page)
        if findings.schema_errors:
            return False  # the validator of the database would refuse the update
        if findings.counters and not await TaskPage.update_at_version(page, findings.counters):
            return None
    return True
