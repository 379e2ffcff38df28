"""Queries of imports: a user's existing data, and what an import created."""

from collections.abc import AsyncIterator
from datetime import datetime

from bson import ObjectId

from app.database.cancellation import keep_cancellation
from app.database.deadlines import without_deadline
from documents.common.aggregations import Aggregation
from documents.common.base import Row, StoredDocument, by_ids
from documents.common.transactions import current_session
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.entries import entry_order
from documents.tracking.pages import TaskPage
from documents.tracking.projects import Project
from documents.tracking.queries.overlap import overlapping_entry_rows
from documents.tracking.queries.paged_rows import paged_tasks_stages, read_unchanged
from documents.tracking.queries.sort_keys import aggregate_in_windows
from documents.tracking.tasks import Task
from documents.transfer.task_batches import split_by_entry_count

ROWS_PER_BATCH = 1_000
"""Decoding more rows at once would block the event loop."""

PAGES_PER_BATCH = 2

_IDENTITY_FIELDS = ("id", "import_id", "import_key")
"""The fields that identify an imported entry."""


async def find_projects(user_id: ObjectId) -> list[Row]:
    """Return the user's projects, archived or not, with the fields that identify them, oldest first."""
    live: Row = {"$match": {"user_id": user_id, "deleted_at": None}}
    projection = _include("name", "created_at", "import_id", "import_name")
    return _by_creation([row async for row in _stream(Project, [live, projection])])


async def find_tasks(user_id: ObjectId) -> list[Row]:
    """Return the user's tasks without their entries, including the trash, oldest first."""
    identity = ("project_id", "title", "import_id", "import_name")
    projection = _include(*identity, "entry_count", "deleted_at", "created_at", "version")
    return _by_creation([row async for row in _stream(Task, [{"$match": {"user_id": user_id}}, projection])])


def _by_creation(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["created_at"], row["_id"]))


async def stream_entries(user_id: ObjectId, tasks: list[Row]) -> AsyncIterator[list[Row]]:
    """Yield the ended entries of these tasks in batches, hot and paged, each entry with its task_id."""
    page_ids: list[ObjectId] = []
    for ids in split_by_entry_count(tasks, ROWS_PER_BATCH):
        rows = await _find_identities(Task, user_id, ids, "time_entries")
        page_ids += [page_id for task in rows for page_id in task.get("pages") or ()]
        yield [{**entry, "task_id": task["_id"]} for task in rows for entry in task.get("time_entries", ())]
    for first in range(0, len(page_ids), PAGES_PER_BATCH):
        pages = await _find_identities(TaskPage, user_id, page_ids[first : first + PAGES_PER_BATCH], "entries")
        yield [{**entry, "task_id": page["task_id"]} for page in pages for entry in page["entries"]]


async def _find_identities(
    document: type[StoredDocument], user_id: ObjectId, ids: list[ObjectId], entries: str
) -> list[Row]:
    """Return the documents with these ids, and of the entries in the field `entries` what identifies them."""
    projection = {"task_id": 1, "pages": 1, **{f"{entries}.{name}": 1 for name in _IDENTITY_FIELDS}}
    with without_deadline():
        cursor = document.collection().find(
            {"_id": {"$in": ids}, "user_id": user_id}, projection, session=current_session()
        )
        return await keep_cancellation(cursor.to_list(None))


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


async def find_targets(user_id: ObjectId, task_ids: list[ObjectId], *, in_trash: bool = False) -> list[Row]:
    """Return those of these tasks that exist, with `pages`, `hot_count`, and the size of the task in `bytes`.

    Tasks in the trash are returned only with `in_trash`.
    """
    owned: Row = {"user_id": user_id} if in_trash else {"user_id": user_id, "deleted_at": None}
    projection = {**Task.read_projection, "pages": 1, "bytes": {"$bsonSize": "$$ROOT"}}
    return await Task.aggregate_rows([*by_ids(task_ids, owned), {"$project": projection}])


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
    return sorted(rows, key=entry_order)


async def find_tasks_with_hot_entries(user_id: ObjectId, import_id: ObjectId) -> list[ObjectId]:
    """Return the ids of the tasks, including the trash, with hot entries of this import."""
    has_entries: Row = {"time_entries": {"$elemMatch": {"import_id": import_id}}}
    return [row["_id"] for row in await aggregate_in_windows(user_id, [{"$match": has_entries}, _include()])]


async def find_pages_of_import(user_id: ObjectId, import_id: ObjectId) -> list[Row]:
    """Return the _id, task_id and version of the pages with entries of this import, listed or not, oldest first."""
    stages: list[Row] = [
        {"$match": {"user_id": user_id, "import_ids": import_id}},
        {"$project": {"task_id": 1, "version": 1, "first_started_at": 1}},
    ]
    return sorted([row async for row in _stream(TaskPage, stages)], key=lambda page: page["first_started_at"])


async def find_page_bounds(task: Row, page_ids: list[ObjectId]) -> list[tuple[datetime, datetime]]:
    """Return the first start and the last end of each of these pages of the task."""
    stages: list[Row] = [
        {"$match": {"user_id": task["user_id"], "task_id": task["_id"]}},
        {"$match": {"_id": {"$in": page_ids}}},
        {"$project": {"first_started_at": 1, "last_ended_at": 1}},
    ]
    return [(page["first_started_at"], page["last_ended_at"]) async for page in _stream(TaskPage, stages)]


async def count_entries(user_id: ObjectId, import_id: ObjectId) -> int:
    """Return how many entries of this import the user's tasks contain, hot and paged."""
    of_import = {"$eq": ["$$this.import_id", import_id]}
    hot = {"$size": {"$filter": {"input": "$time_entries", "cond": of_import}}}
    paged = {"$size": {"$filter": {"input": "$entries", "cond": of_import}}}
    tasks = await aggregate_in_windows(user_id, [{"$project": {"count": hot, "pages": 1}}])
    listed = {page_id for task in tasks for page_id in task.get("pages") or ()}
    count: int = sum(task["count"] for task in tasks)
    if not listed:
        return count
    stages: list[Row] = [{"$match": {"user_id": user_id, "import_ids": import_id}}, {"$project": {"count": paged}}]
    counts: list[int] = [page["count"] async for page in _stream(TaskPage, stages) if page["_id"] in listed]
    return count + sum(counts)


async def find_created_tasks(user_id: ObjectId, import_id: ObjectId) -> list[Row]:
    """Return the user's tasks that this import created, without entries."""
    created: list[Row] = [{"$match": {"import_id": import_id}}, {"$project": {"time_entries": 0}}]
    return await aggregate_in_windows(user_id, created)


async def find_created_projects(user_id: ObjectId, import_id: ObjectId) -> list[Row]:
    """Return the user's projects that this import created."""
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": {"import_id": import_id}}]
    return [row async for row in _stream(Project, stages)]


async def find_created_deleted_entries(user_id: ObjectId, import_id: ObjectId, before: datetime) -> list[Row]:
    """Return the user's deleted entries that this import created: they were deleted `before` it began."""
    created = {"entry.import_id": import_id, "deleted_at": {"$lt": before}}
    stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$match": created}, {"$project": {"user_id": 1}}]
    return [row async for row in _stream(DeletedEntry, stages)]


async def _stream(document: type[StoredDocument], stages: list[Row]) -> AsyncIterator[Row]:
    """Yield the rows of an aggregation in batches, without a deadline for the whole."""
    cursor = Aggregation(document.collection(), stages, batchSize=ROWS_PER_BATCH)
    while True:
        with without_deadline():
            rows = await cursor.to_list(ROWS_PER_BATCH)
        if not rows:
            return
        for row in rows:
            yield row


def _include(*fields: str) -> Row:
    return {"$project": dict.fromkeys(("_id", *fields), 1)}


def new_project_row(user_id: ObjectId, name: str, client_name: str | None, *, import_id: ObjectId) -> Row:
    """Return a project that an import creates, as it is stored."""
    fields: Row = {"name": name, "client_name": client_name, "color": None, "billable": False, "hourly_rate": None}
    return {**Project.new(user_id, ObjectId(), fields).as_row(), "import_id": import_id, "import_name": name}


def new_task_row(
    user_id: ObjectId,
    task_id: ObjectId,
    name: tuple[str | None, str],
    project_id: ObjectId | None,
    entry_fields: Row,
    *,
    import_id: ObjectId,
) -> Row:
    """Return a task that an import creates, as it is stored.

    `name` is the name of its project and its title. `entry_fields` are the fields that depend on its entries.
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
        **entry_fields,
        "import_id": import_id,
        "import_version": 1,
        "import_name": {"project": project, "title": title},
    }
