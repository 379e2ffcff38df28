"""Rows of ended entries: the hot entries of tasks, and the entries of their pages.

The tasks are read first and the pages that they list after. A page that is replaced in between can still be read, so
turning a page loses nothing and repeats nothing. If a task has changed otherwise, all is read again in a transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import bson
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.common.transactions import current_session
from documents.tracking.pages import TaskPage
from documents.tracking.queries.read_windows import read_in_windows
from documents.tracking.tasks import Task

T = TypeVar("T")

OLD_RANGE_AGE = timedelta(days=400)
"""For a range of tasks that ended longer ago, or a range of pages that began longer ago, the first start is assumed to
be more selective than the last end."""

PAGES_PER_QUERY = 10
"""A query of whole pages reads at most this number of them, so that none takes long."""

PAGES_PER_WINDOW = 20
"""The number of pages that a window of a long range should have, when they are read without their entries."""

ONE_MILLISECOND = timedelta(milliseconds=1)
"""The precision of stored instants: [instant, instant + ONE_MILLISECOND) contains exactly one."""

_PAGE_FIELDS: Row = {"task_id": 1, "first_started_at": 1, "last_ended_at": 1, "version": 1}

MIN_INSTANT = naive_utc(datetime(1, 1, 2, tzinfo=UTC))
"""Not the first instant of Python's dates, so that a query can have a bound before it."""

MAX_INSTANT = naive_utc(datetime(9999, 12, 31, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRows:
    """A query for rows of an `entry` with the _id and `task_fields` of its task.

    `tasks` are the stages that find the tasks. `select` returns the expression of the wanted entries of an array of
    entries. They end at `since` or later and start before `before`. `then` are stages that filter, sort and limit the
    rows; they can use the task fields.
    """

    user_id: ObjectId
    tasks: list[Row]
    select: Callable[[str], Row]
    since: datetime
    before: datetime
    then: list[Row]
    task_fields: Row = field(default_factory=dict)

    def hot_stages(self) -> list[Row]:
        """Return the stages that find the rows of hot entries, after `tasks`."""
        return [
            {"$project": {**self.task_fields, "entries": self.select("$time_entries")}},
            {"$unwind": "$entries"},
            {"$project": {**self.task_fields, "entry": "$entries"}},
            *self.then,
        ]

    def paged_stages(self, tasks: list[Row]) -> list[Row]:
        """Return the stages that find the rows of paged entries, from the pages that these tasks list."""
        stages: list[Row] = [
            *pages_in_range_stages(self.user_id, tasks, self.since, self.before),
            {"$project": {"task_id": 1, "entries": self.select("$entries")}},
            {"$match": {"entries": {"$ne": []}}},
        ]
        if self.task_fields:
            stages += [task_lookup_stage(self.task_fields), {"$unwind": "$task"}]
        fields = {name: f"$task.{name}" for name in self.task_fields}
        return [
            *stages,
            {"$unwind": "$entries"},
            {"$project": {**fields, "_id": "$task_id", "entry": "$entries"}},
            *self.then,
        ]


async def find_rows(query: EntryRows) -> list[Row]:
    """Return the rows of hot entries and of paged entries, each in the order of the query."""

    async def read() -> tuple[list[Row], list[Row]]:
        hot, tasks = await find_hot_rows(query)
        return hot + (await TaskPage.aggregate_rows(query.paged_stages(tasks)) if tasks else []), tasks

    return await read_unchanged(read)


async def read_rows(query: EntryRows, includes: Callable[[Row, Row], bool]) -> list[Row]:
    """Return the rows of the entries for which `includes` returns true, given the task and the entry, in no order.

    It replaces `select` and `then`: portable form, decision 10.
    """

    async def read() -> tuple[list[Row], list[Row]]:
        rows: list[Row] = []
        paged: dict[ObjectId, Row] = {}
        for undecoded in await Task.aggregate_undecoded(query.tasks):
            task = bson.decode(undecoded.raw)
            rows += entry_rows(task, task["time_entries"], query.task_fields, includes)
            if pages := pages_reaching(task, query.since):
                paged[task["_id"]] = {**task, "pages": pages}
            await asyncio.sleep(0)
        if paged:
            stages = pages_in_range_stages(query.user_id, [*paged.values()], query.since, query.before)
            for undecoded in await TaskPage.aggregate_undecoded(stages):
                page = bson.decode(undecoded.raw)
                rows += entry_rows(paged[page["task_id"]], page["entries"], query.task_fields, includes)
                await asyncio.sleep(0)
        return rows, [*paged.values()]

    return await read_unchanged(read)


def entry_rows(task: Row, entries: list[Row], task_fields: Row, includes: Callable[[Row, Row], bool]) -> list[Row]:
    """Return a row for each of these entries of the task for which `includes` returns true."""
    fields = {name: task[name] for name in task_fields}
    return [{**fields, "task_id": task["_id"], "entry": entry} for entry in entries if includes(task, entry)]


async def find_hot_rows(query: EntryRows) -> tuple[list[Row], list[Row]]:
    """Return the rows of hot entries, and the tasks with pages that can be in the range, with their `pages`."""
    facets = {"hot": query.hot_stages(), "tasks": paged_tasks_stages(query.since)}
    rows = await Task.aggregate_rows([*query.tasks, {"$facet": facets}])
    return rows[0]["hot"], rows[0]["tasks"]


async def read_unchanged(read: Callable[[], Awaitable[tuple[T, list[Row]]]]) -> T:
    """Return the result of `read`, which also returns the paged tasks that it has read.

    If one of them has changed before `read` ended, it is called again in a transaction, which reads a snapshot.
    """
    result, tasks = await read()
    if not tasks or current_session() is not None or await Task.are_unchanged(tasks):
        return result
    while (snapshot := await Task.run_in_transaction(read)) is None:
        pass  # a transaction that only reads is aborted by a failover at most
    return snapshot[0]


def paged_tasks_stages(since: datetime) -> list[Row]:
    """Return the stages that keep tasks with pages that can end at `since` or later, with `pages` and `version`."""
    return [
        {"$match": {"pages.0": {"$exists": True}}},
        {"$project": {"pages": pages_after(since), "version": 1, "user_id": 1}},
        {"$match": {"pages": {"$ne": []}}},
    ]


def pages_after(since: datetime) -> Row:
    """Return an aggregation expression: the page ids of a task, or [] if its pages cannot end at `since` or later."""
    may_reach = {"$gte": [{"$ifNull": ["$paged_until", MAX_INSTANT]}, since]}
    return {"$cond": [may_reach, {"$ifNull": ["$pages", []]}, []]}


def pages_reaching(task: Row, since: datetime) -> list[ObjectId]:
    """Return the page ids of a task, or [] if its pages cannot end at `since` or later."""
    may_reach: bool = task.get("paged_until", MAX_INSTANT) >= since
    return task.get("pages", []) if may_reach else []


async def find_pages_in_range(user_id: ObjectId, tasks: list[Row], since: datetime, before: datetime) -> list[Row]:
    """Return the pages that these tasks list and that can have entries in a range, by first start.

    They are without their entries. There are several queries, so that none takes long: one for each task if the range
    is old, otherwise one for each window of the last end.
    """
    pages: list[Row] = []
    if _is_old(since):
        for task in tasks:
            rows = await _find_pages(pages_in_range_stages(user_id, [task], since, before))
            pages += [page for page in rows if page["task_id"] == task["_id"]]
    else:
        task_ids = {task["_id"] for task in tasks}

        async def read(low: datetime, high: datetime | None) -> list[Row]:
            return await _find_pages(pages_in_range_stages(user_id, tasks, low, before, high))

        now = naive_utc(utc_now())
        async with aclosing(read_in_windows(read, since, min(before, now), size=PAGES_PER_WINDOW)) as windows:
            async for window in windows:
                pages += [page for page in window if page["task_id"] in task_ids]
    return sorted(pages, key=lambda page: (page["first_started_at"], page["_id"]))


async def _find_pages(stages: list[Row]) -> list[Row]:
    return await TaskPage.aggregate_rows([*stages, {"$project": _PAGE_FIELDS}])


def is_inside(page: Row, since: datetime, before: datetime) -> bool:
    """Return whether all entries of the page start and end in [since, before)."""
    begins: bool = page["first_started_at"] >= since
    return begins and page["last_ended_at"] < before


def _is_old(since: datetime) -> bool:
    return since < naive_utc(utc_now()) - OLD_RANGE_AGE


def pages_in_range_stages(
    user_id: ObjectId, tasks: list[Row], since: datetime, before: datetime, ended_before: datetime | None = None
) -> list[Row]:
    """Return the stages that find the pages that these tasks list and that can have entries in a range.

    They have a last end at `since` or later, and before `ended_before` if it is given, and a first start before
    `before`. The first stage has the bounds of one field only, and not $gte (portable form: decision 10).
    """
    end = {} if ended_before is None else {"$lt": ended_before}
    selective: Row = {"last_ended_at": {"$gt": since - ONE_MILLISECOND, **end}}
    if len(tasks) == 1 and ended_before is None and _is_old(since):
        selective = {"task_id": tasks[0]["_id"], "first_started_at": {"$lt": before}}
    listed = [page_id for task in tasks for page_id in task["pages"]]
    both: Row = {"last_ended_at": {"$gte": since}, "first_started_at": {"$lt": before}}
    return [{"$match": {"user_id": user_id, **selective}}, {"$match": {"_id": {"$in": listed}, **both}}]


def listed_pages_stages(user_id: ObjectId, tasks: list[Row]) -> Iterator[Row]:
    """Yield first stages, each of which finds some of the pages that these tasks list."""
    page_ids = [page_id for task in tasks for page_id in task.get("pages") or ()]
    for first in range(0, len(page_ids), PAGES_PER_QUERY):
        yield {"$match": {"_id": {"$in": page_ids[first : first + PAGES_PER_QUERY]}, "user_id": user_id}}


def task_lookup_stage(task_fields: Row) -> Row:
    """Return the stage that adds the task of a page, with these fields, as the array `task`."""
    return {
        "$lookup": {
            "from": Task.Settings.name,
            "localField": "task_id",
            "foreignField": "_id",
            "pipeline": [{"$project": task_fields}],
            "as": "task",
        }
    }
