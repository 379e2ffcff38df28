"""Where the entries of an import are stored: the newest in the task, the others in new pages.

Whole pages are inserted, instead of adding all entries to the task and turning a page after every few of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bson import ObjectId

from documents.common.base import Row
from documents.common.outbox import no_changes
from documents.tracking.entries import entry_order
from documents.tracking.page_turns import MAX_PAGE_BYTES
from documents.tracking.pages import TaskPage
from documents.tracking.task_updates import import_version_update, push_entries
from documents.tracking.tasks import MAX_HOT_ENTRIES, Task

MAX_NEW_HOT_BYTES = 4 * 1024 * 1024
"""The size of the entries that one part of an import adds to the hot entries of a task."""

MAX_HOT_BYTES = 12 * 1024 * 1024
"""An import does not extend a task beyond this size. The limit of a document is 16 MB."""

_ENTRY_BYTES = 400
"""The size of an entry without its note and tags, at most."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The new entries of a task: hot ones, and those of each new page. All are in order of their start."""

    hot: list[Row]
    pages: list[list[Row]]


def text_bytes(note: str | None, tags: list[str] | tuple[str, ...]) -> int:
    """Return the maximum size in bytes of an entry with this note and these tags."""
    return _ENTRY_BYTES + len((note or "").encode()) + sum(len(tag.encode()) for tag in tags)


def entry_bytes(entry: Row) -> int:
    """Return the maximum size of the entry in bytes."""
    return text_bytes(entry["note"], entry["tags"])


def place_entries(entries: list[Row], *, hot_count: int = 0, task_bytes: int = 0, is_last: bool = True) -> Placement:
    """Divide new entries of a task between its hot entries and new pages.

    Args:
        hot_count: The number of hot entries that the task has.
        task_bytes: The size of the task.
        is_last: Whether the import adds no more entries to the task after these. Otherwise they need not be hot.
    """
    in_order = sorted(entries, key=entry_order)
    room = Task.hot_entries - hot_count
    max_hot = len(in_order)
    if max_hot > max(room, Task.paged_at_once):
        max_hot = max(0, min(room, Task.paged_at_once)) if is_last else 0
    max_hot = min(max_hot, MAX_HOT_ENTRIES - 1 - hot_count)
    max_bytes = min(MAX_NEW_HOT_BYTES, MAX_HOT_BYTES - task_bytes)
    first_hot = len(in_order)
    while len(in_order) - first_hot < max_hot:
        max_bytes -= entry_bytes(in_order[first_hot - 1])
        if max_bytes < 0:
            break
        first_hot -= 1
    return Placement(in_order[first_hot:], list(_split(in_order[:first_hot])))


def _split(entries: list[Row]) -> Iterator[list[Row]]:
    """Yield the entries in pages that are limited in entries and bytes."""
    page: list[Row] = []
    size = 0
    for entry in entries:
        more = entry_bytes(entry)
        if page and (len(page) == TaskPage.capacity or size + more > MAX_PAGE_BYTES):
            yield page
            page, size = [], 0
        page.append(entry)
        size += more
    if page:
        yield page


def new_pages(user_id: ObjectId, task_id: ObjectId, placement: Placement) -> list[Row]:
    """Return the new pages as they are stored."""
    return [TaskPage.new_row(user_id, task_id, entries) for entries in placement.pages]


def entry_fields(hot: list[Row], pages: Sequence[Row] = ()) -> Row:
    """Return the fields of a new task that depend on its ended entries. `pages` are its pages, as they are stored."""
    starts = [entry["started_at"] for entry in hot] + [page["first_started_at"] for page in pages]
    ends = [entry["ended_at"] for entry in hot] + [page["last_ended_at"] for page in pages]
    fields = {
        "time_entries": sorted(hot, key=entry_order),
        "tracked_seconds": sum(row["duration_seconds"] for row in hot) + sum(page["tracked_seconds"] for page in pages),
        "entry_count": len(hot) + sum(page["entry_count"] for page in pages),
        "first_started_at": min(starts, default=None),
        "last_ended_at": max(ends, default=None),
    }
    if pages:
        fields["pages"] = [page["_id"] for page in pages]
        fields["paged_until"] = max(page["last_ended_at"] for page in pages)
    return fields


def place_in_new_task(
    user_id: ObjectId, task_id: ObjectId, entries: list[Row], *, is_last: bool = True
) -> tuple[list[Row], Row]:
    """Return the pages of a new task, as they are stored, and its fields that depend on its ended entries."""
    placement = place_entries(entries, is_last=is_last)
    pages = new_pages(user_id, task_id, placement)
    return pages, entry_fields(placement.hot, pages)


async def add_imported_entries(task: Row, entries: list[Row], *, is_last: bool = True) -> Row | None:
    """Add ended entries of an import. Return the task, or None when its version differs.

    The task was read with its `pages` and its size in `bytes`. A task that only imports have written still counts
    as unedited afterwards. Call it in a transaction.
    """
    placement = place_entries(entries, hot_count=task["hot_count"], task_bytes=task["bytes"], is_last=is_last)
    pages = new_pages(task["user_id"], task["_id"], placement)
    if pages:
        await TaskPage.add_all(pages)
    update = push_entries(task, entries)
    update["$set"] |= import_version_update(task)
    push: Row = {}
    if placement.hot:
        push["time_entries"] = {**update["$push"]["time_entries"], "$each": placement.hot}
    if pages:
        push["pages"] = {"$each": [page["_id"] for page in pages]}
        update["$set"] |= _paged_until(task, pages)
    return await Task.change_at_version(task, {**update, "$push": push}, no_changes)


def _paged_until(task: Row, pages: list[Row]) -> Row:
    """Return the change of `paged_until`. If it is unknown, it stays unknown."""
    until = [page["last_ended_at"] for page in pages]
    if task.get("pages"):
        if "paged_until" not in task:
            return {}
        until.append(task["paged_until"])
    return {"paged_until": max(until)}
