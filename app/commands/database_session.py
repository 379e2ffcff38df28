"""Run a command on the database of the settings."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from pydantic import SecretStr
from pymongo.errors import ConnectionFailure, PyMongoError

from app.config import Settings
from app.database.requirements import server_message
from app.embedded.store import database_url
from app.errors import CommandError, ServiceError

T = TypeVar("T")

OpenDatabase = Callable[[Settings], AbstractAsyncContextManager[object]]


def run_with_database(
    settings: Settings,
    open_database: OpenDatabase,
    work: Callable[[], Awaitable[T]],
    *,
    failure: type[CommandError],
    sentence: Callable[[ServiceError], str] = str,
) -> T:
    """Open the database, await the work and return its result. The embedded store is started if it is not running.

    Raises `failure` if the database fails. If a service raises an error, `sentence` converts it to the message
    of `failure`. Raises EmbeddedStoreError.
    """
    with database_url(settings) as url:
        connected = settings.model_copy(update={"database_url": SecretStr(url)})
        try:
            return asyncio.run(_await_in(open_database(connected), work))
        except ServiceError as error:
            raise failure(sentence(error)) from error
        except ConnectionFailure as error:
            raise failure("The database does not answer.") from error
        except PyMongoError as error:
            raise failure(f"The database has refused the operation: {server_message(error)}.") from error


async def _await_in(context: AbstractAsyncContextManager[object], work: Callable[[], Awaitable[T]]) -> T:
    async with context:
        return await work()
