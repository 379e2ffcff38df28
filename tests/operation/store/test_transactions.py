"""A transaction, as the database is told of it."""

from collections.abc import AsyncIterator

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import monitoring

from documents.common.transactions import WriteConflictError, current_session, transaction
from tests.conftest import Database
from tests.support.http import Json


class Heard(monitoring.CommandListener):
    """The commands that a client has sent."""

    def __init__(self) -> None:
        self.commands: list[Json] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands.append({"name": event.command_name, **event.command})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass

    def of(self, name: str) -> list[Json]:
        return [command for command in self.commands if command["name"] == name]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(autouse=True)
async def _emptied(database: Database) -> AsyncIterator[None]:
    yield
    await database.drop_collection("transactions_tried")


async def insert_two(client: AsyncIOMotorClient[Json], database: Database, *, answer: bool | None) -> bool | None:
    async def work() -> bool | None:
        for _ in range(2):
            await client[database.name].transactions_tried.insert_one({}, session=current_session())
        return answer

    return await transaction(client, work)


class TestATransaction:
    async def test_reads_of_one_instant_and_is_kept_by_most(
        self, database: Database, database_url: str, heard: Heard
    ) -> None:
        client: AsyncIOMotorClient[Json] = AsyncIOMotorClient(database_url, event_listeners=[heard])
        assert await insert_two(client, database, answer=True) is True
        first, second = heard.of("insert")
        assert (first["startTransaction"], first["readConcern"]["level"]) == (True, "snapshot")
        assert "startTransaction" not in second
        assert first["txnNumber"] == second["txnNumber"]
        (commit,) = heard.of("commitTransaction")
        assert commit["writeConcern"]["w"] == "majority"
        assert await database.transactions_tried.count_documents({}) == 2
        client.close()

    async def test_that_answers_nothing_keeps_nothing(
        self, database: Database, database_url: str, heard: Heard
    ) -> None:
        client: AsyncIOMotorClient[Json] = AsyncIOMotorClient(database_url, event_listeners=[heard])
        assert await insert_two(client, database, answer=None) is None
        assert heard.of("abortTransaction")
        assert not heard.of("commitTransaction")
        assert await database.transactions_tried.count_documents({}) == 0
        assert current_session() is None
        client.close()

    async def test_that_has_moved_on_answers_nothing(self, database: Database) -> None:
        async def work() -> bool:
            raise WriteConflictError

        assert await transaction(database.client, work) is None
        assert current_session() is None
