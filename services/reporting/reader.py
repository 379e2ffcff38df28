"""What a report adds up, brought from the documents to the arithmetic, in pieces that hold up no other request."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from bson import ObjectId

from app.clock import naive_utc
from documents.common.base import Row
from documents.reporting.entry_reader import read_ended, read_projects
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.queries.timeline import find_running_entry
from services.reporting.row_keys import TrackedEntry, TrackedTask
from services.reporting.summary import InPieces, ReportSums, overlap

T = TypeVar("T")
Projects = dict[ObjectId, Row]

_1970 = naive_utc(datetime(1970, 1, 1, tzinfo=UTC))
_OF_PROJECTS = {"project", "client"}


@dataclass(frozen=True, slots=True)
class Needs:
    """The fields of tasks and entries that a report cannot do without, and whether it tells of projects."""

    of_task: tuple[str, ...]
    of_entry: tuple[str, ...]
    projects: bool

    @classmethod
    def of(cls, sums: ReportSums, *, money: bool) -> "Needs":
        """What these sums need."""
        groups = set(sums.plan.groups)
        of_task: list[str] = []
        of_entry: list[str] = []
        if "task" in groups:
            of_task += ["title", "project_id"]
        if groups & _OF_PROJECTS and "project_id" not in of_task:
            of_task.append("project_id")
        if "status" in groups:
            of_task.append("status")
        if "tag" in groups:
            of_task.append("tags")
            of_entry.append("tags")
        if money or "billable" in groups:
            of_entry += ["billable", "hourly_rate"]
        if sums.plan.explain:
            of_entry.append("id")
        return cls(tuple(of_task), tuple(of_entry), bool(groups & _OF_PROJECTS))


async def add_entries(
    user_id: ObjectId, sums: ReportSums, wanted: EntryFilter, *, now: datetime, include_running: bool, money: bool
) -> int:
    """Adds up what is wanted; answers the seconds of the running timer among it, which count only when included.

    The running one is read first, and left out of the ended ones: a timer that is stopped in
    between counts once, as what it had tracked by `now`.
    """
    needs = Needs.of(sums, money=money)
    projects = await read_projects(user_id) if needs.projects else None
    running = await find_running_entry(user_id, wanted, now=naive_utc(now))
    running_id, running_seconds = None, 0
    if running is not None:
        entry = running_until(running["entry"], now)
        running_id = running["entry"]["id"]
        running_seconds = overlap(entry.begin, entry.end, sums.plan)
        if include_running:
            await in_pieces(sums.add(tracked_task(running, projects), [entry]))
    await add_ended(user_id, sums, wanted, needs, projects, but=running_id)
    return running_seconds


async def add_ended(
    user_id: ObjectId,
    sums: ReportSums,
    wanted: EntryFilter,
    needs: Needs,
    projects: Projects | None,
    *,
    but: ObjectId | None,
) -> None:
    """Adds up the ended entries that are wanted, but for one."""
    ended = read_ended(user_id, wanted, but=but, of_task=needs.of_task, of_entry=needs.of_entry)
    async with aclosing(ended) as tasks:
        async for task in tasks:
            await in_pieces(sums.add(tracked_task(task, projects), map(tracked_entry, task["entries"])))


async def in_pieces(work: InPieces[T]) -> T:
    """What the work answers, other requests having their turn at each pause of it."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            answer: T = done.value
            return answer
        await asyncio.sleep(0)


def tracked_task(task: Row, projects: Projects | None) -> TrackedTask:
    """A task as the arithmetic takes it. Where projects are known, one that is not among them is none."""
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


def tracked_entry(entry: Row) -> TrackedEntry:
    """An ended entry as the arithmetic takes it."""
    billable = entry.get("billable", False)
    rate = entry.get("hourly_rate") if billable else None
    return TrackedEntry(
        entry["begin"] // 1000,
        entry["end"] // 1000,
        billable,
        rate["amount"] if rate else 0,
        rate["currency"] if rate else None,
        entry.get("tags", ()),
        entry.get("id"),
    )


def running_until(entry: Row, now: datetime) -> TrackedEntry:
    """A running entry as one that ends now; it has no rate yet."""
    begin = _seconds(entry["started_at"])
    end = max(begin, _seconds(naive_utc(now)))
    return TrackedEntry(begin, end, entry["billable"], tags=entry["tags"], id=entry["id"])


def _seconds(instant: datetime) -> int:
    """A stored instant in whole seconds since 1970."""
    since = instant - _1970
    return since.days * 86_400 + since.seconds
