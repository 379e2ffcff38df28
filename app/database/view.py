"""Putting a read-only view in place, whichever version of the service made the one that stands there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import CollectionInvalid, DuplicateKeyError, OperationFailure

Database = AsyncIOMotorDatabase[dict[str, Any]]

SCHEMA_VERSIONS = "schema_versions"
"""The collection that says which version of the validators and of the view is in place."""

_COLLECTION_EXISTS = 48
_NAMESPACE_NOT_FOUND = 26


@dataclass(frozen=True, slots=True)
class View:
    """A read-only view of a collection, and its version: a greater one takes the place of a lesser."""

    version: int
    name: str
    on: str
    pipeline: list[dict[str, Any]]

    @property
    def record_id(self) -> str:
        """The _id of the record of this view in schema_versions."""
        return f"view {self.name}"

    def options(self) -> dict[str, Any]:
        """The options of the view in the database."""
        return {"viewOn": self.on, "pipeline": self.pipeline}


async def ensure_view(database: Database, view: View) -> None:
    """Puts the newest version of the view in place: this one, or that of a later service.

    As with the validators, the record of the newest version is the one truth. Whoever starts puts
    in place what the record says, and then looks whether it still says so.
    """
    await _record(database, view)
    placed = None
    while (record := await database[SCHEMA_VERSIONS].find_one({"_id": view.record_id})) not in (None, placed):
        newest = View(record["version"], view.name, record["on"], json.loads(record["pipeline"]))
        await _place(database, newest)
        placed = record


async def _record(database: Database, view: View) -> None:
    """Records the view, unless there is a later version of it. As a text: its keys begin with $."""
    ours = {"version": view.version, "on": view.on, "pipeline": json.dumps(view.pipeline)}
    try:
        await database[SCHEMA_VERSIONS].insert_one({"_id": view.record_id, **ours})
    except DuplicateKeyError:
        not_later = {"_id": view.record_id, "version": {"$lte": view.version}}
        await database[SCHEMA_VERSIONS].update_one(not_later, {"$set": ours})


async def _place(database: Database, view: View) -> None:
    standing = await collection_options(database, view.name)
    if standing is not None and standing != view.options():
        with _unless_gone():
            await database.command("collMod", view.name, **view.options())
        # The embedded store says yes to that and changes nothing. Only a view is dropped, never a collection.
        if "viewOn" in standing and await collection_options(database, view.name) == standing:
            with _unless_gone():
                await database.drop_collection(view.name)
            standing = None
    if standing is None:
        await _create(database, view)


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Passes over a view that another worker has dropped just now: that worker makes it anew."""
    try:
        yield
    except OperationFailure as refused:
        if refused.code != _NAMESPACE_NOT_FOUND:
            raise


async def collection_options(database: Database, name: str) -> dict[str, Any] | None:
    """The options that a collection or view was made with, or None when there is none of the name."""
    standing = await database.command("listCollections", filter={"name": name})
    options = [found["options"] for found in standing["cursor"]["firstBatch"]]
    return options[0] if options else None


async def _create(database: Database, view: View) -> None:
    try:
        await database.create_collection(view.name, **view.options())
    except CollectionInvalid:
        return  # another worker was faster
    except OperationFailure as refused:
        if refused.code != _COLLECTION_EXISTS:
            raise
