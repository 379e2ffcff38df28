"""Ended entries where they are stored: hot in their task, or in one of its pages.

The task is read first and its pages after. If an entry is not found although the task has changed in between, the
task is read again, because the entry may have moved to another place.
"""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from documents.common.base import Row
from documents.common.outbox import DescribeChanges
from documents.common.transactions import current_session
from documents.tracking.pages import TaskPage
from documents.tracking.queries.recent_tasks import find_last_tracked_task
from documents.tracking.task_updates import changed_counters, push_entries
from documents.tracking.tasks import Task

_MAX_SEARCHES = 5


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An ended entry and its task, both as they were read. `page_id` is the page of the entry; None: it is hot."""

    task: Row
    entry: Row
    page_id: ObjectId | None = None


async def find_in_task(
    user_id: ObjectId, task_id: ObjectId, entry_id: ObjectId
) -> tuple[Row | None, StoredEntry | None]:
    """Return the user's live task and its ended entry with this id. Each is None when it does not exist."""
    while True:
        task = await Task.find_with_entry(user_id, task_id, entry_id)
        if task is None:
            return None, None
        if task["time_entries"]:
            return task, StoredEntry(task, task["time_entries"][0])
        if not task.get("pages"):
            return task, None
        for page in await TaskPage.find_with_entry(user_id, entry_id):
            if page["_id"] in task["pages"]:
                return task, StoredEntry(task, page["entries"][0], page["_id"])
        if await _is_certain(task):
            return task, None


async def find_anywhere(
    user_id: ObjectId, entry_id: ObjectId, *, task_id: ObjectId | None = None, in_trash: bool = False
) -> StoredEntry | None:
    """Return the ended entry with this id in any task of the user, or in the given one, or None.

    Tasks in the trash are searched only with `in_trash`.
    """
    condition: Row = {} if in_trash else {"deleted_at": None}
    if task_id is not None:
        condition["_id"] = task_id
    for _ in range(_MAX_SEARCHES):
        task = await Task.find_by_hot_entry(user_id, entry_id, condition)
        if task is not None:
            return StoredEntry(task, task["time_entries"][0])
        pages = await TaskPage.find_with_entry(user_id, entry_id)
        for page in pages:
            if task_id not in {None, page["task_id"]}:
                continue
            task = await Task.find_listing(user_id, page["task_id"], page["_id"], condition)
            if task is not None:
                return StoredEntry(task, page["entries"][0], page["_id"])
        if not pages:
            return None
    return None


async def find_last_tracked(user_id: ObjectId) -> StoredEntry | None:
    """Return the entry of a live task that ended last, or None."""
    while True:
        task = await find_last_tracked_task(user_id)
        if task is None:
            return None
        if task.get("time_entries"):
            return StoredEntry(task, task["time_entries"][0])
        if not task.get("pages"):
            return None
        for page in await TaskPage.find_last_ended(user_id, task["_id"], task["last_ended_at"]):
            if page["_id"] in task["pages"]:
                return StoredEntry(task, page["entries"][0], page["_id"])
        if await _is_certain(task):
            return None


async def replace_entry(stored: StoredEntry, entry: Row, changes: DescribeChanges) -> bool:
    """Replace the entry by one with the same id. Return False when its task has changed since."""
    return await _change(stored, [entry], [], changes)


async def split_entry(stored: StoredEntry, first: Row, second: Row, changes: DescribeChanges) -> bool:
    """Replace the entry by `first`, which has its id, and add `second`. Return False when the task has changed."""
    return await _change(stored, [first], [second], changes)


async def remove_entry(stored: StoredEntry, changes: DescribeChanges) -> bool:
    """Remove the entry. Return False when its task has changed since."""
    return await _change(stored, [], [], changes)


async def _is_certain(task: Row) -> bool:
    """Return whether an entry that was not found in the pages of this task does not exist in it."""
    return current_session() is not None or await Task.are_unchanged([task])


async def _change(stored: StoredEntry, in_place: list[Row], hot: list[Row], changes: DescribeChanges) -> bool:
    """Replace the entry by `in_place` where it is stored, and add `hot` to the hot entries of its task."""
    task, old, new, page_id = stored.task, stored.entry, [*in_place, *hot], stored.page_id
    if page_id is None:
        bounds = await _bounds_after(stored, new, []) if task.get("pages") else None
        return await Task.replace_hot_entry(task, old["id"], new, changed_counters(old, new, bounds), changes)

    async def change_page() -> bool | None:
        page = await TaskPage.find_by_page_id(task["user_id"], page_id)
        others = [] if page is None else [entry for entry in page["entries"] if entry["id"] != old["id"]]
        if page is None or len(others) == page["entry_count"]:
            return None
        entries = [*others, *in_place]
        update = _page_change_update(stored, in_place, hot, await _bounds_after(stored, new, others))
        if not entries:
            update["$pull"] = {"pages": page["_id"]}
        if await Task.change_at_version(task, update, changes) is None:
            return None
        changed = await TaskPage.set_entries(page, entries) if entries else await TaskPage.mark_replaced(page)
        return changed or None

    return bool(await Task.run_in_transaction(change_page))


def _page_change_update(stored: StoredEntry, in_place: list[Row], hot: list[Row], bounds: Row) -> Row:
    """Return the update of a task in whose page the entry was replaced by `in_place`."""
    task, old = stored.task, stored.entry
    until = task.get("paged_until")
    if until is not None and in_place:
        bounds = {**bounds, "paged_until": max(until, *(entry["ended_at"] for entry in in_place))}
    seconds = sum(entry["duration_seconds"] for entry in (*in_place, *hot)) - old["duration_seconds"]
    count = len(in_place) + len(hot) - 1
    push = {"$push": push_entries(task, hot)["$push"]} if hot else {}
    return {**push, "$set": bounds, "$inc": {"tracked_seconds": seconds, "entry_count": count}}


async def _bounds_after(stored: StoredEntry, new: list[Row], others: list[Row]) -> Row:
    """Return the first start and the last end of a paged task after its entry was replaced by `new`.

    `others` are the other entries of the page of the entry. Only a change at a bound of the task requires a search.
    """
    task, old = stored.task, stored.entry
    first: datetime | None = min([task["first_started_at"], *(entry["started_at"] for entry in new)])
    last: datetime | None = max([task["last_ended_at"], *(entry["ended_at"] for entry in new)])
    loses_first = old["started_at"] == first and all(entry["started_at"] > old["started_at"] for entry in new)
    loses_last = old["ended_at"] == last and all(entry["ended_at"] < old["ended_at"] for entry in new)
    if loses_first or loses_last:
        hot_first, hot_last = await Task.find_hot_bounds(task, without=old["id"])
        others = [*new, *others]
        pages = [page_id for page_id in task["pages"] if page_id != stored.page_id]
        if loses_first:
            starts = [entry["started_at"] for entry in others] + ([hot_first] if hot_first else [])
            first = await TaskPage.find_first_start(task, pages, starts)
        if loses_last:
            ends = [entry["ended_at"] for entry in others] + ([hot_last] if hot_last else [])
            last = await TaskPage.find_last_end(task, pages, ends)
    return {"first_started_at": first, "last_ended_at": last}
