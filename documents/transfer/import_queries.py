"""Queries of imports: a user's existing data, and what an import created."""

from collections.abc import AsyncIterator
from datetime import datetime

from bson import ObjectId

from app.database.deadlines import without_deadline
from documents.common.base import Row, StoredDocument
from documents.common.transactions import current_session
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.pages import TaskPage
from documents.tracking.projects import Project
from documents.tracking.queries.overlap import overlapping_entry_rows
from documents.tracking.queries.paged_rows import paged_tasks_stages, read_unchanged
from documents.tracking.task_updates import unmodified_import
from documents.tracking.tasks import Task
from documents.transfer.task_batches import split_by_entry_count

ROWS_PER_BATCH = 1_000
"""Decoding more rows at once would block the event loop."""

_MIN_ENTRIES_TO_MEASURE = 20

_IDENTITY_FIELDS = ("id", "import_id", "import_key")
"""The fields that identify an imported entry."""


async def find_projects(user_id: ObjectId) -> list[Row]:
    """Return the user's projects, archived or not, with the fields that identify them, oldest first."""
    live: Row = {"$match": {"user_id": user_id, "deleted_at": None}}
    projection = _include("name", "created_at", "import_id", "import_name")
    return _by_creation([row async for row in _stream(Project, [live, projection])])


async def find_tasks(user_id: ObjectId) -> list[Row]:
    """Return the user's tasks without their entries, including the trash, oldest first.

    `bytes` is the size of the document, or 0 if it has few entries.
    """
    identity = ("project_id", "title", "import_id", "import_name")
    projection = _include(*identity, "entry_count", "deleted_at", "created_at", "version")
    has_many = {"$gt": ["$entry_count", _MIN_ENTRIES_TO_MEASURE]}
    projection["$project"]["bytes"] = {"$cond": [has_many, {"$bsonSize": "$$ROOT"}, 0]}
    return _by_creation([row async for row in _stream(Task, [{"$match": {"user_id": user_id}}, projection])])


def _by_creation(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["created_at"], row["_id"]))


async def stream_entries(user_id: ObjectId, tasks: list[Row]) -> AsyncIterator[list[Row]]:
    """Yield the ended entries of these tasks in batches, each entry with its task_id."""
    projection = {f"time_entries.{name}": 1 for name in _IDENTITY_FIELDS}
    for ids in split_by_entry_count(tasks, ROWS_PER_BATCH):
        with without_deadline():
            rows = await Task.collection().find({"_id": {"$in": ids}, "user_id": user_id}, projection).to_list(None)
        yield [{**entry, "task_id": task["_id"]} for task in rows for entry in task.get("time_entries", ())]


async def stream_deleted_entries(user_id: ObjectId) -> AsyncIterator[list[Row]]:
    """Yield the user's deleted entries in batches, each entry with its task_id."""
    identity = {name: f"$entry.{name}" for name in _IDENTITY_FIELDS}
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$project": {"_id": 0, "task_id": 1, **identity}}]
    batch: list[Row] = []
    async for row in _stream(DeletedEntry, stages):
        batch.append(row)
        if len(batch) == ROWS_PER_BATCH:
            yield batch
            batch = []
    yield batch


async def find_entries_in_range(user_id: ObjectId, since: datetime, until: datetime) -> list[Row]:
    """Return the ended entries that overlap [since, until), by start, each with its task_id and import_id."""
    fields = {name: f"$entry.{name}" for name in ("id", "started_at", "ended_at", "import_id")}
    query = overlapping_entry_rows(user_id, since, until, [{"$project": {"_id": 0, "task_id": "$_id", **fields}}])

    async def read() -> tuple[list[Row], list[Row]]:
        tasks = [row async for row in _stream(Task, [*query.tasks, *paged_tasks_stages(since)])]
        rows = [row async for row in _stream(Task, [*query.tasks, *query.hot_stages()])]
        if tasks:
            rows += [row async for row in _stream(TaskPage, query.paged_stages(tasks))]
        return rows, tasks

    rows = await read_unchanged(read)
    return sorted(rows, key=lambda entry: (entry["started_at"], entry["id"]))


async def find_tasks_to_undo(user_id: ObjectId, import_id: ObjectId, before: datetime) -> list[ObjectId]:
    """Return the ids of tasks, including the trash, with an entry that this import created and nobody has modified."""
    unmodified = {"$filter": {"input": "$time_entries", "cond": unmodified_import(import_id, before)}}
    stages: list[Row] = [
        {"$match": {"user_id": user_id}},
        {"$match": {"time_entries": {"$elemMatch": {"import_id": import_id}}}},
        {"$project": {"count": {"$size": unmodified}}},
        {"$match": {"count": {"$gt": 0}}},
    ]
    return [row["_id"] async for row in _stream(Task, stages)]


async def count_entries(user_id: ObjectId, import_id: ObjectId) -> int:
    """Return how many entries of this import the user's tasks contain."""
    created = {"$filter": {"input": "$time_entries", "cond": {"$eq": ["$$this.import_id", import_id]}}}
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$project": {"count": {"$size": created}}}]
    return sum([row["count"] async for row in _stream(Task, stages)])


async def find_created_by(document: type[StoredDocument], user_id: ObjectId, import_id: ObjectId) -> list[Row]:
    """Return the user's tasks or projects that this import created, without entries."""
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": {"import_id": import_id}}]
    excluded: Row = {"time_entries": 0} if document is Task else {"color": 0}
    return [row async for row in _stream(document, [*stages, {"$project": excluded}])]


async def find_created_deleted_entries(user_id: ObjectId, import_id: ObjectId, before: datetime) -> list[Row]:
    """Return the user's deleted entries that this import created: they were deleted `before` it began."""
    created = {"entry.import_id": import_id, "deleted_at": {"$lt": before}}
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": created}, {"$project": {"user_id": 1}}]
    return [row async for row in _stream(DeletedEntry, stages)]


async def _stream(document: type[StoredDocument], stages: list[Row]) -> AsyncIterator[Row]:
    """Yield the rows of an aggregation in batches, without a deadline for the whole."""
    cursor = document.collection().aggregate(stages, batchSize=ROWS_PER_BATCH, session=current_session())
    while True:
        with without_deadline():
            rows = await cursor.to_list(ROWS_PER_BATCH)
        if not rows:
            return
        for row in rows:
            yield row


def _include(*fields: str) -> Row:
    return {"$project": dict.fromkeys(fields, 1)}


def new_project_row(user_id: ObjectId, name: str, client_name: str | None, *, import_id: ObjectId) -> Row:
    """Return a project that an import creates, as it is stored."""
    fields: Row = {"name": name, "client_name": client_name, "color": None, "billable": False, "hourly_rate": None}
    return {**Project.new(user_id, ObjectId(), fields).as_row(), "import_id": import_id, "import_name": name}


def new_task_row(
    user_id: ObjectId,
    task_id: ObjectId,
    name: tuple[str | None, str],
    project_id: ObjectId | None,
    entries: list[Row],
    *,
    import_id: ObjectId,
) -> Row:
    """Return a task that an import creates, as it is stored, with its first entries.

    `name` is the name of its project and its title.
    """
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
        **entry_fields(entries),
        "import_id": import_id,
        "import_version": 1,
        "import_name": {"project": project, "title": title},
    }


def entry_fields(entries: list[Row]) -> Row:
    """Return the fields of a task that depend on its ended entries."""
    return {
        "time_entries": sorted(entries, key=lambda entry: (entry["started_at"], entry["id"])),
        "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
        "entry_count": len(entries),
        "first_started_at": min((entry["started_at"] for entry in entries), default=None),
        "last_ended_at": max((entry["ended_at"] for entry in entries), default=None),
    }
