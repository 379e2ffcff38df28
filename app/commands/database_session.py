"""A command of the shell at work on the database of its settings."""

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
    opened: OpenDatabase,
    work: Callable[[], Awaitable[T]],
    *,
    failure: type[CommandError],
    sentence: Callable[[ServiceError], str] = str,
) -> T:
    """What the work answers once the database is opened; where no store runs, one does as long as this takes.

    Raises `failure` when the database does not do it, or, with that `sentence`, when a service refuses; and
    EmbeddedStoreError.
    """
    with database_url(settings) as url:
        connected = settings.model_copy(update={"database_url": SecretStr(url)})
        try:
            return asyncio.run(_at_work(opened(connected), work))
        except ServiceError as refused:
            raise failure(sentence(refused)) from refused
        except ConnectionFailure as silent:
            raise failure("The database does not answer.") from silent
        except PyMongoError as refused:
            raise failure(f"The database does not do it: {server_message(refused)}.") from refused


async def _at_work(opened: AbstractAsyncContextManager[object], work: Callable[[], Awaitable[T]]) -> T:
    async with opened:
        return await work()
