"""Reading all that is stored, to see whether it is as it should be. Nothing here changes anything."""

from collections.abc import AsyncIterator
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion

from app.database.setup import VALIDATION_OPTIONS, VALIDATORS_ID
from app.database.view import SCHEMA_VERSIONS, Database, collection_options
from documents.common.base import Row, StoredDocument
from documents.common.transactions import current_session
from documents.registry import DOCUMENTS, validators
from documents.tracking.tasks import Task
from documents.tracking.view import time_entries_view

ROWS_AT_ONCE = 100

_LENIENT: CodecOptions[Row] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""An instant that the calendar does not know is a finding, not the end of the reading."""

_OF_AN_INDEX = {"key", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds", "collation"}
"""What makes an index what it is, beside its name."""

_MADE_AT_THE_START = "the next start of the service makes it"


async def iterate_rows(document: type[StoredDocument], condition: Row | None = None) -> AsyncIterator[Row]:
    """The rows that meet the condition, a few in memory at a time.

    It takes as long as it takes, so it is not `in_time`: nobody waits for an answer to a request.
    """
    collection = document.collection().with_options(codec_options=_LENIENT)
    found = collection.find(condition or {}, batch_size=ROWS_AT_ONCE, session=current_session())
    while rows := await found.to_list(ROWS_AT_ONCE):
        for row in rows:
            yield row


async def iterate_owner_ids(document: type[StoredDocument]) -> AsyncIterator[Any]:
    """What stands as user_id in the collection, each once."""
    stages: list[Row] = [{"$project": {"user_id": 1}}, {"$group": {"_id": "$user_id"}}]
    found = document.collection().aggregate(stages, allowDiskUse=True)
    while rows := await found.to_list(ROWS_AT_ONCE):
        for row in rows:
            yield row["_id"]


async def has_newer_schema() -> bool:
    """Whether a later version of the service has said what the documents are."""
    view = time_entries_view()
    for record_id, ours in ((VALIDATORS_ID, validators().version), (view.record_id, view.version)):
        record = await _database()[SCHEMA_VERSIONS].find_one({"_id": record_id})
        if record is not None and record["version"] > ours:
            return True
    return False


async def find_structure_errors() -> AsyncIterator[tuple[str, str, str]]:
    """What the collections lack to keep their promises: of each the collection, what it is about, and what is wrong."""
    schemas = validators().schemas
    for document in DOCUMENTS:
        name = document.get_collection_name()
        standing = await collection_options(_database(), name)
        if standing is None:
            continue  # nothing was ever stored
        if not (VALIDATION_OPTIONS | {"validator": {"$jsonSchema": schemas[name]}}).items() <= standing.items():
            yield name, "validator", f"is missing or another one: {_MADE_AT_THE_START}"
        async for index, says in _wrong_indexes(document):
            yield name, index, says
    view = time_entries_view()
    is_used = await collection_options(_database(), view.source) is not None
    if is_used and await collection_options(_database(), view.name) != view.options():
        yield view.name, "view", f"is missing or another one: {_MADE_AT_THE_START}"


async def _wrong_indexes(document: type[StoredDocument]) -> AsyncIterator[tuple[str, str]]:
    standing = await document.collection().index_information()
    for index in document.Settings.indexes:
        wanted = {field: value for field, value in index.document.items() if field != "name"}
        wanted["key"] = list(wanted["key"].items())
        found = standing.get(index.document["name"])
        if found is None:
            yield f"index {index.document['name']}", f"is missing: {_MADE_AT_THE_START}"
        elif {field: value for field, value in found.items() if field in _OF_AN_INDEX} != wanted:
            yield f"index {index.document['name']}", "has other keys or options: drop it, and " + _MADE_AT_THE_START


def _database() -> Database:
    database: Any = Task.collection().database  # motor's types take its attributes for collections
    found: Database = database
    return found
