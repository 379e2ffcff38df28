"""What must be so of one stored task: pure functions of its row, each wrong thing said in a sentence."""

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
    """What is wrong with one task.

    `refused`: what its validator refuses, but for the counters; nothing more is said of such a task.
    `wrong`: what contradicts itself. `counters`: those that are wrong, as its entries say them.
    """

    schema_errors: tuple[str, ...] = ()
    inconsistencies: tuple[str, ...] = ()
    counters: Row = field(default_factory=dict)


def check_task(task: Row) -> TaskFindings:
    """What is wrong with the task by itself."""
    found = list(schema_violations(_SCHEMA, task))
    if any(violation.path not in COUNTERS for violation in found):
        return TaskFindings(schema_errors=tuple(f"{violation.path} {violation.message}" for violation in found))
    mistaken = {violation.path for violation in found}
    counted = _counted(task["time_entries"]).items()
    counters = {name: value for name, value in counted if name in mistaken or task[name] != value}
    return TaskFindings(inconsistencies=tuple(_wrong_things(task)), counters=counters)


def entry_ids(task: Row) -> list[ObjectId]:
    """The ids of its entries, ended and running, as far as they can be told."""
    ids = [entry.get("id") for entry in _entries(task)]
    return [entry_id for entry_id in ids if isinstance(entry_id, ObjectId)]


def import_ids(task: Row) -> set[ObjectId]:
    """The imports that have made it or its entries, as far as they can be told."""
    ids = [made.get("import_id") for made in (task, *_entries(task))]
    return {import_id for import_id in ids if isinstance(import_id, ObjectId)}


def _entries(task: Row) -> list[Row]:
    ended, running = task.get("time_entries"), task.get("active")
    return [entry for entry in (*(ended if isinstance(ended, list) else ()), running) if isinstance(entry, dict)]


def _counted(entries: list[Row]) -> Row:
    return {
        "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
        "entry_count": len(entries),
        "first_started_at": min((entry["started_at"] for entry in entries), default=None),
        "last_ended_at": max((entry["ended_at"] for entry in entries), default=None),
    }


def _wrong_things(task: Row) -> Iterator[str]:
    running, completed = task.get("active"), task["status"] == "completed"
    if running is not None:
        yield from _wrong_while_running(task, running)
    if completed != (task["completed_at"] is not None):
        yield f"completed_at is {format_value(task['completed_at'])}, and status is {format_value(task['status'])}"
    entries = task["time_entries"]
    if entries != sorted(entries, key=lambda entry: (entry["started_at"], entry["id"])):
        yield "time_entries are not in the order of started_at and id"
    for number, entry in enumerate(entries):
        yield from (f"time_entries.{number} {says}" for says in _wrong_about(entry))


def _wrong_while_running(task: Row, running: Row) -> Iterator[str]:
    if task["status"] != "in_progress":
        yield f"status is {format_value(task['status'])}, and its timer runs"
    if task["deleted_at"] is not None:
        yield "its timer runs in the trash"
    if not _whole(running["started_at"]):
        yield f"active.started_at is {format_value(running['started_at'])}, not a whole second"


def _wrong_about(entry: Row) -> Iterator[str]:
    started_at, ended_at = entry["started_at"], entry["ended_at"]
    for name in ("started_at", "ended_at"):
        if not _whole(entry[name]):
            yield f"{name} is {format_value(entry[name])}, not a whole second"
    if ended_at < started_at:
        yield f"ends at {format_value(ended_at)}, before its start at {format_value(started_at)}"
    elif entry["duration_seconds"] != seconds_between(started_at, ended_at):
        lasts = seconds_between(started_at, ended_at)
        yield f"duration_seconds is {entry['duration_seconds']}, its start and end are {lasts} apart"


def _whole(instant: datetime) -> bool:
    return instant.microsecond == 0


_SCHEMA = schema_of(Task)
