"""The connection to the database, and what must stand in it before the first request."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import pymongo
from beanie import Document, init_beanie
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import CollectionInvalid, DuplicateKeyError, PyMongoError

from app.config import Settings
from app.errors import DatabaseUnavailableError
from app.views import SCHEMA_VERSIONS, Database, View, collection_options, ensure_view

Client = AsyncIOMotorClient[dict[str, Any]]

T = TypeVar("T")

SILENCE_MS = 5000
"""How long the database may be silent inside a request before the request is answered with 503."""

LONGEST_WAIT_SECONDS = 5.5
"""How long a request waits for an answer, the queue before the driver's threads included."""

PING_SECONDS = 2.0
"""How long a readiness probe waits for the database."""

FAREWELL_SECONDS = 0.5
"""How long the database may be silent when it is told that a client goes."""

VALIDATORS = "validators"
"""What the record in it is called."""

VALIDATED = {"validationLevel": "strict", "validationAction": "error"}


def connect(settings: Settings) -> Client:
    """A client with its pool. It connects at the first command; instants come as naive UTC.

    timeoutMS bounds each operation as a whole, the choice of a server and a retry included.
    """
    if settings.database_url is None:
        raise RuntimeError("there is no database to connect to: DATABASE_URL is not set")
    return AsyncIOMotorClient(
        settings.database_url.get_secret_value(),
        appname="task-timer",
        maxPoolSize=settings.db_pool_size,
        serverSelectionTimeoutMS=SILENCE_MS,
        connectTimeoutMS=SILENCE_MS,
        timeoutMS=SILENCE_MS,
        tz_aware=False,
        retryReads=True,  # writes too, unless the address says that the database would do them twice
        w="majority",
        readPreference="primary",  # a change is read back, and tried again, from where it was written
    )


async def in_time(answer: Awaitable[T]) -> T:
    """What the database answers. Raises DatabaseUnavailableError when that takes too long.

    timeoutMS begins when one of the driver's few threads takes the operation up; behind a silent
    database most operations wait for such a thread.
    """
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            return await answer
    except TimeoutError:
        raise DatabaseUnavailableError from None


async def ping(client: Client) -> None:
    """Returns when the database answers. Raises PyMongoError when it does not."""
    await client.admin.command("ping")


async def ping_soon(client: Client) -> None:
    """Returns when the database answers within two seconds. Raises DatabaseUnavailableError when it does not."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            await ping(client)
    except (PyMongoError, TimeoutError) as silent:
        raise DatabaseUnavailableError from silent


@dataclass(frozen=True, slots=True)
class Validators:
    """The $jsonSchema of each collection, and their version: a greater one takes the place of a lesser."""

    version: int
    schemas: dict[str, dict[str, Any]]


async def bind(database: Database, documents: Sequence[type[Document]]) -> None:
    """Binds the documents to the database and changes nothing in it."""
    await init_beanie(database=database, document_models=list(documents), skip_indexes=True)


def close(client: Client) -> None:
    """Lets go of the database, which hears of it if it listens: a silent one holds up nobody who wants to end."""
    with pymongo.timeout(FAREWELL_SECONDS):
        client.close()


@contextmanager
def without_haste() -> Iterator[None]:
    """Lets each operation take as long as it takes.

    It is 0 that says so: None would leave it to the timeoutMS of the client.
    """
    with pymongo.timeout(0):
        yield


async def initialise(
    database: Database,
    documents: Sequence[type[Document]],
    validators: Validators,
    view: View,
) -> None:
    """Binds the documents to the database and puts their validators, indexes and the read-only view in place.

    It may run any number of times, in several processes at once.
    """
    with without_haste():  # an index on a large collection takes its time
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
