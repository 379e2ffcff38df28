"""The ended entries that need review, which are few among many. Indexes of their own find their tasks and pages."""

from bson import ObjectId

from documents.common.base import Row, by_ids
from documents.tracking.pages import HAS_PAGED_ENTRY_TO_REVIEW, TaskPage
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.queries.paged_rows import entry_rows, read_unchanged
from documents.tracking.tasks import HAS_ENTRY_TO_REVIEW, Task

MAX_DOCUMENTS = 500
"""If more tasks and pages have entries that need review, time windows find the newest of them as fast."""


async def find_entries_to_review(user_id: ObjectId, entry_filter: EntryFilter, task_fields: Row) -> list[Row] | None:
    """Return the rows of all ended entries that need review and meet the filter, in no order; without `text`.

    A row has the `entry`, the `task_id` and the `task_fields` of its task. Returns None if there are too many tasks
    and pages with such entries.
    """

    async def read() -> tuple[list[Row] | None, list[Row]]:
        # The tasks are searched before the pages, because an entry may move to a page, but not back.
        hot = await Task.find_rows({"user_id": user_id, **HAS_ENTRY_TO_REVIEW}, {"_id": 1})
        paged = await TaskPage.find_rows({"user_id": user_id, **HAS_PAGED_ENTRY_TO_REVIEW}, {"task_id": 1})
        if len(hot) + len(paged) > MAX_DOCUMENTS:
            return None, []
        tasks = await _read_tasks(user_id, {row["_id"] for row in hot} | {row["task_id"] for row in paged}, task_fields)
        pages = await _read_pages(user_id) if any(task.get("pages") for task in tasks) else []
        return _rows(entry_filter, tasks, pages, task_fields), [task for task in tasks if task.get("pages")]

    return await read_unchanged(read)


async def _read_tasks(user_id: ObjectId, task_ids: set[ObjectId], task_fields: Row) -> list[Row]:
    """Return these live tasks with those of their hot `entries` that need review, and the ids of their pages."""
    fields = {**task_fields, "user_id": 1, "tags": 1, "project_id": 1, "pages": 1, "version": 1}
    return await Task.aggregate_rows(
        [
            *by_ids(task_ids, {"user_id": user_id, "deleted_at": None}),
            {"$project": {**fields, "entries": _entries_to_review("$time_entries")}},
        ]
    )


async def _read_pages(user_id: ObjectId) -> list[Row]:
    """Return the pages, listed or not, with those of their `entries` that need review."""
    condition: Row = {"user_id": user_id, **HAS_PAGED_ENTRY_TO_REVIEW}
    entries = _entries_to_review("$entries")
    return await TaskPage.aggregate_rows([{"$match": condition}, {"$project": {"task_id": 1, "entries": entries}}])


def _entries_to_review(array: str) -> Row:
    return {"$filter": {"input": array, "cond": "$$this.needs_review"}}


def _rows(entry_filter: EntryFilter, tasks: list[Row], pages: list[Row], task_fields: Row) -> list[Row]:
    """Return the rows of the entries that meet the filter."""
    by_id = {task["_id"]: task for task in tasks}
    places = [(task, task["entries"]) for task in tasks]
    for page in pages:
        task = by_id.get(page["task_id"])
        if task is not None and page["_id"] in task.get("pages", ()):
            places.append((task, page["entries"]))
    return [
        row
        for task, entries in places
        if entry_filter.includes_task(task)
        for row in entry_rows(
            task, entries, task_fields, lambda task, entry: entry_filter.includes(entry, task["tags"])
        )
    ]
