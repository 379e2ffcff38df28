"""What an import has to know of a user's tasks before it writes, and what it finds again to take it back."""

from collections.abc import AsyncIterator
from datetime import datetime

from bson import ObjectId

from app.database.deadlines import without_deadline
from documents.common.base import Row, StoredDocument
from documents.common.transactions import current_session
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.projects import Project
from documents.tracking.queries.overlap import overlapping_entries_stages
from documents.tracking.task_updates import unmodified_import
from documents.tracking.tasks import Task
from documents.transfer.task_batches import of_few_entries

ROWS_AT_ONCE = 1_000
"""Few enough that reading them keeps nobody waiting."""

_FEW_ENTRIES = 20

_KNOWN_BY = ("id", "import_id", "import_key")
"""The fields by which an entry is known again."""


async def projects_of(user_id: ObjectId) -> list[Row]:
    """The user's projects, archived or not, and what they are known by, the first made first."""
    live: Row = {"$match": {"user_id": user_id, "deleted_at": None}}
    fields = _only("name", "created_at", "import_id", "import_name")
    return _first_made_first([row async for row in _streamed(Project, [live, fields])])


async def tasks_of(user_id: ObjectId) -> list[Row]:
    """The user's tasks without their entries, those in the trash too, the first made first.

    `bytes` is how much each takes, or 0 where its few entries cannot come to much.
    """
    known_by = ("project_id", "title", "import_id", "import_name")
    fields = _only(*known_by, "entry_count", "deleted_at", "created_at", "version")
    many = {"$gt": ["$entry_count", _FEW_ENTRIES]}
    fields["$project"]["bytes"] = {"$cond": [many, {"$bsonSize": "$$ROOT"}, 0]}
    return _first_made_first([row async for row in _streamed(Task, [{"$match": {"user_id": user_id}}, fields])])


def _first_made_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["created_at"], row["_id"]))


async def entries_of(user_id: ObjectId, tasks: list[Row]) -> AsyncIterator[list[Row]]:
    """The ended entries of these tasks of the user, a few at a time, each with its task_id."""
    shown = {f"time_entries.{name}": 1 for name in _KNOWN_BY}
    for few in of_few_entries(tasks, ROWS_AT_ONCE):
        with without_deadline():
            found = await Task.collection().find({"_id": {"$in": few}, "user_id": user_id}, shown).to_list(None)
        yield [{**entry, "task_id": task["_id"]} for task in found for entry in task.get("time_entries", ())]


async def deleted_entries_of(user_id: ObjectId) -> AsyncIterator[list[Row]]:
    """The user's deleted entries, a few at a time, each with its task_id."""
    known = {name: f"$entry.{name}" for name in _KNOWN_BY}
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$project": {"_id": 0, "task_id": 1, **known}}]
    some: list[Row] = []
    async for row in _streamed(DeletedEntry, stages):
        some.append(row)
        if len(some) == ROWS_AT_ONCE:
            yield some
            some = []
    yield some


async def time_within(user_id: ObjectId, since: datetime, until: datetime) -> list[Row]:
    """The ended entries that share a part of [since, until), by their start, each with its task_id and import_id."""
    shown = {name: f"$entry.{name}" for name in ("id", "started_at", "ended_at", "import_id")}
    stages = [
        *overlapping_entries_stages(user_id, since, until),
        {"$project": {"_id": 0, "task_id": "$_id", **shown}},
    ]
    found = [row async for row in _streamed(Task, stages)]
    return sorted(found, key=lambda entry: (entry["started_at"], entry["id"]))


async def tasks_with_untouched_entries(user_id: ObjectId, import_id: ObjectId, before: datetime) -> list[ObjectId]:
    """The user's tasks, in the trash or not, that hold an entry of this import as it was made."""
    untouched = {"$filter": {"input": "$time_entries", "cond": unmodified_import(import_id, before)}}
    stages: list[Row] = [
        {"$match": {"user_id": user_id}},
        {"$match": {"time_entries": {"$elemMatch": {"import_id": import_id}}}},
        {"$project": {"count": {"$size": untouched}}},
        {"$match": {"count": {"$gt": 0}}},
    ]
    return [row["_id"] async for row in _streamed(Task, stages)]


async def count_entries_of(user_id: ObjectId, import_id: ObjectId) -> int:
    """How many entries of this import stand in the user's tasks."""
    of_it = {"$filter": {"input": "$time_entries", "cond": {"$eq": ["$$this.import_id", import_id]}}}
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$project": {"count": {"$size": of_it}}}]
    return sum([row["count"] async for row in _streamed(Task, stages)])


async def made_by(document: type[StoredDocument], user_id: ObjectId, import_id: ObjectId) -> list[Row]:
    """The user's tasks or projects that this import has made, without entries."""
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": {"import_id": import_id}}]
    shown: Row = {"time_entries": 0} if document is Task else {"color": 0}
    return [row async for row in _streamed(document, [*stages, {"$project": shown}])]


async def made_deleted(user_id: ObjectId, import_id: ObjectId, before: datetime) -> list[Row]:
    """The user's deleted entries that came as such with this import: they were deleted `before` it began."""
    of_it = {"entry.import_id": import_id, "deleted_at": {"$lt": before}}
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": of_it}, {"$project": {"user_id": 1}}]
    return [row async for row in _streamed(DeletedEntry, stages)]


async def _streamed(document: type[StoredDocument], stages: list[Row]) -> AsyncIterator[Row]:
    """The rows of an aggregation, a few in memory at a time. It takes as long as it takes."""
    found = document.collection().aggregate(stages, batchSize=ROWS_AT_ONCE, session=current_session())
    while True:
        with without_deadline():
            rows = await found.to_list(ROWS_AT_ONCE)
        if not rows:
            return
        for row in rows:
            yield row


def _only(*fields: str) -> Row:
    return {"$project": dict.fromkeys(fields, 1)}


def imported_project(user_id: ObjectId, name: str, client_name: str | None, *, import_id: ObjectId) -> Row:
    """A project that an import makes, as it is stored."""
    fields: Row = {"name": name, "client_name": client_name, "color": None, "billable": False, "hourly_rate": None}
    return {**Project.new(user_id, ObjectId(), fields).as_row(), "import_id": import_id, "import_name": name}


def imported_task(
    user_id: ObjectId,
    task_id: ObjectId,
    name: tuple[str | None, str],
    project_id: ObjectId | None,
    entries: list[Row],
    *,
    import_id: ObjectId,
) -> Row:
    """A task that an import makes, as it is stored, with its first entries; its name is its project's and its title."""
    project, title = name
    fields: Row = {
        "project_id": project_id,
        "title": title,
        "description": None,
        "status": "pending",
        "tags": [],
        "priority": None,
        "due_at": None,
        "estimate_seconds": None,
        "billable": False,
    }
    return {
        **Task.new(user_id, task_id, fields).as_row(),
        **with_entries(entries),
        "import_id": import_id,
        "import_version": 1,
        "import_name": {"project": project, "title": title},
    }


def with_entries(entries: list[Row]) -> Row:
    """The fields of a task that holds these ended entries and no other."""
    return {
        "time_entries": sorted(entries, key=lambda entry: (entry["started_at"], entry["id"])),
        "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
        "entry_count": len(entries),
        "first_started_at": min((entry["started_at"] for entry in entries), default=None),
        "last_ended_at": max((entry["ended_at"] for entry in entries), default=None),
    }
