"""Changing many entries in the pages of a task, one page after the other."""

from collections.abc import Awaitable, Callable

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from services.common.concurrency import retry_transaction
from services.tracking.rules.changes import DescribeEntries

ChangeEntry = Callable[[Row], Row]
"""Returns the changed entry, or the same object if nothing changes."""


async def change_paged_entries(
    user_id: ObjectId,
    task_id: ObjectId,
    find_change: Callable[[Row], Awaitable[ChangeEntry | None]],
    describe: DescribeEntries,
) -> int:
    """Change the entries in all pages of a task. Return the number of changed entries.

    `find_change` is called in each transaction with the task, without its entries. It returns None if no entry of
    the task changes. A page that is turned meanwhile is changed too.
    """
    changed, done = 0, set[ObjectId]()
    while due := [page_id for page_id in await _page_ids(user_id, task_id) if page_id not in done]:
        for page_id in due:
            changed += await change_page(user_id, task_id, page_id, find_change, describe)
        done.update(due)
    return changed


async def change_page(
    user_id: ObjectId,
    task_id: ObjectId,
    page_id: ObjectId,
    find_change: Callable[[Row], Awaitable[ChangeEntry | None]],
    describe: DescribeEntries,
) -> int:
    """Change the entries of one page. Return their number, or 0 if the task does not list the page any more."""

    async def attempt() -> int | None:
        task = await Task.find_listing(user_id, task_id, page_id)
        page = None if task is None else await TaskPage.find_by_page_id(user_id, page_id)
        change = None if task is None else await find_change(task)
        if task is None or page is None or change is None:
            return 0
        entries = [change(entry) for entry in page["entries"]]
        changed = [new for new, old in zip(entries, page["entries"], strict=True) if new is not old]
        if not changed:
            return 0
        if await Task.update_at_version(task, {}, describe(changed)) is None:
            return None
        return len(changed) if await TaskPage.update_at_version(page, {"entries": entries}) else None

    return await retry_transaction(user_id, attempt, lock=lambda: Task.lock_by_id(user_id, task_id))


async def _page_ids(user_id: ObjectId, task_id: ObjectId) -> list[ObjectId]:
    by_id: Row = {"$match": {"_id": task_id, "user_id": user_id}}
    rows = await Task.aggregate_rows([by_id, {"$project": {"pages": 1}}])
    return [page_id for task in rows for page_id in task.get("pages") or ()]
