"""The validators of the collections: the database rejects invalid documents of any client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from bson import Int64, ObjectId
from pymongo.errors import OperationFailure, WriteError

from app.config import Settings
from app.database.setup import VALIDATORS_ID
from app.database.view import SCHEMA_VERSIONS
from documents.common.json_schema import MIN_WRITER, SCHEMA_VERSION
from documents.registry import DOCUMENTS, open_database, validators
from tests.conftest import Database
from tests.support.http import Client, Json, problem
from tests.support.services import restoring_documents
from tests.support.stored_documents import NINE, ended_entry, running_entry, task_row, tracked

DOCUMENT_VALIDATION_FAILURE = 121


async def assert_rejected(database: Database, condition: Json, update: Any, *, collection: str = "tasks") -> None:
    """Check that the update is rejected and the document is unchanged."""
    before = await database[collection].find_one(condition)
    assert before is not None
    with pytest.raises(WriteError) as error:
        await database[collection].update_one(condition, update)
    assert error.value.code == DOCUMENT_VALIDATION_FAILURE
    assert await database[collection].find_one(condition) == before


@pytest.mark.usefixtures("empty_service")
class TestInvalidWrites:
    @pytest.mark.parametrize(
        "update",
        [
            {"$set": {"status": "done"}},
            {"$set": {"status": None}},
            {"$set": {"titel": "an unknown field"}},
            {"$unset": {"title": ""}},
            {"$rename": {"title": "name"}},
            {"$set": {"title": None}},
            {"$set": {"title": 7}},
            {"$set": {"user_id": "6920a3f1c2d4e5f607182930"}},
            {"$set": {"billable": "false"}},
            {"$set": {"billable": 0}},
            {"$set": {"due_at": "2026-11-18T09:00:00Z"}},
            {"$set": {"created_at": None}},
            {"$set": {"tags": "sales"}},
            {"$push": {"tags": 7}},
            {"$set": {"priority": 5}},
            {"$set": {"priority": -1}},
            {"$set": {"tracked_seconds": 1.5}},
            {"$set": {"tracked_seconds": None}},
            {"$inc": {"tracked_seconds": -1801}},
            {"$inc": {"entry_count": -2}},
            {"$set": {"version": 0}},
            {"$set": {"active": None}},
            {"$set": {"active": {}}},
            {"$push": {"time_entries": {"started_at": NINE}}},
            {"$set": {"time_entries": None}},
            {"$set": {"time_entries.0.ended_at": None}},
            {"$set": {"time_entries.0.duration_seconds": -1}},
            {"$set": {"time_entries.0.duration_seconds": 1800.0}},
            {"$set": {"time_entries.0.id": "6920a3f1c2d4e5f607182930"}},
            {"$set": {"time_entries.0.source": "shell"}},
            {"$set": {"time_entries.0.minutes": 30}},
            {"$unset": {"time_entries.0.note": ""}},
            {"$set": {"time_entries.0.hourly_rate": {"amount": 95.5, "currency": "EUR"}}},
            {"$set": {"time_entries.0.hourly_rate": {"amount": 9550}}},
            [{"$set": {"tracked_seconds": {"$literal": -1}}}],
            [{"$unset": "title"}],
        ],
        ids=str,
    )
    async def test_invalid_update_of_a_task_is_rejected(self, database: Database, update: Any) -> None:
        task = task_row(ObjectId(), **tracked(ended_entry()))
        await database.tasks.insert_one(task)
        await assert_rejected(database, {"_id": task["_id"]}, update)

    async def test_invalid_update_of_entries_is_rejected(self, database: Database) -> None:
        task = task_row(ObjectId(), **tracked(ended_entry()))
        await database.tasks.insert_one(task)
        too_many = [ended_entry() for _ in range(2000)]
        for update in (
            {"$set": {"active": ended_entry()}},
            {"$push": {"time_entries": running_entry()}},
            {"$push": {"time_entries": {"$each": too_many}}},
        ):
            await assert_rejected(database, {"_id": task["_id"]}, update)

    @pytest.mark.parametrize(
        "update",
        [
            {"$set": {"e-mail": "ada@example.com"}},
            {"$unset": {"email_key": ""}},
            {"$set": {"is_active": "no"}},
            {"$set": {"week_start": 7}},
            {"$set": {"preferences.overlap_policy": "refuse"}},
            {"$set": {"preferences.timer_cap_hours": 0}},
            {"$set": {"preferences.theme": "blue"}},
            {"$set": {"preferences.locale": None}},
            {"$set": {"preferences.snap_minutes": 4}},
            {"$set": {"preferences.idle_minutes": 241}},
            {"$set": {"preferences.font": "serif"}},
            {"$inc": {"timeline_version": -1}},
        ],
        ids=str,
    )
    async def test_invalid_update_of_a_user_is_rejected(self, alice: Client, database: Database, update: Json) -> None:
        await assert_rejected(database, {"_id": alice.user["_id"]}, update, collection="users")

    async def test_invalid_update_in_a_transaction_is_rejected(self, database: Database) -> None:
        task = task_row(ObjectId())
        await database.tasks.insert_one(task)
        async with database.client.start_session() as session:
            await session.start_transaction()
            await database.tasks.insert_one(task_row(ObjectId()), session=session)
            with pytest.raises(WriteError):
                await database.tasks.update_one({"_id": task["_id"]}, {"$set": {"version": -1}}, session=session)
        assert await database.tasks.find({}).to_list(None) == [task]

    async def test_invalid_new_document_is_rejected(self, database: Database) -> None:
        for collection in ("tasks", "users"):
            with pytest.raises(WriteError):
                await database[collection].insert_one({"title": "Write the offer"})
        with pytest.raises(WriteError):
            await database.tasks.insert_one(task_row(ObjectId(), active=None))
        assert await database.tasks.count_documents({}) == 0

    async def test_error_names_the_missing_field(self, database: Database) -> None:
        with pytest.raises(OperationFailure) as error:
            await database.tasks.insert_one({"title": "Write the offer"})
        assert error.value.details is not None
        assert "tracked_seconds" in str(error.value.details["errInfo"])

    async def test_valid_update_is_accepted(self, database: Database) -> None:
        task = task_row(ObjectId(), active=running_entry(hourly_rate={"amount": 9550, "currency": "EUR"}))
        await database.tasks.insert_one(task)
        valid_changes = {
            "title": "Read the news",
            "tracked_seconds": Int64(2**40),
            "priority": 4,
            "tags": ["a"],
            "due_at": NINE,
        }
        await database.tasks.update_one(
            {"_id": task["_id"]}, {"$set": valid_changes, "$push": {"time_entries": ended_entry()}}
        )
        await database.tasks.update_one({"_id": task["_id"]}, {"$set": {"priority": None}, "$unset": {"active": ""}})
        stored = await database.tasks.find_one({"_id": task["_id"]})
        assert stored is not None
        assert (stored["title"], stored["tracked_seconds"], stored["priority"]) == ("Read the news", 2**40, None)


@asynccontextmanager
async def stricter_validator(database: Database, **properties: Json) -> AsyncIterator[None]:
    """Add these rules to the validator of tasks, so that a valid request of the service is rejected."""
    schema = validators().schemas["tasks"]
    stricter_schema = {**schema, "properties": {**schema["properties"], **properties}}
    await database.command("collMod", "tasks", validator={"$jsonSchema": stricter_schema})
    try:
        yield
    finally:
        await database.command("collMod", "tasks", validator={"$jsonSchema": schema})


class TestInternalErrors:
    async def test_rejected_write_is_answered_with_500_and_nothing_is_stored(
        self, alice: Client, database: Database
    ) -> None:
        async with stricter_validator(database, title={"maxLength": 3}):
            body = problem(await alice.post("/tasks", json={"title": "Write"}), 500, "internal_error")
        assert "validation" not in body["detail"]
        assert await database.tasks.count_documents({}) == 0

    async def test_timer_is_running_after_a_rejected_stop(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        without_outbox = {"outbox": 0, "outbox_since": 0}  # the relay removes its items
        before = await database.tasks.find_one({}, without_outbox)
        async with stricter_validator(database, time_entries={"maxItems": 0}):
            problem(await alice.post("/timer/stop"), 500, "internal_error")
        assert await database.tasks.find_one({}, without_outbox) == before
        assert (await alice.stop())["entry"]["id"] == timer["entry"]["id"]


@pytest.fixture
async def new_database(database: Database, settings: Settings) -> AsyncIterator[Database]:
    """A database that does not exist yet."""
    name = f"{settings.database_name}_validated"
    async with restoring_documents(database):
        await database.client.drop_database(name)
        yield database.client[name]
        await database.client.drop_database(name)


@pytest.fixture
def new_settings(new_database: Database, settings: Settings) -> Settings:
    """The settings of a service on the new database."""
    return settings.model_copy(update={"database_name": new_database.name})


async def start_up(settings: Settings) -> None:
    async with open_database(settings):
        pass


async def stored_schemas(database: Database) -> dict[str, Json]:
    """Return the $jsonSchema of the validator of each collection."""
    response = await database.command("listCollections", filter={"type": "collection"})
    validated = {
        stored["name"]: stored["options"]
        for stored in response["cursor"]["firstBatch"]
        if "validator" in stored["options"]
    }
    for options in validated.values():
        assert (options["validationLevel"], options["validationAction"]) == ("strict", "error")
    return {name: options["validator"]["$jsonSchema"] for name, options in validated.items()}


async def version_record(database: Database) -> Json:
    record = await database[SCHEMA_VERSIONS].find_one({"_id": VALIDATORS_ID})
    assert record is not None
    return record


LATER: Json = {"version": SCHEMA_VERSION + 1, "schemas": {"tasks": {"bsonType": ["object"], "maxProperties": 99}}}
EARLIER: Json = {"version": SCHEMA_VERSION - 1, "schemas": {"tasks": {"bsonType": ["object"], "maxProperties": 1}}}


class TestStart:
    async def test_every_collection_gets_its_validator(self, new_database: Database, new_settings: Settings) -> None:
        await start_up(new_settings)
        assert await stored_schemas(new_database) == validators().schemas
        assert (await stored_schemas(new_database)).keys() == {document.get_collection_name() for document in DOCUMENTS}
        assert await version_record(new_database) == {
            "_id": "validators",
            "version": SCHEMA_VERSION,
            "min_writer": MIN_WRITER,
            "schemas": validators().schemas,
        }

    async def test_validators_are_added_to_an_existing_database(
        self, new_database: Database, new_settings: Settings
    ) -> None:
        valid, invalid = task_row(ObjectId(), **tracked(ended_entry())), {"_id": ObjectId(), "title": "invalid"}
        await new_database.tasks.insert_many([valid, invalid])
        await start_up(new_settings)
        assert await stored_schemas(new_database) == validators().schemas
        assert await new_database.tasks.find({}).sort("_id", 1).to_list(None) == [valid, invalid]
        await assert_rejected(new_database, {"_id": valid["_id"]}, {"$set": {"version": 0}})

    async def test_concurrent_starts_succeed(self, new_database: Database, new_settings: Settings) -> None:
        await asyncio.gather(*(start_up(new_settings) for _ in range(8)))
        assert await stored_schemas(new_database) == validators().schemas

    async def test_changed_validator_is_restored(self, new_database: Database, new_settings: Settings) -> None:
        await start_up(new_settings)
        await new_database.command("collMod", "tasks", validator={})
        await new_database.command("collMod", "users", validationAction="warn")
        await start_up(new_settings)
        assert await stored_schemas(new_database) == validators().schemas

    async def test_validators_of_an_earlier_version_are_replaced(
        self, new_database: Database, new_settings: Settings
    ) -> None:
        await new_database.create_collection("tasks", validator={"$jsonSchema": EARLIER["schemas"]["tasks"]})
        await new_database[SCHEMA_VERSIONS].insert_one({"_id": "validators", **EARLIER})
        await start_up(new_settings)
        assert await stored_schemas(new_database) == validators().schemas
        assert (await version_record(new_database))["version"] == SCHEMA_VERSION

    async def test_validators_of_a_later_version_are_left_unchanged(
        self, new_database: Database, new_settings: Settings
    ) -> None:
        await start_up(new_settings)
        await new_database[SCHEMA_VERSIONS].update_one({"_id": VALIDATORS_ID}, {"$set": LATER})
        for _ in range(2):
            await start_up(new_settings)
            assert (await stored_schemas(new_database))["tasks"] == LATER["schemas"]["tasks"]
        assert await version_record(new_database) == {"_id": "validators", "min_writer": MIN_WRITER, **LATER}

    async def test_concurrent_start_of_a_later_version_wins(
        self, new_database: Database, new_settings: Settings
    ) -> None:
        for _ in range(5):
            await new_database.client.drop_database(new_database.name)
            await start_up(new_settings)

            async def start_later() -> None:
                await new_database[SCHEMA_VERSIONS].update_one({"_id": VALIDATORS_ID}, {"$set": LATER})
                await start_up(new_settings)

            await asyncio.gather(start_up(new_settings), start_later(), start_up(new_settings))
            assert (await stored_schemas(new_database))["tasks"] == LATER["schemas"]["tasks"]


class TestReleases:
    RELEASED: ClassVar[dict[int, Json]] = {}
    """The validators of each released version. A change needs a new version."""

    def test_changed_validators_have_a_new_version(self) -> None:
        assert max(self.RELEASED, default=0) <= SCHEMA_VERSION
        assert self.RELEASED.get(SCHEMA_VERSION, validators().schemas) == validators().schemas
