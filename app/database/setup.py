"""Validators, indexes and the view: what must be in place before the first request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from beanie import Document, init_beanie
from pymongo.errors import CollectionInvalid, DuplicateKeyError

from app.database.deadlines import without_deadline
from app.database.view import SCHEMA_VERSIONS, Database, View, collection_options, ensure_view

VALIDATORS = "validators"
"""What the record in it is called."""

VALIDATED = {"validationLevel": "strict", "validationAction": "error"}


@dataclass(frozen=True, slots=True)
class Validators:
    """The $jsonSchema of each collection, and their version: a greater one takes the place of a lesser."""

    version: int
    schemas: dict[str, dict[str, Any]]


async def bind(database: Database, documents: Sequence[type[Document]]) -> None:
    """Binds the documents to the database and changes nothing in it."""
    await init_beanie(database=database, document_models=list(documents), skip_indexes=True)


async def initialise(
    database: Database,
    documents: Sequence[type[Document]],
    validators: Validators,
    view: View,
) -> None:
    """Binds the documents to the database and puts their validators, indexes and the read-only view in place.

    It may run any number of times, in several processes at once.
    """
    with without_deadline():  # an index on a large collection takes its time
        await _ensure_validators(database, validators)
        await init_beanie(database=database, document_models=list(documents))
        await ensure_view(database, view)


async def _ensure_validators(database: Database, validators: Validators) -> None:
    """Has the database refuse what does not look like a document of its collection.

    The record of the newest version is the one truth: whoever starts, an earlier version too, puts
    in place what stands there, and looks again whether it still does. So processes that start at
    once, or end in the middle, leave the newest behind them. What is stored already is left as it is.
    """
    await _record(database, validators)
    placed = None
    while (standing := await database[SCHEMA_VERSIONS].find_one({"_id": VALIDATORS})) not in (None, placed):
        for collection, schema in standing["schemas"].items():
            await _validate(database, collection, schema)
        placed = standing


async def _record(database: Database, validators: Validators) -> None:
    """Writes the validators down, unless there is a later version of them."""
    ours = {"version": validators.version, "schemas": validators.schemas}
    try:
        await database[SCHEMA_VERSIONS].insert_one({"_id": VALIDATORS, **ours})
    except DuplicateKeyError:
        not_later = {"_id": VALIDATORS, "version": {"$lte": validators.version}}
        await database[SCHEMA_VERSIONS].update_one(not_later, {"$set": ours})


async def _validate(database: Database, collection: str, schema: dict[str, Any]) -> None:
    wanted: dict[str, Any] = {"validator": {"$jsonSchema": schema}, **VALIDATED}
    standing = await collection_options(database, collection)
    if standing is None:
        try:
            await database.create_collection(collection, **wanted)
        except CollectionInvalid:
            standing = {}  # another worker was faster
    # It takes the collection for itself for a moment, so it is not done for nothing.
    if standing is not None and not wanted.items() <= standing.items():
        await database.command("collMod", collection, **wanted)
