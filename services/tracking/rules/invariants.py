"""The invariants of a stored task, checked by pure functions of its row. Each violation is a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId

from documents.common.base import Row
from documents.common.json_schema import format_value, schema_of, schema_violations
from documents.tracking.tasks import Task
from services.common.intervals import seconds_between

COUNTERS = ("tracked_seconds", "entry_count", "first_started_at", "last_ended_at")


@dataclass(frozen=True, slots=True)
class TaskFindings:
    """The violations of one task.

    `schema_errors`: violations of the validator, other than in the counters. Such a task is not checked further.
    `inconsistencies`: contradictions between fields. `counters`: the correct values of the wrong counters.
    """

    schema_errors: tuple[str, ...] = ()
    inconsistencies: tuple[str, ...] = ()
    counters: Row = field(default_factory=dict)


def check_task(task: Row) -> TaskFindings:
    """Check the task on its own, without other documents."""
    violations = list(schema_violations(_SCHEMA, task))
    if any(violation.path not in COUNTERS for violation in violations):
        return TaskFindings(schema_errors=tuple(f"{violation.path} {violation.message}" for violation in violations))
    invalid = {violation.path for violation in violations}
    expected = _count(task["time_entries"]).items()
    counters = {name: value for name, value in expected if name in invalid or task[name] != value}
    return TaskFindings(inconsistencies=tuple(_inconsistencies(task)), counters=counters)


def entry_ids(task: Row) -> list[ObjectId]:
    """Return the valid ids of the task's entries, ended and running."""
    ids = [entry.get("id") for entry in _entries(task)]
    return [entry_id for entry_id in ids if isinstance(entry_id, ObjectId)]


def import_ids(task: Row) -> set[ObjectId]:
    """Return the valid ids of the imports that created the task or its entries."""
    ids = [row.get("import_id") for row in (task, *_entries(task))]
    return {import_id for import_id in ids if isinstance(import_id, ObjectId)}


def _entries(task: Row) -> list[Row]:
    ended, running = task.get("time_entries"), task.get("active")
    return [entry for entry in (*(ended if isinstance(ended, list) else ()), running) if isinstance(entry, dict)]


def _count(entries: list[Row]) -> Row:
    return {
        "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
        "entry_count": len(entries),
        "first_started_at": min((entry["started_at"] for entry in entries), default=None),
        "last_ended_at": max((entry["ended_at"] for entry in entries), default=None),
    }


def _inconsistencies(task: Row) -> Iterator[str]:
    running, is_completed = task.get("active"), task["status"] == "completed"
    if running is not None:
        yield from _running_inconsistencies(task, running)
    if is_completed != (task["completed_at"] is not None):
        yield f"completed_at is {format_value(task['completed_at'])}, but status is {format_value(task['status'])}"
    entries = task["time_entries"]
    if entries != sorted(entries, key=lambda entry: (entry["started_at"], entry["id"])):
        yield "time_entries are not sorted by started_at and id"
    for number, entry in enumerate(entries):
        yield from (f"time_entries.{number} {text}" for text in _entry_inconsistencies(entry))


def _running_inconsistencies(task: Row, running: Row) -> Iterator[str]:
    if task["status"] != "in_progress":
        yield f"status is {format_value(task['status'])}, but its timer is running"
    if task["deleted_at"] is not None:
        yield "is in the trash, but its timer is running"
    if not _is_whole_second(running["started_at"]):
        yield f"active.started_at is {format_value(running['started_at'])}, not a whole second"


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


_SCHEMA = schema_of(Task)
