"""The invariants of stored tasks and pages, checked by pure functions of a row. Each violation is a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId

from documents.common.base import Row
from documents.common.json_schema import format_value, schema_of, schema_violations
from documents.tracking.entries import entry_order
from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from services.common.intervals import seconds_between

COUNTERS = ("tracked_seconds", "entry_count", "first_started_at", "last_ended_at")
PAGE_COUNTERS = (*COUNTERS, "import_ids")

NO_ENTRIES: Row = {"tracked_seconds": 0, "entry_count": 0, "first_started_at": None, "last_ended_at": None}
"""The totals of no entries."""


@dataclass(frozen=True, slots=True)
class RowFindings:
    """The violations of one task or page.

    `schema_errors`: violations of the validator, other than in the counters. Such a row is not checked further.
    `inconsistencies`: contradictions between fields. `counters`: the correct values of the wrong counters.
    """

    schema_errors: tuple[str, ...] = ()
    inconsistencies: tuple[str, ...] = ()
    counters: Row = field(default_factory=dict)


def check_task(task: Row, paged: Row | None = NO_ENTRIES) -> RowFindings:
    """Check the task on its own.

    `paged` are the totals of the entries in its pages. None: they are unknown, and the counters are not checked.
    """
    invalid, schema_errors = _schema_errors(_TASK_SCHEMA, task, COUNTERS)
    if schema_errors:
        return RowFindings(schema_errors=schema_errors)
    counters: Row = {}
    if paged is not None:
        expected = add_totals(count_entries(task["time_entries"]), paged).items()
        counters = {name: value for name, value in expected if name in invalid or task[name] != value}
        last_paged = paged["last_ended_at"]
        if last_paged is not None and "paged_until" in task and task["paged_until"] < last_paged:
            counters["paged_until"] = last_paged
    return RowFindings(inconsistencies=tuple(_task_inconsistencies(task)), counters=counters)


def check_page(page: Row) -> RowFindings:
    """Check the page on its own."""
    invalid, schema_errors = _schema_errors(_PAGE_SCHEMA, page, PAGE_COUNTERS)
    if schema_errors:
        return RowFindings(schema_errors=schema_errors)
    if not page["entries"]:
        return RowFindings(inconsistencies=("has no entries",))
    expected = {**count_entries(page["entries"]), "import_ids": sorted(import_ids(*page["entries"]))}
    counters = {name: value for name, value in expected.items() if name in invalid or page[name] != value}
    return RowFindings(inconsistencies=tuple(_entries_inconsistencies("entries", page["entries"])), counters=counters)


def count_entries(entries: list[Row]) -> Row:
    """Return the totals of ended entries: the values of COUNTERS."""
    return {
        "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
        "entry_count": len(entries),
        "first_started_at": min((entry["started_at"] for entry in entries), default=None),
        "last_ended_at": max((entry["ended_at"] for entry in entries), default=None),
    }


def add_totals(some: Row, more: Row) -> Row:
    """Return the totals of both."""
    starts = [row["first_started_at"] for row in (some, more) if row["first_started_at"] is not None]
    ends = [row["last_ended_at"] for row in (some, more) if row["last_ended_at"] is not None]
    return {
        "tracked_seconds": some["tracked_seconds"] + more["tracked_seconds"],
        "entry_count": some["entry_count"] + more["entry_count"],
        "first_started_at": min(starts, default=None),
        "last_ended_at": max(ends, default=None),
    }


def hot_and_running_entries(task: Row) -> list[Row]:
    """Return the entries inside the task, ended and running. Invalid values are left out."""
    ended, running = task.get("time_entries"), task.get("active")
    return [entry for entry in (*(ended if isinstance(ended, list) else ()), running) if isinstance(entry, dict)]


def entry_ids(entries: list[Row]) -> list[ObjectId]:
    """Return the valid ids of the entries."""
    ids = [entry.get("id") for entry in entries]
    return [entry_id for entry_id in ids if isinstance(entry_id, ObjectId)]


def import_ids(*rows: Row) -> set[ObjectId]:
    """Return the valid ids of the imports that created the rows."""
    ids = [row.get("import_id") for row in rows]
    return {import_id for import_id in ids if isinstance(import_id, ObjectId)}


def listed_page_ids(task: Row) -> list[ObjectId]:
    """Return the valid ids in the task's list of pages, in its order."""
    ids = task.get("pages")
    return [page_id for page_id in ids if isinstance(page_id, ObjectId)] if isinstance(ids, list) else []


def _schema_errors(schema: Row, row: Row, counters: tuple[str, ...]) -> tuple[set[str], tuple[str, ...]]:
    """Return the names of invalid counters. If other fields are invalid, return all violations of the validator."""
    violations = list(schema_violations(schema, row))
    names = {violation.path.partition(".")[0] for violation in violations}
    errors = tuple(f"{violation.path} {violation.message}" for violation in violations)
    return names, () if names <= set(counters) else errors


def _task_inconsistencies(task: Row) -> Iterator[str]:
    running, is_completed = task.get("active"), task["status"] == "completed"
    if running is not None:
        yield from _running_inconsistencies(task, running)
    if is_completed != (task["completed_at"] is not None):
        yield f"completed_at is {format_value(task['completed_at'])}, but status is {format_value(task['status'])}"
    yield from _entries_inconsistencies("time_entries", task["time_entries"])


def _running_inconsistencies(task: Row, running: Row) -> Iterator[str]:
    if task["status"] != "in_progress":
        yield f"status is {format_value(task['status'])}, but its timer is running"
    if task["deleted_at"] is not None:
        yield "is in the trash, but its timer is running"
    if not _is_whole_second(running["started_at"]):
        yield f"active.started_at is {format_value(running['started_at'])}, not a whole second"


def _entries_inconsistencies(name: str, entries: list[Row]) -> Iterator[str]:
    """Check the ended entries in the field with this name."""
    if entries != sorted(entries, key=entry_order):
        yield f"{name} are not sorted by started_at and id"
    for number, entry in enumerate(entries):
        yield from (f"{name}.{number} {text}" for text in _entry_inconsistencies(entry))


def _entry_inconsistencies(entry: Row) -> Iterator[str]:
    started_at, ended_at = entry["started_at"], entry["ended_at"]
    for name in ("started_at", "ended_at"):
        if not _is_whole_second(entry[name]):
            yield f"{name} is {format_value(entry[name])}, not a whole second"
    if ended_at < started_at:
        yield f"ends at {format_value(ended_at)}, before its start at {format_value(started_at)}"
    elif entry["duration_seconds"] != seconds_between(started_at, ended_at):
        seconds = seconds_between(started_at, ended_at)
        yield f"duration_seconds is {entry['duration_seconds']}, but its start and end are {seconds} seconds apart"


def _is_whole_second(instant: datetime) -> bool:
    return instant.microsecond == 0


_TASK_SCHEMA = schema_of(Task)
_PAGE_SCHEMA = schema_of(TaskPage)
