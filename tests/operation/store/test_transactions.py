"""The commands that a transaction sends to the database."""

from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient, monitoring

from documents.common.transactions import WriteConflictError, current_session, transaction
from tests.conftest import Database
from tests.support.http import Json


class CommandRecorder(monitoring.CommandListener):
    """Records the commands that a client sends."""

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
def recorder() -> CommandRecorder:
    return CommandRecorder()


@pytest.fixture(autouse=True)
async def _drop_collection(database: Database) -> AsyncIterator[None]:
    yield
    await database.drop_collection("transactions_tried")


async def insert_two(client: AsyncMongoClient[Json], database: Database, *, result: bool | None) -> bool | None:
    async def work() -> bool | None:
        for _ in range(2):
            await client[database.name].transactions_tried.insert_one({}, session=current_session())
        return result

    return await transaction(client, work)


class TestTransaction:
    async def test_transaction_uses_snapshot_reads_and_majority_writes(
        self, database: Database, database_url: str, recorder: CommandRecorder
    ) -> None:
        client: AsyncMongoClient[Json] = AsyncMongoClient(database_url, event_listeners=[recorder])
        assert await insert_two(client, database, result=True) is True
        first, second = recorder.of("insert")
        assert (first["startTransaction"], first["readConcern"]["level"]) == (True, "snapshot")
        assert "startTransaction" not in second
        assert first["txnNumber"] == second["txnNumber"]
        (commit,) = recorder.of("commitTransaction")
        assert commit["writeConcern"]["w"] == "majority"
        assert await database.transactions_tried.count_documents({}) == 2
        await client.close()

    async def test_transaction_without_a_result_is_aborted(
        self, database: Database, database_url: str, recorder: CommandRecorder
    ) -> None:
        client: AsyncMongoClient[Json] = AsyncMongoClient(database_url, event_listeners=[recorder])
        assert await insert_two(client, database, result=None) is None
        assert recorder.of("abortTransaction")
        assert not recorder.of("commitTransaction")
        assert await database.transactions_tried.count_documents({}) == 0
        assert current_session() is None
        await client.close()

    async def test_write_conflict_returns_none(self, database: Database) -> None:
        async def work() -> bool:
            raise WriteConflictError

        assert await transaction(database.client, work) is None
        assert current_session() is None
