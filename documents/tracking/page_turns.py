"""Turning a page: the oldest hot entries of a task move to a page.

The task is the single commit point. The page is inserted first, and nothing reads it until the task lists it. So an
interruption or a lost race leaves a page that does not count, and no transaction is necessary.
"""

import bson
from bson import ObjectId

from documents.common.base import Row
from documents.common.outbox import no_changes
from documents.tracking.pages import TaskPage
from documents.tracking.task_updates import import_version_update
from documents.tracking.tasks import Task

MAX_PAGE_BYTES = 4 * 1024 * 1024
"""A page is not extended beyond this size, because each extension writes the whole page."""


async def turn_page(user_id: ObjectId, task_id: ObjectId, *, version: int | None = None) -> bool:
    """Move the oldest hot entries of a task to a page. Return False when that is not due or the task has changed.

    They extend the newest page if it has room: a new page with the entries of both replaces it. With `version`, the
    task must have that version.
    """
    task = await Task.find_hot_entries(user_id, task_id)
    if task is None or len(task["time_entries"]) < Task.hot_entries or version not in {None, task["version"]}:
        return False
    moved = task["time_entries"][: Task.paged_at_once]
    newest = await _extensible_page(task, moved)
    page = TaskPage.new_row(user_id, task_id, [*(newest["entries"] if newest else ()), *moved])
    await TaskPage.add_all([page])
    update = _turn_update(task, moved, page["_id"], replaces_newest=newest is not None)
    if await Task.change_at_version(task, update, no_changes) is None and not await _is_listed(page):
        await TaskPage.delete_by_id(user_id, page["_id"])
        return False
    if newest is not None:
        await TaskPage.mark_replaced(newest)
    return True


async def _is_listed(page: Row) -> bool:
    """Return whether the task lists the page although its update was reported to have changed nothing.

    A server that applies a repeated command twice reports that of an update that it has made.
    """
    return await Task.find_listing(page["user_id"], page["task_id"], page["_id"]) is not None


async def _extensible_page(task: Row, moved: list[Row]) -> Row | None:
    """Return the newest page if it has room for these entries."""
    if not task.get("pages"):
        return None
    page = await TaskPage.find_by_page_id(task["user_id"], task["pages"][-1])
    if page is None or page["entry_count"] + len(moved) > TaskPage.capacity:
        return None
    size = len(bson.encode({"entries": [*page["entries"], *moved]}))
    return page if size <= MAX_PAGE_BYTES else None


def _turn_update(task: Row, moved: list[Row], page_id: ObjectId, *, replaces_newest: bool) -> Row:
    """Return the update with which the entries leave the task and the page becomes a part of it."""
    pages = task.get("pages") or []
    fields = import_version_update(task)
    if not pages or "paged_until" in task:
        ends = [entry["ended_at"] for entry in moved]
        fields["paged_until"] = max([*ends, *([task["paged_until"]] if pages else [])])
    push: Row = {"time_entries": {"$each": [], "$slice": len(moved) - len(task["time_entries"])}}
    if replaces_newest:
        fields[f"pages.{len(pages) - 1}"] = page_id
    else:
        push["pages"] = page_id
    return {"$push": push, "$set": fields}
