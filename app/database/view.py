"""Install a read-only view, whichever version of the service created the existing one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid, DuplicateKeyError, OperationFailure

Database = AsyncDatabase[dict[str, Any]]

SCHEMA_VERSIONS = "schema_versions"
"""The collection that records which versions of the validators and of the view are installed."""

_COLLECTION_EXISTS = 48
_NAMESPACE_NOT_FOUND = 26


@dataclass(frozen=True, slots=True)
class View:
    """A read-only view of the collection `source`, and its version. The highest version is installed."""

    version: int
    name: str
    source: str
    pipeline: list[dict[str, Any]]

    @property
    def record_id(self) -> str:
        """The _id of the record of this view in schema_versions."""
        return f"view {self.name}"

    def options(self) -> dict[str, Any]:
        """Return the options of the view in the database."""
        return {"viewOn": self.source, "pipeline": self.pipeline}


async def ensure_view(database: Database, view: View) -> None:
    """Install the newest version of the view: this one, or that of a newer service.

    As with the validators, the record in schema_versions decides: each process installs the view of the
    record, and repeats that until the record no longer changes.
    """
    await _record(database, view)
    installed = None
    while (record := await database[SCHEMA_VERSIONS].find_one({"_id": view.record_id})) not in (None, installed):
        newest = View(record["version"], view.name, record["on"], json.loads(record["pipeline"]))
        await _install(database, newest)
        installed = record


async def _record(database: Database, view: View) -> None:
    """Store the view in schema_versions, unless the stored version is higher.

    The pipeline is stored as JSON text, because a field name must not begin with $.
    """
    values = {"version": view.version, "on": view.source, "pipeline": json.dumps(view.pipeline)}
    try:
        await database[SCHEMA_VERSIONS].insert_one({"_id": view.record_id, **values})
    except DuplicateKeyError:
        not_newer = {"_id": view.record_id, "version": {"$lte": view.version}}
        await database[SCHEMA_VERSIONS].update_one(not_newer, {"$set": values})


async def _install(database: Database, view: View) -> None:
    current = await collection_options(database, view.name)
    if current is not None and current != view.options():
        with _ignore_missing():
            await database.command("collMod", view.name, **view.options())
        # The embedded store accepts that command and changes nothing. Only a view is dropped, never a collection.
        if "viewOn" in current and await collection_options(database, view.name) == current:
            with _ignore_missing():
                await database.drop_collection(view.name)
            current = None
    if current is None:
        await _create(database, view)


@contextmanager
def _ignore_missing() -> Iterator[None]:
    """Ignore that the view does not exist: another worker has just dropped it and will create it again."""
    try:
        yield
    except OperationFailure as error:
        if error.code != _NAMESPACE_NOT_FOUND:
            raise


async def all_collection_options(database: Database) -> dict[str, dict[str, Any]]:
    """Return the options that each collection and view was created with, by its name."""
    cursor = await database.list_collections()
    return {collection["name"]: collection["options"] async for collection in cursor}


async def collection_options(database: Database, name: str) -> dict[str, Any] | None:
    """Return the options that a collection or view was created with, or None if it does not exist."""
    response = await database.command("listCollections", filter={"name": name})
    options = [collection["options"] for collection in response["cursor"]["firstBatch"]]
    return options[0] if options else None


async def _create(database: Database, view: View) -> None:
    try:
        await database.create_collection(view.name, **view.options())
    except CollectionInvalid:
        return  # another worker has just created it
    except OperationFailure as error:
        if error.code != _COLLECTION_EXISTS:
            raise
