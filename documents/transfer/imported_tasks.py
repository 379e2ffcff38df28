"""Removing what an import created from tasks and their pages."""

from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId

from documents.common.base import Row, by_ids
from documents.common.outbox import no_changes
from documents.tracking.pages import TaskPage
from documents.tracking.task_updates import import_version_update
from documents.tracking.tasks import Task
from documents.transfer.import_queries import find_page_bounds
from documents.transfer.imported_pages import entry_bytes

MAX_REWRITTEN_BYTES = 4 * 1024 * 1024
"""One transaction changes pages of about this size. Pages that are removed as a whole do not count."""

_PAGES_PER_QUERY = 2
"""Decoding more pages at once would block the event loop."""


@dataclass(slots=True)
class Removal:
    """What one transaction has removed from a task.

    Attributes:
        entries: The number of removed entries.
        dropped: The pages that the task does not list any more. They have not changed.
        rest: The ids of the pages that the next transaction must process.
    """

    entries: int = 0
    dropped: list[Row] = field(default_factory=list)
    rest: list[ObjectId] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportedEntries:
    """The entries that an import created and that were not edited since.

    An entry is unedited when its last update was its creation, or lies `before` the import began.
    """

    user_id: ObjectId
    import_id: ObjectId
    before: datetime

    async def remove_from_task(self, task_id: ObjectId, page_ids: list[ObjectId]) -> Removal | None:
        """Remove the entries that are hot or in these pages. Return None when the task has changed meanwhile.

        Call it in a transaction. Pages that the task does not list are ignored.
        """
        task = await Task.find_hot_entries(self.user_id, task_id)
        if task is None:
            return Removal()
        pages = task.get("pages") or []
        changes = _PageChanges()
        rest = await self._examine(task, [page_id for page_id in page_ids if page_id in pages], changes)
        hot = self._without(task["time_entries"])
        gone = _totals(task["time_entries"]) - _totals(hot) + changes.gone
        if not gone.entries:
            return Removal(rest=rest)
        update = await _removal_update(task, hot, changes, gone)
        if await Task.change_at_version(task, update, no_changes) is None:
            return None
        for page, entries in changes.rewritten:
            if not await TaskPage.set_entries(page, entries):
                return None
        return Removal(gone.entries, changes.dropped, rest)

    async def remove_whole_tasks(self, task_ids: list[ObjectId]) -> list[Row] | None:
        """Delete those of these tasks without pages that the import created and that contain nothing else.

        Call it in a transaction. Returns the deleted tasks, or None when one of them has changed meanwhile.
        """
        created = {"user_id": self.user_id, "import_id": self.import_id}
        tasks = await Task.aggregate_rows(by_ids(task_ids, created))
        removable = [task for task in tasks if self._is_all_of(task)]
        return removable if not removable or await Task.delete_all_at_version(removable) else None

    def _is_all_of(self, task: Row) -> bool:
        """Return whether the task was not edited and has no other entries, and none in pages."""
        is_edited = task["version"] != task["import_version"] or "active" in task
        return not (is_edited or task.get("pages") or self._without(task["time_entries"]))

    async def _examine(self, task: Row, page_ids: list[ObjectId], changes: "_PageChanges") -> list[ObjectId]:
        """Collect the changes of these pages. Return the ids that are left when the transaction would be too large."""
        while page_ids and changes.rewritten_bytes < MAX_REWRITTEN_BYTES:
            some, page_ids = page_ids[:_PAGES_PER_QUERY], page_ids[_PAGES_PER_QUERY:]
            for page in await TaskPage.find_by_page_ids(task["user_id"], some):
                changes.add(page, self._without(page["entries"]))
        return page_ids

    def _without(self, entries: list[Row]) -> list[Row]:
        return [entry for entry in entries if not self._contain(entry)]

    def _contain(self, entry: Row) -> bool:
        is_unmodified = entry["updated_at"] == entry["created_at"] or entry["updated_at"] < self.before
        return is_unmodified and entry.get("import_id") == self.import_id


@dataclass(frozen=True, slots=True)
class _Totals:
    entries: int = 0
    seconds: int = 0

    def __add__(self, other: "_Totals") -> "_Totals":
        return _Totals(self.entries + other.entries, self.seconds + other.seconds)

    def __sub__(self, other: "_Totals") -> "_Totals":
        return _Totals(self.entries - other.entries, self.seconds - other.seconds)


def _totals(entries: list[Row]) -> _Totals:
    return _Totals(len(entries), sum(entry["duration_seconds"] for entry in entries))


class _PageChanges:
    """The changes of the pages of one task.

    Attributes:
        rewritten: The pages that change, each with the entries that stay.
        dropped: The pages of which no entry stays, without their entries.
        gone: The totals of the removed entries.
    """

    def __init__(self) -> None:
        self.rewritten: list[tuple[Row, list[Row]]] = []
        self.rewritten_bytes = 0
        self.dropped: list[Row] = []
        self.gone = _Totals()

    def add(self, page: Row, entries: list[Row]) -> None:
        """Add a page of which these entries stay."""
        if len(entries) == page["entry_count"]:
            return
        without_entries = {name: value for name, value in page.items() if name != "entries"}
        self.gone += _Totals(page["entry_count"], page["tracked_seconds"]) - _totals(entries)
        if entries:
            self.rewritten.append((without_entries, entries))
            self.rewritten_bytes += sum(map(entry_bytes, page["entries"]))
        else:
            self.dropped.append(without_entries)


async def _removal_update(task: Row, hot: list[Row], changes: _PageChanges, gone: _Totals) -> Row:
    """Return the update of a task of which these hot entries stay."""
    update: Row = {
        "$set": {"time_entries": hot, **await _bounds(task, hot, changes), **import_version_update(task)},
        "$inc": {"entry_count": -gone.entries, "tracked_seconds": -gone.seconds},
    }
    if changes.dropped:
        dropped = {page["_id"] for page in changes.dropped}
        left = [page_id for page_id in task["pages"] if page_id not in dropped]
        if left:
            update["$set"]["pages"] = left
        else:
            update["$unset"] = {"pages": "", "paged_until": ""}
    return update


async def _bounds(task: Row, hot: list[Row], changes: _PageChanges) -> Row:
    """Return the first start and the last end of the entries that stay. Only a lost bound requires a search."""
    left = [*hot, *(entry for _, entries in changes.rewritten for entry in entries)]
    starts, ends = [entry["started_at"] for entry in left], [entry["ended_at"] for entry in left]
    has_both = starts and min(starts) == task["first_started_at"] and max(ends) == task["last_ended_at"]
    changed = {page["_id"] for page in (*changes.dropped, *(page for page, _ in changes.rewritten))}
    others = [page_id for page_id in task.get("pages") or () if page_id not in changed]
    if others and not has_both:
        bounds = await find_page_bounds(task, others)
        starts += [first for first, _ in bounds]
        ends += [last for _, last in bounds]
    return {"first_started_at": min(starts, default=None), "last_ended_at": max(ends, default=None)}


async def remove_imported_task(task: Row) -> bool:
    """Delete an imported task that has no entries and was not edited. Return whether it was deleted."""
    return await Task.delete_at_version(
        task, {"entry_count": 0, "import_version": task["version"], "active": {"$exists": False}}
    )
