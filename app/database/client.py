"""The database client: connect, ping, close."""

import asyncio
from typing import Any

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError

from app.config import Settings
from app.errors import DatabaseUnavailableError

Client = AsyncIOMotorClient[dict[str, Any]]

DATABASE_ERRORS = (PyMongoError, DatabaseUnavailableError)
"""What an operation raises when the database is unavailable or refuses it."""

OPERATION_TIMEOUT_MS = 5000
"""How long an operation may take before the request is answered with 503."""

PING_TIMEOUT_SECONDS = 2.0
"""How long a readiness probe waits for the database."""

CLOSE_TIMEOUT_SECONDS = 0.5
"""How long closing the client waits for the database."""


def connect(settings: Settings) -> Client:
    """Return a client with a connection pool. It connects at the first command and decodes dates as naive UTC.

    timeoutMS limits each operation as a whole, including server selection and retries.
    """
    if settings.database_url is None:
        raise RuntimeError("there is no database to connect to: DATABASE_URL is not set")
    return AsyncIOMotorClient(
        settings.database_url.get_secret_value(),
        appname="task-timer",
        maxPoolSize=settings.db_pool_size,
        serverSelectionTimeoutMS=OPERATION_TIMEOUT_MS,
        connectTimeoutMS=OPERATION_TIMEOUT_MS,
        timeoutMS=OPERATION_TIMEOUT_MS,
        tz_aware=False,
        retryReads=True,  # writes are retried by default; the URL of the embedded store disables it
        w="majority",
        readPreference="primary",  # a read after a write, and a retry, must see that write
    )


async def ping(client: Client) -> None:
    """Return when the database responds. Raises PyMongoError if it does not."""
    await client.admin.command("ping")


async def ping_with_timeout(client: Client) -> None:
    """Return when the database responds, within PING_TIMEOUT_SECONDS. Raises DatabaseUnavailableError otherwise."""
    try:
        async with asyncio.timeout(PING_TIMEOUT_SECONDS):
            await ping(client)
    except (PyMongoError, TimeoutError) as error:
        raise DatabaseUnavailableError from error


def close(client: Client) -> None:
    """Close the client. A database that does not respond delays this by CLOSE_TIMEOUT_SECONDS at most."""
    with pymongo.timeout(CLOSE_TIMEOUT_SECONDS):
        client.close()
