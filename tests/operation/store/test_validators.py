"""What the database itself refuses, whoever writes: a slip in a mongo shell, or a fault of our own."""

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
from documents.common.json_schema import SCHEMA_VERSION
from documents.registry import DOCUMENTS, open_database, validators
from tests.conftest import Database
from tests.support.http import Client, Json, problem
from tests.support.services import bound_to_others
from tests.support.stored_documents import NINE, ended_entry, running_entry, task_row, tracked

REFUSED = 121


async def refuse(database: Database, condition: Json, update: Any, *, collection: str = "tasks") -> None:
    """The update is refused, and nothing has changed."""
    before = await database[collection].find_one(condition)
    assert before is not None
    with pytest.raises(WriteError) as refused:
        await database[collection].update_one(condition, update)
    assert refused.value.code == REFUSED
    assert await database[collection].find_one(condition) == before


@pytest.mark.usefixtures("empty_service")
class TestASlipInAMongoShell:
    @pytest.mark.parametrize(
        "update",
        [
            {"$set": {"status": "done"}},
            {"$set": {"status": None}},
            {"$set": {"titel": "a field that there is not"}},
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
    async def test_on_a_task_is_refused(self, database: Database, update: Any) -> None:
        task = task_row(ObjectId(), **tracked(ended_entry()))
        await database.tasks.insert_one(task)
        await refuse(database, {"_id": task["_id"]}, update)

    async def test_in_its_entries_is_refused(self, database: Database) -> None:
        task = task_row(ObjectId(), **tracked(ended_entry()))
        await database.tasks.insert_one(task)
        too_many = [ended_entry() for _ in range(2000)]
        for update in (
            {"$set": {"active": ended_entry()}},
            {"$push": {"time_entries": running_entry()}},
            {"$push": {"time_entries": {"$each": too_many}}},
        ):
            await refuse(database, {"_id": task["_id"]}, update)

    @pytest.mark.parametrize(
        "update",
        [
            {"$set": {"e-mail": "ada@example.com"}},
            {"$unset": {"email_key": ""}},
            {"$set": {"is_active": "no"}},
            {"$set": {"week_start": 7}},
            {"$set": {"preferences.overlap_policy": "refuse"}},
            {"$set": {"preferences.timer_cap_hours": 0}},
            {"$set": {"preferences.theme": "dark"}},
            {"$inc": {"timeline_version": -1}},
        ],
        ids=str,
    )
    async def test_on_a_user_is_refused(self, alice: Client, database: Database, update: Json) -> None:
        await refuse(database, {"_id": alice.user["_id"]}, update, collection="users")

    async def test_is_refused_in_a_transaction(self, database: Database) -> None:
        task = task_row(ObjectId())
        await database.tasks.insert_one(task)
        async with await database.client.start_session() as session:
            session.start_transaction()
            await database.tasks.insert_one(task_row(ObjectId()), session=session)
            with pytest.raises(WriteError):
                await database.tasks.update_one({"_id": task["_id"]}, {"$set": {"version": -1}}, session=session)
        assert await database.tasks.find({}).to_list(None) == [task]

    async def test_in_a_new_document_is_refused(self, database: Database) -> None:
        for collection in ("tasks", "users"):
            with pytest.raises(WriteError):
                await database[collection].insert_one({"title": "Write the offer"})
        with pytest.raises(WriteError):
            await database.tasks.insert_one(task_row(ObjectId(), active=None))
        assert await database.tasks.count_documents({}) == 0

    async def test_is_told_with_what_is_wrong(self, database: Database) -> None:
        with pytest.raises(OperationFailure) as refused:
            await database.tasks.insert_one({"title": "Write the offer"})
        assert refused.value.details is not None
        assert "tracked_seconds" in str(refused.value.details["errInfo"])

    async def test_a_change_that_is_sound_is_none(self, database: Database) -> None:
        task = task_row(ObjectId(), active=running_entry(hourly_rate={"amount": 9550, "currency": "EUR"}))
        await database.tasks.insert_one(task)
        sound = {
            "title": "Read the news",
            "tracked_seconds": Int64(2**40),
            "priority": 4,
            "tags": ["a"],
            "due_at": NINE,
        }
        await database.tasks.update_one({"_id": task["_id"]}, {"$set": sound, "$push": {"time_entries": ended_entry()}})
        await database.tasks.update_one({"_id": task["_id"]}, {"$set": {"priority": None}, "$unset": {"active": ""}})
        found = await database.tasks.find_one({"_id": task["_id"]})
        assert found is not None
        assert (found["title"], found["tracked_seconds"], found["priority"]) == ("Read the news", 2**40, None)


@asynccontextmanager
async def stricter(database: Database, **properties: Json) -> AsyncIterator[None]:
    """The tasks are held to these rules too, as if the service did not know its own."""
    schema = validators().schemas["tasks"]
    more = {**schema, "properties": {**schema["properties"], **properties}}
    await database.command("collMod", "tasks", validator={"$jsonSchema": more})
    try:
        yield
    finally:
        await database.command("collMod", "tasks", validator={"$jsonSchema": schema})


class TestAFaultOfOurOwn:
    async def test_is_a_plain_500_and_nothing_is_stored(self, alice: Client, database: Database) -> None:
        async with stricter(database, title={"maxLength": 3}):
            told = problem(await alice.post("/tasks", json={"title": "Write"}), 500, "internal_error")
        assert "validation" not in told["detail"]
        assert await database.tasks.count_documents({}) == 0

    async def test_leaves_the_timer_running(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        before = await database.tasks.find_one({})
        async with stricter(database, time_entries={"maxItems": 0}):
            problem(await alice.post("/timer/stop"), 500, "internal_error")
        assert await database.tasks.find_one({}) == before
        assert (await alice.stop())["entry"]["id"] == timer["entry"]["id"]


@pytest.fixture
async def fresh(database: Database, settings: Settings) -> AsyncIterator[Database]:
    """A database that is not there yet."""
    name = f"{settings.database_name}_validated"
    async with bound_to_others(database):
        await database.client.drop_database(name)
        yield database.client[name]
        await database.client.drop_database(name)


@pytest.fixture
def other(fresh: Database, settings: Settings) -> Settings:
    """The settings of a service on that database."""
    return settings.model_copy(update={"database_name": fresh.name})


async def start_up(settings: Settings) -> None:
    async with open_database(settings):
        pass


async def standing(database: Database) -> dict[str, Json]:
    """The $jsonSchema that each collection is held to."""
    listed = await database.command("listCollections", filter={"type": "collection"})
    validated = {
        found["name"]: found["options"] for found in listed["cursor"]["firstBatch"] if "validator" in found["options"]
    }
    for options in validated.values():
        assert (options["validationLevel"], options["validationAction"]) == ("strict", "error")
    return {name: options["validator"]["$jsonSchema"] for name, options in validated.items()}


async def recorded(database: Database) -> Json:
    record = await database[SCHEMA_VERSIONS].find_one({"_id": VALIDATORS_ID})
    assert record is not None
    return record


LATER: Json = {"version": SCHEMA_VERSION + 1, "schemas": {"tasks": {"bsonType": ["object"], "maxProperties": 99}}}
EARLIER: Json = {"version": SCHEMA_VERSION - 1, "schemas": {"tasks": {"bsonType": ["object"], "maxProperties": 1}}}


class TestStartingUp:
    async def test_holds_every_collection_to_its_documents(self, fresh: Database, other: Settings) -> None:
        await start_up(other)
        assert await standing(fresh) == validators().schemas
        assert (await standing(fresh)).keys() == {document.get_collection_name() for document in DOCUMENTS}
        assert await recorded(fresh) == {
            "_id": "validators",
            "version": SCHEMA_VERSION,
            "schemas": validators().schemas,
        }

    async def test_takes_over_a_database_that_has_none(self, fresh: Database, other: Settings) -> None:
        whole, broken = task_row(ObjectId(), **tracked(ended_entry())), {"_id": ObjectId(), "title": "of long ago"}
        await fresh.tasks.insert_many([whole, broken])
        await start_up(other)
        assert await standing(fresh) == validators().schemas
        assert await fresh.tasks.find({}).sort("_id", 1).to_list(None) == [whole, broken]
        await refuse(fresh, {"_id": whole["_id"]}, {"$set": {"version": 0}})

    async def test_may_happen_many_times_at_once(self, fresh: Database, other: Settings) -> None:
        await asyncio.gather(*(start_up(other) for _ in range(8)))
        assert await standing(fresh) == validators().schemas

    async def test_puts_back_a_validator_that_was_taken_away(self, fresh: Database, other: Settings) -> None:
        await start_up(other)
        await fresh.command("collMod", "tasks", validator={})
        await fresh.command("collMod", "users", validationAction="warn")
        await start_up(other)
        assert await standing(fresh) == validators().schemas

    async def test_puts_its_own_in_the_place_of_earlier_ones(self, fresh: Database, other: Settings) -> None:
        await fresh.create_collection("tasks", validator={"$jsonSchema": EARLIER["schemas"]["tasks"]})
        await fresh[SCHEMA_VERSIONS].insert_one({"_id": "validators", **EARLIER})
        await start_up(other)
        assert await standing(fresh) == validators().schemas
        assert (await recorded(fresh))["version"] == SCHEMA_VERSION

    async def test_never_takes_later_ones_back(self, fresh: Database, other: Settings) -> None:
        await start_up(other)
        await fresh[SCHEMA_VERSIONS].update_one({"_id": VALIDATORS_ID}, {"$set": LATER})
        for _ in range(2):
            await start_up(other)
            assert (await standing(fresh))["tasks"] == LATER["schemas"]["tasks"]
        assert await recorded(fresh) == {"_id": "validators", **LATER}

    async def test_beside_a_later_service_leaves_the_later_ones(self, fresh: Database, other: Settings) -> None:
        for _ in range(5):
            await fresh.client.drop_database(fresh.name)
            await start_up(other)

            async def start_later() -> None:
                await fresh[SCHEMA_VERSIONS].update_one({"_id": VALIDATORS_ID}, {"$set": LATER})
                await start_up(other)

            await asyncio.gather(start_up(other), start_later(), start_up(other))
            assert (await standing(fresh))["tasks"] == LATER["schemas"]["tasks"]


class TestARelease:
    RELEASED: ClassVar[dict[int, Json]] = {}
    """The validators of each version of them that was released, so that none is changed without a new number."""

    def test_has_a_version_of_its_own_for_its_validators(self) -> None:
        assert max(self.RELEASED, default=0) <= SCHEMA_VERSION
        assert self.RELEASED.get(SCHEMA_VERSION, validators().schemas) == validators().schemas
