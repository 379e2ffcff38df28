"""Queries that list time entries, ended and running, across the tasks in which they are embedded."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.entries import entry_order
from documents.tracking.queries.entry_filter import (
    EntryFilter,
    ended_entry_rows,
    entry_range_condition,
    running_entry_stages,
)
from documents.tracking.queries.paged_rows import (
    ONE_MILLISECOND,
    find_hot_rows,
    read_rows,
    read_unchanged,
)
from documents.tracking.queries.review import find_entries_to_review
from documents.tracking.queries.time_bounds import nearest_end, nearest_start
from documents.tracking.queries.time_windows import TimeWindows
from documents.tracking.tasks import NEWEST_ENTRIES, Task

_TASK_FIELDS: Row = {"title": 1, "tags": 1, "project_id": 1}
_LISTED_TASK_FIELDS: Row = {**_TASK_FIELDS, "version": 1}

_MAX_USUAL_FUTURE = timedelta(days=2)
"""Manual entries end at most 24 hours from now. Only imported ones can be later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryOrder:
    """The order by start and id. `after` is the start and the id of the last entry of the previous page."""

    descending: bool = True
    after: tuple[datetime, ObjectId | None] | None = None

    def start_bounds(self) -> dict[str, datetime]:
        """Return the condition on the starts of the entries that follow."""
        if self.after is None:
            return {}
        return {"$lte" if self.descending else "$gte": self.after[0]}

    def includes(self, entry: Row) -> bool:
        """Return whether the entry follows."""
        if self.after is None:
            return True
        started_at, entry_id = self.after
        place = entry_order(entry)
        if place[0] == started_at and entry_id is None:
            return False
        return place < self.after if self.descending else place > self.after

    def start_range(self, entry_filter: EntryFilter) -> tuple[datetime, datetime]:
        """Return the range [since, until) of the starts that follow, without entries that start before the filter."""
        if self.after is None:
            return entry_filter.since, entry_filter.until
        started_at, _ = self.after
        if self.descending:
            return entry_filter.since, min(entry_filter.until, started_at + ONE_MILLISECOND)
        return max(entry_filter.since, started_at), entry_filter.until


async def find_running_entry(user_id: ObjectId, entry_filter: EntryFilter, *, now: datetime) -> Row | None:
    """Return the running `entry` with the title, tags, status and project_id of its task, if it meets the filter.

    It counts as [started_at, now); `now` is a stored instant.
    """
    task_fields = {**_TASK_FIELDS, "status": 1}
    stages = running_entry_stages(user_id, entry_filter, task_fields, now=now)
    conditions = [{"$match": condition} for condition in entry_filter.entry_conditions()]
    rows = await Task.aggregate_rows(stages + conditions)
    return rows[0] if rows else None


async def find_entries(
    user_id: ObjectId, entry_filter: EntryFilter, order: EntryOrder, *, limit: int, now: datetime
) -> list[Row]:
    """Return at most `limit` entries of the user's live tasks.

    Each row has an `entry`, and the `task_id`, `title`, `project_id` and `version` of its task, read at the same
    instant. The running entry counts as [started_at, now); `now` is a stored instant. It is read first, so that a
    timer that is stopped between the two queries is found twice and returned once, but never missed.
    """
    page_stages = _page_stages(entry_filter, order, limit)
    running_stages = running_entry_stages(user_id, entry_filter, _LISTED_TASK_FIELDS, now=now, **order.start_bounds())
    running = await Task.aggregate_rows(running_stages + page_stages)
    ended = await _find_ended(user_id, entry_filter, order, limit=limit)
    rows_by_id = {row["entry"]["id"]: row for row in (*running, *ended)}
    return sorted(rows_by_id.values(), key=_sort_key, reverse=order.descending)[:limit]


async def find_with_newest_entries(user_id: ObjectId, task_id: ObjectId) -> Row | None:
    """Return the user's live task with its newest NEWEST_ENTRIES ended entries, oldest first, or None."""

    async def read() -> tuple[Row | None, list[Row]]:
        task = await Task.find_live_with_entries(user_id, task_id)
        if task is None or _has_newest_entries(task):
            return task, []
        rows = await _find_ended(user_id, EntryFilter(task_id=task_id), EntryOrder(), limit=NEWEST_ENTRIES)
        return {**task, "time_entries": [row["entry"] for row in reversed(rows)]}, [task]

    return await read_unchanged(read)


def _has_newest_entries(task: Row) -> bool:
    """Return whether no entry of a page can be among the newest entries of the task."""
    if not task.get("pages"):
        return True
    hot, until = task["time_entries"], task.get("paged_until")
    return len(hot) == NEWEST_ENTRIES and until is not None and bool(hot[0]["started_at"] >= until)


async def _find_ended(user_id: ObjectId, entry_filter: EntryFilter, order: EntryOrder, *, limit: int) -> list[Row]:
    """Return at most `limit` ended entries in order. Entries of pages and of many tasks are read in time windows."""
    if entry_filter.needs_review and entry_filter.text is None:
        marked = await find_entries_to_review(user_id, entry_filter, _LISTED_TASK_FIELDS)
        if marked is not None:
            following = [row for row in marked if order.includes(row["entry"])]
            return sorted(following, key=_sort_key, reverse=order.descending)[:limit]
    since, until = order.start_range(entry_filter)
    if until <= entry_filter.since:
        return await _read_window(user_id, entry_filter, order, order.start_bounds(), limit=limit)
    if entry_filter.task_id is not None:
        then = _page_stages(entry_filter, order, limit)
        query = ended_entry_rows(user_id, entry_filter, _LISTED_TASK_FIELDS, then, **order.start_bounds())
        rows, paged_tasks = await find_hot_rows(query)
        if not paged_tasks:
            return rows
    ahead = naive_utc(utc_now()) + _MAX_USUAL_FUTURE
    windows = TimeWindows(since, until, ahead=ahead, descending=order.descending)
    rows = []
    may_skip = True
    while len(rows) < limit and not windows.is_exhausted:
        low, high = windows.take()
        # The earliest window includes the entries that start before the range and extend into it.
        bounds = {"$gte": low} if low > entry_filter.since else order.start_bounds()
        batch = await _read_window(user_id, entry_filter, order, {**bounds, "$lt": high}, limit=limit - len(rows))
        rows += batch
        if windows.adjust_length(entry_count=len(batch), limit=limit) and may_skip and not windows.is_exhausted:
            nearest = nearest_end if order.descending else nearest_start
            may_skip = windows.skip_to(await nearest(user_id, entry_filter, windows.edge))
    return rows


async def _read_window(
    user_id: ObjectId, entry_filter: EntryFilter, order: EntryOrder, starts: dict[str, datetime], *, limit: int
) -> list[Row]:
    window = ended_entry_rows(user_id, entry_filter, _LISTED_TASK_FIELDS, [], **starts)
    is_in_range, meets_filter = entry_range_condition(entry_filter, **starts), entry_filter.entry_predicate()

    def is_listed(task: Row, entry: Row) -> bool:
        return is_in_range(entry) and order.includes(entry) and meets_filter(task, entry)

    rows = await read_rows(window, is_listed)
    return sorted(rows, key=_sort_key, reverse=order.descending)[:limit]


def _page_stages(entry_filter: EntryFilter, order: EntryOrder, limit: int) -> list[Row]:
    """Return the last stages of both queries: filter, sort and limit rows of an `entry` with its task's fields."""
    conditions = entry_filter.entry_conditions()
    if order.after is not None:
        started_at, entry_id = order.after
        operator = "$lt" if order.descending else "$gt"
        same_start = {"entry.started_at": started_at, "entry.id": {operator: entry_id}}
        conditions.append({"$or": [{"entry.started_at": {operator: started_at}}, same_start]})
    direction = -1 if order.descending else 1
    return [
        *({"$match": condition} for condition in conditions),
        {"$sort": {"entry.started_at": direction, "entry.id": direction}},
        {"$limit": limit},
        {"$project": {"_id": 0, "task_id": "$_id", "title": 1, "project_id": 1, "version": 1, "entry": 1}},
    ]


def _sort_key(row: Row) -> tuple[datetime, ObjectId]:
    return entry_order(row["entry"])
