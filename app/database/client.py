"""The connection to the database, and what must stand in it before the first request."""

import asyncio
from typing import Any

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError

from app.config import Settings
from app.errors import DatabaseUnavailableError

Client = AsyncIOMotorClient[dict[str, Any]]

SILENCE_MS = 5000
"""How long the database may be silent inside a request before the request is answered with 503."""

PING_SECONDS = 2.0
"""How long a readiness probe waits for the database."""

FAREWELL_SECONDS = 0.5
"""How long the database may be silent when it is told that a client goes."""


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


async def ping(client: Client) -> None:
    """Returns when the database answers. Raises PyMongoError when it does not."""
    await client.admin.command("ping")


async def ping_with_timeout(client: Client) -> None:
    """Returns when the database answers within two seconds. Raises DatabaseUnavailableError when it does not."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            await ping(client)
    except (PyMongoError, TimeoutError) as silent:
        raise DatabaseUnavailableError from silent


def close(client: Client) -> None:
    """Lets go of the database, which hears of it if it listens: a silent one holds up nobody who wants to end."""
    with pymongo.timeout(FAREWELL_SECONDS):
        client.close()
