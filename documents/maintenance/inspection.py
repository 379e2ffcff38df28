"""Read-only queries with which the doctor checks all stored documents, validators, indexes and the view."""

from collections.abc import AsyncIterator
from typing import Any

from bson import ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion

from app.database.setup import VALIDATION_OPTIONS, VALIDATORS_ID
from app.database.view import SCHEMA_VERSIONS, all_collection_options
from documents.common.aggregations import Aggregation
from documents.common.base import Row, StoredDocument
from documents.common.transactions import current_session
from documents.registry import DOCUMENTS, validators
from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from documents.tracking.view import time_entries_view

BATCH_SIZE = 100

_LENIENT: CodecOptions[Row] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""A datetime out of range is reported as a finding. It must not abort the reading."""

_INDEX_OPTIONS = {"key", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds", "collation"}
"""The properties of an index that are compared, besides its name."""

_CREATED_AT_START = "the next start of the service creates it"


async def iterate_rows(document: type[StoredDocument], query_filter: Row | None = None) -> AsyncIterator[Row]:
    """Yield the rows that match the filter, with one batch in memory at a time.

    It has no deadline, because it does not run within a request.
    """
    collection = document.collection().with_options(codec_options=_LENIENT)
    cursor = collection.find(query_filter or {}, batch_size=BATCH_SIZE, session=current_session())
    while rows := await cursor.to_list(BATCH_SIZE):
        for row in rows:
            yield row


async def iterate_page_headers() -> AsyncIterator[Row]:
    """Yield all pages of tasks, without their entries."""
    fields = ("user_id", "task_id", "created_at", "replaced_at")
    cursor = TaskPage.collection().with_options(codec_options=_LENIENT).find({}, dict.fromkeys(fields, 1))
    while rows := await cursor.to_list(BATCH_SIZE):
        for row in rows:
            yield row


async def is_listed(page_id: ObjectId) -> bool:
    """Return whether any task of any user lists this page. It reads all tasks, because no index contains the pages."""
    return await Task.collection().find_one({"pages": page_id}, {"_id": 1}) is not None


async def iterate_owner_ids(document: type[StoredDocument]) -> AsyncIterator[Any]:
    """Yield each distinct user_id of the collection."""
    stages: list[Row] = [{"$project": {"user_id": 1}}, {"$group": {"_id": "$user_id"}}]
    cursor = Aggregation(document.collection(), stages, allowDiskUse=True)
    while rows := await cursor.to_list(BATCH_SIZE):
        for row in rows:
            yield row["_id"]


async def has_newer_schema() -> bool:
    """Return whether a later version of the service has set the validators or the view."""
    view = time_entries_view()
    for record_id, version in ((VALIDATORS_ID, validators().version), (view.record_id, view.version)):
        record = await Task.collection().database[SCHEMA_VERSIONS].find_one({"_id": record_id})
        if record is not None and record["version"] > version:
            return True
    return False


async def find_structure_errors() -> AsyncIterator[tuple[str, str, str]]:
    """Yield each missing or different validator, index or view, as (collection, subject, message)."""
    schemas, options = validators().schemas, await all_collection_options(Task.collection().database)
    for document in DOCUMENTS:
        name = document.get_collection_name()
        if name not in options:
            continue  # the collection does not exist yet
        if not (VALIDATION_OPTIONS | {"validator": {"$jsonSchema": schemas[name]}}).items() <= options[name].items():
            yield name, "validator", f"is missing or different: {_CREATED_AT_START}"
        async for index, message in _find_index_errors(document):
            yield name, index, message
    view = time_entries_view()
    if view.source in options and options.get(view.name) != view.options():
        yield view.name, "view", f"is missing or different: {_CREATED_AT_START}"


async def _find_index_errors(document: type[StoredDocument]) -> AsyncIterator[tuple[str, str]]:
    stored_indexes = await document.collection().index_information()
    for index in document.Settings.indexes:
        expected = {field: value for field, value in index.document.items() if field != "name"}
        expected["key"] = list(expected["key"].items())
        stored = stored_indexes.get(index.document["name"])
        if stored is None:
            yield f"index {index.document['name']}", f"is missing: {_CREATED_AT_START}"
        elif {field: value for field, value in stored.items() if field in _INDEX_OPTIONS} != expected:
            yield f"index {index.document['name']}", "has other keys or options: drop it, and " + _CREATED_AT_START
