"""Feeds the entries of a report from the database into its totals, without blocking the event loop."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from bson import ObjectId

from app.clock import EPOCH, naive_utc
from documents.common.base import Row
from documents.reporting.entry_reader import read_ended_entries, read_projects, read_tasks_since
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.queries.recent_tasks import SUMMARY_FIELDS
from documents.tracking.queries.timeline import find_running_entry
from services.reporting.row_keys import TrackedEntry, TrackedTask
from services.reporting.summary import PausableWork, Plan, ReportTotals, overlap_seconds

T = TypeVar("T")
Projects = dict[ObjectId, Row]

_PROJECT_GROUPS = {"project", "client"}


@dataclass(frozen=True, slots=True)
class RequiredFields:
    """The fields of tasks and entries that reports required, and whether they required the projects."""

    task_fields: tuple[str, ...]
    entry_fields: tuple[str, ...]
    projects: bool

    @classmethod
    def of(cls, plans: Collection[Plan], *, money: bool) -> "RequiredFields":
        """Return the fields that the totals of these plans need."""
        groups = {group for plan in plans for group in plan.groups}
        task_fields: list[str] = []
        entry_fields: list[str] = []
        if "task" in groups:
            task_fields += ["title", "project_id"]
        if groups & _PROJECT_GROUPS and "project_id" not in task_fields:
            task_fields.append("project_id")
        if "status" in groups:
            task_fields.append("status")
        if "tag" in groups:
            task_fields.append("tags")
            entry_fields.append("tags")
        if money or "billable" in groups:
            entry_fields += ["billable", "hourly_rate"]
        if any(plan.explain for plan in plans):
            entry_fields.append("id")
        if any(plan.include_notes for plan in plans):
            entry_fields.append("note")
        return cls(tuple(task_fields), tuple(entry_fields), bool(groups & _PROJECT_GROUPS))


async def add_entries(
    user_id: ObjectId,
    reports: Sequence[ReportTotals],
    entry_filter: EntryFilter,
    *,
    now: datetime,
    include_running: bool,
    money: bool,
) -> int:
    """Add the entries that match the filter to these reports. Return the seconds of the running timer in the range.

    All reports have the same range. The entries are read once for all of them.

    The running entry only counts in the totals with `include_running`. It is read first and excluded from the
    ended entries, so that a timer that is stopped in between counts once, with its duration at `now`.
    """
    required = RequiredFields.of([totals.plan for totals in reports], money=money)
    projects = await read_projects(user_id) if required.projects else None
    running = await find_running_entry(user_id, entry_filter, now=naive_utc(now))
    running_id, running_seconds = None, 0
    if running is not None:
        entry = to_running_entry(running["entry"], now)
        running_id = running["entry"]["id"]
        running_seconds = overlap_seconds(entry.begin, entry.end, reports[0].plan)
        if include_running:
            await _add_to_all(reports, to_tracked_task(running, projects), [entry])
    await _add_ended_entries(user_id, reports, entry_filter, required, projects, exclude_id=running_id)
    return running_seconds


async def _add_ended_entries(
    user_id: ObjectId,
    reports: Sequence[ReportTotals],
    entry_filter: EntryFilter,
    required: RequiredFields,
    projects: Projects | None,
    *,
    exclude_id: ObjectId | None,
) -> None:
    """Add the ended entries that match the filter, except the one with `exclude_id`."""
    ended = read_ended_entries(
        user_id,
        entry_filter,
        exclude_id=exclude_id,
        task_fields=required.task_fields,
        entry_fields=required.entry_fields,
    )
    async with aclosing(ended) as tasks:
        async for task in tasks:
            entries = [to_tracked_entry(entry) for entry in task["entries"]]
            await _add_to_all(reports, to_tracked_task(task, projects), entries)


async def _add_to_all(reports: Sequence[ReportTotals], task: TrackedTask, entries: Sequence[TrackedEntry]) -> None:
    for totals in reports:
        await run_with_pauses(totals.add(task, entries))


async def add_entries_of_week(user_id: ObjectId, totals: ReportTotals, *, exclude_id: ObjectId | None) -> list[Row]:
    """Add the ended entries of the current week, except the one with `exclude_id`, to totals of their times.

    Returns the tasks whose last entry ends in this week or later, the most recently tracked first, with the fields of
    a summary. One query reads both.
    """
    since = naive_utc(datetime.fromtimestamp(totals.plan.since, UTC))
    tracked: dict[ObjectId, Row] = {}
    tasks = read_tasks_since(user_id, since, exclude_id=exclude_id, task_fields=SUMMARY_FIELDS)
    async with aclosing(tasks):
        async for task in tasks:
            entries = map(to_tracked_entry, task.pop("entries"))
            await run_with_pauses(totals.add(to_tracked_task(task, None), entries))
            tracked[task["_id"]] = task
    return sorted(tracked.values(), key=lambda task: task["last_ended_at"], reverse=True)


async def run_with_pauses(work: PausableWork[T]) -> T:
    """Run the work, and yield to the event loop at each of its pauses. Return its result."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: T = stop.value
            return result
        await asyncio.sleep(0)


def to_tracked_task(task: Row, projects: Projects | None) -> TrackedTask:
    """Return the task as the totals take it. A project that is not in `projects` counts as none."""
    project_id: ObjectId | None = task.get("project_id")
    project: Row = {}
    if projects is not None and project_id is not None:
        project = projects.get(project_id, {})
        project_id = project.get("_id")
    return TrackedTask(
        id=str(task["_id"]),
        title=task.get("title", ""),
        project_id=str(project_id) if project_id else None,
        project_name=project.get("name"),
        client_name=project.get("client_name"),
        status=task.get("status", ""),
        tags=task.get("tags", ()),
    )


def to_tracked_entry(entry: Row) -> TrackedEntry:
    """Return an ended entry as the totals take it."""
    billable = entry.get("billable", False)
    rate = entry.get("hourly_rate") if billable else None
    return TrackedEntry(
        _seconds(entry["started_at"]),
        _seconds(entry["ended_at"]),
        billable,
        rate["amount"] if rate else 0,
        rate["currency"] if rate else None,
        entry.get("tags", ()),
        entry.get("id"),
        entry.get("note"),
    )


def to_running_entry(entry: Row, now: datetime) -> TrackedEntry:
    """Return the running entry as one that ends now. It has no rate yet."""
    begin = _seconds(entry["started_at"])
    end = max(begin, _seconds(naive_utc(now)))
    return TrackedEntry(begin, end, entry["billable"], tags=entry["tags"], id=entry["id"], note=entry["note"])


def _seconds(instant: datetime) -> int:
    """Return a stored instant in whole seconds since 1970."""
    elapsed = instant - EPOCH
    return elapsed.days * 86_400 + elapsed.seconds
