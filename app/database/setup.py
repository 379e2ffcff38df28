"""Set up the database before the first request: validators, indexes and the view."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from beanie import Document, init_beanie
from pymongo.errors import CollectionInvalid, DuplicateKeyError

from app.database.deadlines import without_deadline
from app.database.view import SCHEMA_VERSIONS, Database, View, all_collection_options, ensure_view

VALIDATORS_ID = "validators"
"""The _id of the record of the validators in schema_versions."""

VALIDATION_OPTIONS = {"validationLevel": "strict", "validationAction": "error"}


@dataclass(frozen=True, slots=True)
class Validators:
    """The $jsonSchema of each collection by its name, and their common version. The highest version is installed.

    `min_writer` is the lowest version of a service that may use the database from now on.
    """

    version: int
    min_writer: int
    schemas: dict[str, dict[str, Any]]


async def bind(database: Database, documents: Sequence[type[Document]]) -> None:
    """Bind the document classes to the database. Changes nothing in the database."""
    await init_beanie(database=database, document_models=list(documents), skip_indexes=True)


async def initialise(
    database: Database,
    documents: Sequence[type[Document]],
    validators: Validators,
    view: View,
) -> None:
    """Bind the document classes to the database, and install their validators, indexes and the read-only view.

    This is idempotent, and several processes may do it at the same time.
    """
    with without_deadline():  # building an index on a large collection takes long
        await _ensure_validators(database, validators)
        await init_beanie(database=database, document_models=list(documents))
        await ensure_view(database, view)


async def _ensure_validators(database: Database, validators: Validators) -> None:
    """Install the newest validators, so that the database rejects invalid documents.

    The record in schema_versions decides which validators are the newest. Each process installs those of the
    record, not its own, and repeats that until the record no longer changes. Processes of different versions
    that start at the same time, or are killed in the middle, therefore leave the newest validators in place.
    Stored documents are not changed.
    """
    await _record(database, validators)
    installed = None
    while (record := await database[SCHEMA_VERSIONS].find_one({"_id": VALIDATORS_ID})) not in (None, installed):
        current = await all_collection_options(database)
        for collection, schema in record["schemas"].items():
            await _install(database, collection, schema, current.get(collection))
        installed = record


async def _record(database: Database, validators: Validators) -> None:
    """Store the validators in schema_versions, unless the stored version is higher. Never lower `min_writer`."""
    values = {"version": validators.version, "schemas": validators.schemas}
    min_writer = {"min_writer": validators.min_writer}
    try:
        await database[SCHEMA_VERSIONS].insert_one({"_id": VALIDATORS_ID, **values, **min_writer})
    except DuplicateKeyError:
        await database[SCHEMA_VERSIONS].update_one({"_id": VALIDATORS_ID}, {"$max": min_writer})
        not_newer = {"_id": VALIDATORS_ID, "version": {"$lte": validators.version}}
        await database[SCHEMA_VERSIONS].update_one(not_newer, {"$set": values})


async def _install(database: Database, collection: str, schema: dict[str, Any], current: dict[str, Any] | None) -> None:
    """Install the validator. `current` are the options of the collection, or None if it did not exist."""
    options: dict[str, Any] = {"validator": {"$jsonSchema": schema}, **VALIDATION_OPTIONS}
    if current is None:
        try:
            await database.create_collection(collection, **options)
        except CollectionInvalid:
            current = {}  # another worker has just created it
    # collMod takes an exclusive lock on the collection, so it is skipped if nothing would change.
    if current is not None and not options.items() <= current.items():
        await database.command("collMod", collection, **options)
