"""Queries for reports: the tasks in a time range, with only the fields of their entries that are needed."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from app.database.deadlines import with_deadline
from documents.common.base import Row
from documents.tracking.projects import Project
from documents.tracking.queries.entry_filter import EntryFilter, ended_entries_stages
from documents.tracking.tasks import Task

TASK_BATCH_SIZE = 100
"""Tasks per query. The largest of them have 2,000 entries each."""

ID_BATCH_SIZE = 1000

_UNDECODED = CodecOptions(document_class=RawBSONDocument)


async def read_ended_entries(
    user_id: ObjectId,
    entry_filter: EntryFilter,
    *,
    exclude_id: ObjectId | None,
    task_fields: tuple[str, ...],
    entry_fields: tuple[str, ...],
) -> AsyncGenerator[Row, None]:
    """Yield the user's live tasks in the range with `task_fields`, and their ended `entries` with `entry_fields`.

    Each entry also has `begin` and `end`, in milliseconds since 1970, which decode faster than datetimes. The
    entry with `exclude_id` is left out.

    The first query finds the ids of the tasks; the others read a batch of tasks each, so that no single query
    takes long (portable form: decision 10). A task is decoded when it is yielded, because decoding many tasks at
    once would block the event loop.
    """
    tags = ("tags",) if entry_filter.tags else ()
    projection = dict.fromkeys((*task_fields, *tags), 1)
    by_task, in_range, with_entries = ended_entries_stages(user_id, entry_filter, projection)
    conditions = [{"$ne": ["$$this.id", exclude_id]}, *entry_filter.entry_expressions()]
    entries = {"$filter": {"input": "$entries", "cond": {"$and": conditions}}}
    fields: Row = {field: f"$$this.{field}" for field in entry_fields}
    fields |= {"begin": {"$toLong": "$$this.started_at"}, "end": {"$toLong": "$$this.ended_at"}}
    stages: list[Row] = [
        in_range,
        with_entries,
        {"$project": {**projection, "entries": {"$map": {"input": entries, "in": fields}}}},
        {"$match": {"entries": {"$ne": []}}},
    ]
    ids = await Task.aggregate_rows([by_task, in_range, {"$project": {"_id": 1}}], batchSize=ID_BATCH_SIZE)
    collection: Any = Task.collection().with_options(codec_options=_UNDECODED)
    for batch in _batches([task["_id"] for task in ids], TASK_BATCH_SIZE):
        by_id = {"$match": {"_id": {"$in": batch}, "user_id": user_id}}
        for task in await with_deadline(collection.aggregate([by_id, *stages]).to_list(None)):
            yield bson.decode(task.raw)


def _batches(ids: list[ObjectId], size: int) -> Iterator[list[ObjectId]]:
    return (ids[place : place + size] for place in range(0, len(ids), size))


async def read_projects(user_id: ObjectId) -> dict[ObjectId, Row]:
    """Return the name and client of each of the user's projects by id, archived ones included."""
    projects = await Project.aggregate_rows(
        [{"$match": {"user_id": user_id, "deleted_at": None}}, {"$project": {"name": 1, "client_name": 1}}]
    )
    return {project["_id"]: project for project in projects}
