"""Reading what a report adds up: the tasks of a time with just as much of their entries as is needed."""

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

TASKS_AT_ONCE = 100
"""How many tasks come in one trip: the largest of them have 2,000 entries each."""

IDS_AT_ONCE = 1000

_UNDECODED = CodecOptions(document_class=RawBSONDocument)


async def read_ended(
    user_id: ObjectId, wanted: EntryFilter, *, but: ObjectId | None, of_task: tuple[str, ...], of_entry: tuple[str, ...]
) -> AsyncGenerator[Row, None]:
    """The user's live tasks of that time, each with these fields and its ended `entries` of then with those.

    Each entry has its `begin` and `end`, too, in milliseconds since 1970: cheaper here than dates.

    The entry `but` is left out. First the tasks are found, then a hundred of them are read at a
    time: the embedded store finds the whole answer before it gives the first part of it, and so
    would be silent for too long. A task is decoded when its turn comes, since decoding very many at
    once would hold up all other requests.
    """
    tags = ("tags",) if wanted.tags else ()
    shown = dict.fromkeys((*of_task, *tags), 1)
    narrow, of_that_time, with_entries = ended_entries_stages(user_id, wanted, shown)
    chosen = {
        "$filter": {"input": "$entries", "cond": {"$and": [{"$ne": ["$$this.id", but]}, *wanted.entry_expressions()]}}
    }
    fields: Row = {field: f"$$this.{field}" for field in of_entry}
    fields |= {"begin": {"$toLong": "$$this.started_at"}, "end": {"$toLong": "$$this.ended_at"}}
    then: list[Row] = [
        of_that_time,
        with_entries,
        {"$project": {**shown, "entries": {"$map": {"input": chosen, "in": fields}}}},
        {"$match": {"entries": {"$ne": []}}},
    ]
    found = await Task.aggregate_rows([narrow, of_that_time, {"$project": {"_id": 1}}], batchSize=IDS_AT_ONCE)
    rows: Any = Task.collection().with_options(codec_options=_UNDECODED)
    for batch in _batched([task["_id"] for task in found], TASKS_AT_ONCE):
        these = {"$match": {"_id": {"$in": batch}, "user_id": user_id}}
        for task in await with_deadline(rows.aggregate([these, *then]).to_list(None)):
            yield bson.decode(task.raw)


def _batched(ids: list[ObjectId], size: int) -> Iterator[list[ObjectId]]:
    """The ids, so many at a time."""
    return (ids[place : place + size] for place in range(0, len(ids), size))


async def read_projects(user_id: ObjectId) -> dict[ObjectId, Row]:
    """The names and the clients of the user's projects, archived or not, by id."""
    found = await Project.aggregate_rows(
        [{"$match": {"user_id": user_id, "deleted_at": None}}, {"$project": {"name": 1, "client_name": 1}}]
    )
    return {project["_id"]: project for project in found}
