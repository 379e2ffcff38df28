"""The database client: connect, ping, close."""

import asyncio
import re
from typing import Any

import pymongo
from pymongo import AsyncMongoClient
from pymongo.errors import ConnectionFailure, PyMongoError

from app.config import Settings
from app.database.cancellation import keep_cancellation
from app.errors import DatabaseUnavailableError

Client = AsyncMongoClient[dict[str, Any]]

DATABASE_ERRORS = (PyMongoError, DatabaseUnavailableError)
"""What an operation raises when the database is unavailable or refuses it."""

OPERATION_TIMEOUT_MS = 5000
"""How long an operation may take before the request is answered with 503. DATABASE_URL may name a shorter time."""

PING_TIMEOUT_SECONDS = 2.0
"""How long a readiness probe waits for the database."""

CLOSE_TIMEOUT_SECONDS = 0.5
"""How long closing the client waits for the database."""

_TIMEOUT_IN_URL = re.compile(r"[?&]timeoutMS=(\d+)", re.IGNORECASE)


def operation_timeout_ms(url: str) -> int:
    """Return how long an operation may take, in milliseconds: the option timeoutMS of the address, if it is shorter."""
    option = _TIMEOUT_IN_URL.search(url)
    return min(int(option[1]) or OPERATION_TIMEOUT_MS, OPERATION_TIMEOUT_MS) if option else OPERATION_TIMEOUT_MS


def connect(settings: Settings) -> Client:
    """Return a client with a connection pool. It connects at the first command and decodes dates as naive UTC.

    timeoutMS limits each operation as a whole, including server selection and retries.
    """
    if settings.database_url is None:
        raise RuntimeError("there is no database to connect to: DATABASE_URL is not set")
    url = settings.database_url.get_secret_value()
    timeout_ms = operation_timeout_ms(url)
    return AsyncMongoClient(
        url,
        appname="task-timer",
        maxPoolSize=settings.db_pool_size,
        serverSelectionTimeoutMS=timeout_ms,
        connectTimeoutMS=OPERATION_TIMEOUT_MS,
        timeoutMS=timeout_ms,
        tz_aware=False,
        retryReads=True,  # writes are retried by default; the URL of SecantusDB disables it
        w="majority",
        readPreference="primary",  # a read after a write, and a retry, must see that write
    )


async def ping(client: Client) -> None:
    """Return when the database responds. Raises PyMongoError if it does not."""
    await keep_cancellation(client.admin.command("ping"))


async def ping_with_timeout(client: Client) -> None:
    """Return when the database responds, within PING_TIMEOUT_SECONDS. Raises DatabaseUnavailableError otherwise."""
    try:
        async with asyncio.timeout(PING_TIMEOUT_SECONDS):
            await ping(client)
    except (PyMongoError, TimeoutError) as error:
        raise DatabaseUnavailableError from error


def is_unavailable(error: Exception) -> bool:
    """Return whether the database cannot be reached or does not respond in time."""
    if isinstance(error, PyMongoError):
        return error.timeout or isinstance(error, ConnectionFailure)
    return isinstance(error, DatabaseUnavailableError)


async def close(client: Client) -> None:
    """Close the client. A database that does not respond delays this by CLOSE_TIMEOUT_SECONDS at most."""
    with pymongo.timeout(CLOSE_TIMEOUT_SECONDS):
        await client.close()
