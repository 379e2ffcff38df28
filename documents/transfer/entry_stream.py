"""The entries of a time range in the order of their start, hot and paged, with little memory.

The hot entries come from one query, whose result does not change after its first batch. The pages are found next. Each
is read when the first start in it is reached. If it was changed before, its task is read again from there on.
"""

from collections.abc import Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from heapq import heappop, heappush
from itertools import count

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from documents.common.aggregations import Aggregation
from documents.common.base import Row
from documents.tracking.entries import entry_order
from documents.tracking.pages import TaskPage
from documents.tracking.queries.entry_filter import EntryFilter, ended_entry_rows
from documents.tracking.queries.paged_rows import find_pages_in_range, is_inside, pages_after, read_unchanged
from documents.tracking.queries.timeline import find_running_entry
from documents.tracking.tasks import Task
from documents.transfer.export_queries import ENTRIES_PER_BATCH, Batches, read_batches, read_slot

_TASK_FIELDS: Row = {"title": 1, "tags": 1, "status": 1, "project_id": 1}
_LOWEST_ID = ObjectId(b"\0" * 12)

SortKey = tuple[datetime, ObjectId]


class MissingPageError(Exception):
    """A task lists a page that does not exist, so the entries cannot be complete."""


async def stream_entries(user_id: ObjectId, entry_filter: EntryFilter, *, now: datetime, running: bool) -> Batches:
    """Yield the entries of the user's live tasks, oldest start first. The last batch may be empty.

    Each row has its `entry` and the _id, title, tags, status and project_id of its task. With `running`, the
    running entry is included as it was at the beginning. `now` is naive UTC. EntryFilter.text does not apply.
    Raises MissingPageError.
    """
    timer = await find_running_entry(user_id, entry_filter, now=now) if running else None
    timer_id, pending = (None, []) if timer is None else (timer["entry"]["id"], [timer])
    async with aclosing(_stream_ended(user_id, entry_filter)) as batches:
        async for batch in batches:
            # The timer may have been stopped since it was read: then it is among the ended entries, too.
            rows = [row for row in batch if row["entry"]["id"] != timer_id] if timer_id else batch
            if pending and _sort_key(batch[-1]) > _sort_key(pending[0]):
                rows, pending = sorted([*rows, *pending], key=_sort_key), []
            yield rows
    yield pending


async def _stream_ended(user_id: ObjectId, entry_filter: EntryFilter) -> Batches:
    """Yield the ended entries, oldest start first. No batch is empty."""
    merge = _Merge(user_id, entry_filter)
    markers: list[Row] = []
    is_open = False
    stages = _hot_stages(user_id, entry_filter)
    cursor = Aggregation(Task.collection(), stages, batchSize=ENTRIES_PER_BATCH, allowDiskUse=True)
    async with aclosing(read_batches(user_id, cursor, ENTRIES_PER_BATCH)) as batches:
        async for batch in batches:
            hot = batch
            if not is_open:
                markers += [row for row in batch if _is_marker(row)]
                hot = [row for row in batch if not _is_marker(row)]
                if not hot:
                    continue
                await merge.open(markers)
                is_open = True
            if not markers:
                yield hot
                continue
            async with aclosing(merge.take(hot)) as merged:
                async for rows in merged:
                    yield rows
    if not is_open:
        await merge.open(markers)
    async with aclosing(merge.take([])) as merged:
        async for rows in merged:
            yield rows


def _hot_stages(user_id: ObjectId, entry_filter: EntryFilter) -> list[Row]:
    """Return the stages that find the rows of hot entries in order.

    The first rows are markers: one for each task with pages in the range, with the `pages` and the `version` of the
    task instead of an entry. They have no start, so they sort first.
    """
    query = ended_entry_rows(user_id, entry_filter, {}, [])
    pages = pages_after(query.since)
    marker = {"$cond": [{"$eq": [pages, []]}, [], [{"pages": pages, "version": "$version"}]]}
    return [
        *query.tasks,
        {"$project": {**_TASK_FIELDS, "entries": {"$concatArrays": [marker, query.select("$time_entries")]}}},
        {"$unwind": "$entries"},
        {"$project": {**_TASK_FIELDS, "entry": "$entries"}},
        *(
            {"$match": {"$or": [{"entry.version": {"$exists": True}}, each]}}
            for each in entry_filter.entry_conditions()
        ),
        {"$sort": {"entry.started_at": 1, "entry.id": 1}},
    ]


async def _read_entries(page: "_Page") -> RawBSONDocument | None:
    """Return the `entries` of a page that meet the filter, with its `version`, or None if it does not exist."""
    task, entry_filter = page.task, page.task.entry_filter
    query = ended_entry_rows(task.user_id, entry_filter, {}, [])
    conditions = entry_filter.entry_expressions()
    stages: list[Row] = [{"$match": {"_id": page.row["_id"], "user_id": task.user_id}}]
    if conditions or not is_inside(page.row, query.since, query.before):  # a projection takes longer than the read
        tags = {"$literal": task.fields["tags"]}
        meet_filter = {"$filter": {"input": "$entries", "cond": {"$and": conditions}}}
        stages += [
            {"$project": {"version": 1, "tags": tags, "entries": query.select("$entries")}},
            {"$project": {"version": 1, "entries": meet_filter if conditions else 1}},
        ]
    pages = await TaskPage.aggregate_undecoded(stages)
    return pages[0] if pages else None


def _is_marker(row: Row) -> bool:
    return "version" in row["entry"]


@dataclass(slots=True)
class _PagedTask:
    """A task with pages as it was read last. `fields` are those of its rows.

    `entry_filter` selects its remaining entries. `is_outdated` is set when the task is read again.
    """

    user_id: ObjectId
    entry_filter: EntryFilter
    fields: Row
    is_outdated: bool = False


@dataclass(slots=True)
class _Page:
    """A page whose entries are not read yet."""

    task: _PagedTask
    row: Row


@dataclass(slots=True)
class _Rows:
    """Rows in order, and the next of them. Without a task they are hot rows of many tasks."""

    rows: Iterator[Row]
    task: _PagedTask | None = None
    next: Row | None = field(default=None, init=False)


@dataclass(slots=True)
class _TaskRead:
    """A task with its remaining hot rows, its pages in the range, and some of these with their entries.

    `listed` are the ids of all its pages.
    """

    task: _PagedTask
    hot: list[Row]
    listed: list[ObjectId]
    pages: list[Row]
    with_entries: dict[ObjectId, RawBSONDocument | None]


class _Merge:
    """Merges hot rows with the rows of pages in the order of their start and id."""

    def __init__(self, user_id: ObjectId, entry_filter: EntryFilter) -> None:
        self._user_id = user_id
        self._entry_filter = entry_filter
        self._heap: list[tuple[SortKey, int, _Rows | _Page]] = []
        self._numbers = count()
        self._last: SortKey | None = None
        self._read_again: set[ObjectId] = set()

    async def open(self, markers: list[Row]) -> None:
        """Find the pages of the tasks. Call it once, after the first hot rows were read."""
        if not markers:
            return
        tasks = [_version_of(row, self._user_id) for row in markers]
        pages: dict[ObjectId, list[Row]] = {task["_id"]: [] for task in tasks}
        since, until = self._entry_filter.since, self._entry_filter.until
        for page in await find_pages_in_range(self._user_id, tasks, since, until):
            pages[page["task_id"]].append(page)
        is_changed = not await Task.are_unchanged(tasks)
        for task, marker in zip(tasks, markers, strict=True):
            if is_changed and not await Task.are_unchanged([task]):
                await self._read_task(task["_id"])
            else:
                self._add_pages(_paged_task(marker, self._user_id, self._entry_filter), pages[task["_id"]])

    async def take(self, hot_rows: list[Row]) -> Batches:
        """Add hot rows, and yield all rows in batches up to the last of them; without hot rows, all that remain."""
        hot = _Rows(iter(hot_rows))
        self._advance(hot)
        rows: list[Row] = []
        while self._heap and (not hot_rows or hot.next is not None):
            key, _, source = heappop(self._heap)
            if source.task is not None and source.task.is_outdated:
                continue
            if isinstance(source, _Page):
                await self._read_page(source)
                continue
            row = source.next
            if row is not None and (source.task is not None or row["_id"] not in self._read_again):
                rows.append(row)
                self._last = key
            self._advance(source)
            if len(rows) == ENTRIES_PER_BATCH:
                yield rows
                rows = []
        if rows:
            yield rows

    def _advance(self, source: _Rows) -> None:
        """Add the next row to the heap."""
        source.next = next(source.rows, None)
        if source.next is not None:
            self._push(_sort_key(source.next), source)

    def _push(self, key: SortKey, source: _Rows | _Page) -> None:
        heappush(self._heap, (key, next(self._numbers), source))

    def _add_pages(self, task: _PagedTask, pages: list[Row]) -> None:
        for page in pages:
            self._push((page["first_started_at"], _LOWEST_ID), _Page(task, page))

    def _add_rows(self, task: _PagedTask, rows: Iterable[Row]) -> None:
        """Add those rows of a task that follow the last one that was taken."""
        last = self._last
        self._advance(_Rows((row for row in rows if last is None or _sort_key(row) > last), task))

    def _add_entries(self, task: _PagedTask, page: RawBSONDocument) -> None:
        """Add the entries of a page. They are decoded when they are taken, because many pages can be open at once."""
        self._add_rows(task, ({**task.fields, "entry": bson.decode(entry.raw)} for entry in page["entries"]))

    async def _read_page(self, page: _Page) -> None:
        """Add the rows of a page, or read its task again if the page has changed or is missing."""
        async with read_slot(self._user_id):
            with_entries = await _read_entries(page)
        if with_entries is not None and with_entries["version"] == page.row["version"]:
            self._add_entries(page.task, with_entries)
            return
        page.task.is_outdated = True
        listed = await self._read_task(page.task.fields["_id"], reached=page.row["first_started_at"])
        if with_entries is None and page.row["_id"] in listed:
            raise MissingPageError(f"page {page.row['_id']}")

    async def _read_task(self, task_id: ObjectId, *, reached: datetime | None = None) -> list[ObjectId]:
        """Read a task again for the rows that were not taken yet, and return the pages that it lists.

        The pages that start at `reached` or earlier are read at once, so that frequent changes do not delay the export.
        """
        self._read_again.add(task_id)
        since = self._entry_filter.since if self._last is None else max(self._entry_filter.since, self._last[0])
        entry_filter = replace(self._entry_filter, task_id=task_id, since=since)
        task_read = await read_unchanged(partial(_read_whole_task, self._user_id, entry_filter, reached))
        if task_read is None:
            return []
        self._add_rows(task_read.task, task_read.hot)
        for page in task_read.with_entries.values():
            if page is not None:
                self._add_entries(task_read.task, page)
        unread = [page for page in task_read.pages if page["_id"] not in task_read.with_entries]
        self._add_pages(task_read.task, unread)
        return task_read.listed


async def _read_whole_task(
    user_id: ObjectId, entry_filter: EntryFilter, reached: datetime | None
) -> tuple[_TaskRead | None, list[Row]]:
    """Return the task of the filter, if it is in the range, and the task whose version must not change meanwhile."""
    rows = await Task.aggregate_rows(_hot_stages(user_id, entry_filter))
    if not rows:
        return None, []
    task = _paged_task(rows[0], user_id, entry_filter)
    if not _is_marker(rows[0]):
        return _TaskRead(task, rows, [], [], {}), []
    version = _version_of(rows[0], user_id)
    pages = await find_pages_in_range(user_id, [version], entry_filter.since, entry_filter.until)
    with_entries = {
        page["_id"]: await _read_entries(_Page(task, page))
        for page in pages
        if reached is not None and page["first_started_at"] <= reached
    }
    return _TaskRead(task, rows[1:], version["pages"], pages, with_entries), [version]


def _paged_task(row: Row, user_id: ObjectId, entry_filter: EntryFilter) -> _PagedTask:
    return _PagedTask(user_id, entry_filter, {name: value for name, value in row.items() if name != "entry"})


def _version_of(marker: Row, user_id: ObjectId) -> Row:
    """Return the task of a marker with its `pages` and `version`."""
    return {**marker["entry"], "_id": marker["_id"], "user_id": user_id}


def _sort_key(row: Row) -> SortKey:
    return entry_order(row["entry"])
