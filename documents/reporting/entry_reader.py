"""Reads the entries of a report: the tasks in a time range, with only the fields of their entries that are needed."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from documents.common.base import Row
from documents.common.transactions import current_session
from documents.reporting.entry_queries import EntryQueries
from documents.reporting.task_windows import read_task_windows
from documents.tracking.projects import Project
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.queries.paged_rows import find_pages_in_range, pages_reaching, read_unchanged

PAGE_BATCH_SIZE = 5
"""Pages per query. They have at most 500 entries each."""

T = TypeVar("T")


@dataclass(slots=True)
class _PagedTask:
    """A task with its hot entries as they were read. `task` has no entries. `pages` are those in the range."""

    task: Row
    hot: RawBSONDocument
    pages: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    """Tasks and the undecoded entries of their pages."""

    tasks: list[_PagedTask]
    pages: list[RawBSONDocument] = field(default_factory=list)

    def decoded(self, queries: EntryQueries) -> Iterator[Row]:
        """Yield each task with its hot entries, and with those of each page, unless the page has none."""
        for paged in self.tasks:
            yield _with_entries(queries, bson.decode(paged.hot.raw))
        tasks = {paged.task["_id"]: paged.task for paged in self.tasks}
        for undecoded in self.pages:
            page = bson.decode(undecoded.raw)
            task = tasks[page["task_id"]]
            entries = queries.select(page["entries"], task.get("tags", ()))
            if entries:
                yield {**task, "entries": entries}


async def read_ended_entries(
    user_id: ObjectId,
    entry_filter: EntryFilter,
    *,
    exclude_id: ObjectId | None,
    task_fields: tuple[str, ...],
    entry_fields: tuple[str, ...],
) -> AsyncGenerator[Row, None]:
    """Yield the user's live tasks in the range with `task_fields`, and their ended `entries` with `entry_fields`.

    A task with pages is yielded several times: with its hot entries, and with those of each page. Each entry also has
    its `started_at` and `ended_at`. The entry with `exclude_id` is left out.

    The tasks are read in windows of their last end, so that no single query takes long (portable form: decision 10).
    A task is decoded when it is yielded, because decoding many tasks at once would block the event loop.
    """
    queries = EntryQueries(user_id, entry_filter, exclude_id, task_fields, entry_fields)
    read: set[ObjectId] = set()
    async with aclosing(read_task_windows(queries)) as windows:
        async for window in windows:
            async with aclosing(_read_entries(queries, window, read)) as tasks:
                async for task in tasks:
                    yield task


async def read_tasks_since(
    user_id: ObjectId, since: datetime, *, exclude_id: ObjectId | None, task_fields: tuple[str, ...]
) -> AsyncGenerator[Row, None]:
    """Yield the user's live tasks whose last entry ends at `since` or later, with their ended `entries` from then on.

    The rows are those of `read_ended_entries`, but a single query reads all tasks. Use it for the last few days only.
    """
    queries = EntryQueries(user_id, EntryFilter(since=since), exclude_id, task_fields, ())
    async with aclosing(_read_entries(queries, await queries.find_tasks(), set())) as tasks:
        async for task in tasks:
            yield task
            await asyncio.sleep(0)


async def _read_entries(
    queries: EntryQueries, tasks: Sequence[RawBSONDocument], read: set[ObjectId]
) -> AsyncGenerator[Row, None]:
    """Yield these tasks with their entries, those with pages last. Tasks in `read` are left out; others are added."""
    paged: list[_PagedTask] = []
    for hot in tasks:
        task = _with_entries(queries, bson.decode(hot.raw))
        if task["_id"] in read:
            continue
        read.add(task["_id"])
        if task["pages"]:
            paged.append(_paged_task(task, hot, queries.user_id))
        else:
            yield task
    if paged:
        await _find_pages(queries, paged)
    for group in _groups(paged):
        for row in (await read_unchanged(partial(_read_group, queries, group))).decoded(queries):
            yield row


def _with_entries(queries: EntryQueries, task: Row) -> Row:
    """Return the task with the `entries` that the report contains, and with the pages that can contain others."""
    task["entries"] = queries.select(task.pop("time_entries", []), task.get("tags", ()))
    task["pages"] = pages_reaching(task, queries.entry_filter.since)
    return task


def _paged_task(task: Row, hot: RawBSONDocument, user_id: ObjectId) -> _PagedTask:
    return _PagedTask({**task, "user_id": user_id, "entries": []}, hot)


async def _find_pages(queries: EntryQueries, tasks: list[_PagedTask]) -> None:
    """Find the pages of the tasks in the range."""
    since, until = queries.entry_filter.since, queries.entry_filter.until
    by_id = {paged.task["_id"]: paged for paged in tasks}
    for page in await find_pages_in_range(queries.user_id, [paged.task for paged in tasks], since, until):
        by_id[page["task_id"]].pages.append(page)


def _groups(tasks: list[_PagedTask]) -> Iterator[_Group]:
    """Yield the tasks in groups with at most PAGE_BATCH_SIZE pages. A task with more pages is a group by itself."""
    group: list[_PagedTask] = []
    size = 0
    for paged in tasks:
        if group and size + len(paged.pages) > PAGE_BATCH_SIZE:
            yield _Group(group)
            group, size = [], 0
        group.append(paged)
        size += len(paged.pages)
    if group:
        yield _Group(group)


async def _read_group(queries: EntryQueries, group: _Group) -> tuple[_Group, list[Row]]:
    """Return the group with the entries of its pages, and the tasks that must not have changed meanwhile.

    In a transaction the tasks are read again. Those that have left the range are left out.
    """
    if current_session() is not None:
        rows = await queries.read_tasks([paged.task["_id"] for paged in group.tasks])
        tasks = [(_with_entries(queries, bson.decode(hot.raw)), hot) for hot in rows]
        group = _Group([_paged_task(task, hot, queries.user_id) for task, hot in tasks])
        await _find_pages(queries, group.tasks)
    group.pages = await _read_pages(queries, group)
    return group, [paged.task for paged in group.tasks if paged.pages]


async def _read_pages(queries: EntryQueries, group: _Group) -> list[RawBSONDocument]:
    """Return the pages of these tasks with their entries."""
    page_ids = [page["_id"] for paged in group.tasks for page in paged.pages]
    undecoded: list[RawBSONDocument] = []
    for batch in _batches(page_ids, PAGE_BATCH_SIZE):
        undecoded += await queries.read_pages(batch)
    return undecoded


def _batches(ids: list[T], size: int) -> Iterator[list[T]]:
    return (ids[place : place + size] for place in range(0, len(ids), size))


async def read_projects(user_id: ObjectId) -> dict[ObjectId, Row]:
    """Return the name and client of each of the user's projects by id, archived ones included."""
    projects = await Project.aggregate_rows(
        [{"$match": {"user_id": user_id, "deleted_at": None}}, {"$project": {"name": 1, "client_name": 1}}]
    )
    return {project["_id"]: project for project in projects}
