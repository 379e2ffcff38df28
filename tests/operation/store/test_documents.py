"""The stored documents and indexes, and what a start of the service creates."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from bson import ObjectId
from pymongo.errors import OperationFailure

from app.config import Settings
from app.database.view import SCHEMA_VERSIONS
from documents.common.base import by_id
from documents.registry import open_database
from documents.tracking.tasks import Task
from documents.tracking.view import TIME_ENTRIES_PIPELINE, TIME_ENTRIES_VIEW, VIEW_VERSION, time_entries_view
from tests.conftest import Database
from tests.operation.store.document_shapes import (
    ENDED_ENTRY,
    NEW_TASK,
    OTHER_INDEXES,
    PAGE,
    PROJECT,
    PROJECT_INDEXES,
    RUNNING_ENTRY,
    TASK_INDEXES,
    USER,
    USER_INDEXES,
    bson_types,
    find_relayed,
    find_task,
    read_indexes,
    read_view_options,
)
from tests.support.http import PASSWORD, Client, Json
from tests.support.services import restoring_documents
from tests.support.stored_documents import running_entry, task_row

RECORD = time_entries_view().record_id
"""The id of the record that contains the version of the view."""


class TestFilterById:
    @pytest.mark.parametrize(
        ("condition", "matches"),
        [
            ({"text": "a", "number": 2, "flag": True}, True),
            ({"text": "b"}, False),
            ({"null": None}, True),
            ({"missing": None}, True),
            ({"number": None}, False),
            ({"number": {"$gt": 1}, "text": "a"}, True),
            ({"number": {"$gt": 2}, "text": "a"}, False),
            ({"nested.text": "a"}, True),
            ({"list": 2}, True),
            ({"list": 3}, False),
        ],
        ids=str,
    )
    async def test_it_finds_the_same_documents(
        self, empty_database: Database, condition: Json, *, matches: bool
    ) -> None:
        row = {"text": "a", "number": 2, "flag": True, "null": None, "nested": {"text": "a"}, "list": [1, 2]}
        document_id = (await empty_database.rows.insert_one(row)).inserted_id
        written = {"_id": document_id, **condition}
        assert (await empty_database.rows.find_one(written) is not None) is matches
        assert (await empty_database.rows.find_one(by_id(written)) is not None) is matches
        changed = await empty_database.rows.update_one(by_id(written), {"$set": {"text": "c"}})
        assert changed.matched_count == matches


class TestStoredTask:
    async def test_fields_and_types_are_exact(self, alice: Client, database: Database) -> None:
        task = await find_task(database, await alice.make_task())
        assert bson_types(task) == NEW_TASK
        assert task["user_id"] == alice.user["_id"]

    async def test_sent_values_are_stored(self, alice: Client, database: Database) -> None:
        sent = {"description": "d", "tags": ["a"], "priority": 4, "estimate_seconds": 60, "billable": True}
        task = await find_task(
            database, await alice.make_task(**sent, status="completed", due_at="2026-12-01T12:00:00.1239+02:00")
        )
        dated = {"description": "string", "priority": "int", "estimate_seconds": "int", "due_at": "date"}
        assert bson_types(task) == {**NEW_TASK, **dated, "completed_at": "date"}
        assert {name: task[name] for name in sent} == sent
        assert task["due_at"].replace(tzinfo=UTC) == datetime(2026, 12, 1, 10, 0, 0, 123000, tzinfo=UTC)

    async def test_active_exists_only_while_the_timer_runs(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, note="n")
        running = await find_task(database, task)
        assert bson_types(running) == NEW_TASK | {"active": "object"}
        assert bson_types(running["active"]) == RUNNING_ENTRY
        assert str(running["active"]["id"]) == timer["entry"]["id"]
        await alice.stop()
        ended = await find_task(database, task)
        assert bson_types(ended) == NEW_TASK | {"first_started_at": "date", "last_ended_at": "date"}
        (entry,) = ended["time_entries"]
        assert bson_types(entry) == ENDED_ENTRY
        assert str(entry["id"]) == timer["entry"]["id"]

    @pytest.mark.parametrize("how", ["patch", "delete"])
    async def test_active_is_removed_when_the_timer_ends_otherwise(
        self, alice: Client, database: Database, how: str
    ) -> None:
        task = await alice.make_task()
        await alice.start(task)
        at = f"/tasks/{task['id']}"
        await (alice.delete(at) if how == "delete" else alice.patch(at, json={"status": "completed"}))
        ended = await find_task(database, task)
        assert "active" not in ended
        assert len(ended["time_entries"]) == 1

    async def test_counters_match_the_entries(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        for hour in (12, 9, 15):
            await alice.start(task, started_at=f"2026-11-18T{hour:02}:00:00Z")
            await alice.stop(ended_at=f"2026-11-18T{hour:02}:10:{hour:02}Z")
        document = await find_task(database, task)
        entries = document["time_entries"]
        assert document["entry_count"] == len(entries) == 3
        assert document["tracked_seconds"] == sum(entry["duration_seconds"] for entry in entries)
        assert document["first_started_at"] == min(entry["started_at"] for entry in entries)
        assert document["last_ended_at"] == max(entry["ended_at"] for entry in entries)
        assert document["version"] == 7
        for entry in entries:
            assert (entry["ended_at"] - entry["started_at"]).total_seconds() == entry["duration_seconds"]
            assert entry["started_at"].microsecond == entry["ended_at"].microsecond == 0


class TestStoredPage:
    async def test_fields_and_types_are_exact(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Task, "hot_entries", 2)
        monkeypatch.setattr(Task, "paged_at_once", 1)
        task = await alice.make_task()
        for hour in (9, 10, 11, 12):
            await alice.write(task, started_at=f"2026-11-18T{hour:02}:00:00Z", note="n")
        stored = await find_task(database, task)
        listed, replaced = await database.task_pages.find({}).sort("entry_count", -1).to_list(None)
        assert stored["pages"] == [listed["_id"]]
        assert bson_types(stored) == NEW_TASK | {
            "pages": "array",
            "paged_until": "date",
            "first_started_at": "date",
            "last_ended_at": "date",
        }
        assert bson_types(listed) == PAGE
        assert bson_types(replaced) == PAGE | {"replaced_at": "date"}
        assert (listed["user_id"], str(listed["task_id"])) == (alice.user["_id"], task["id"])
        assert [bson_types(entry) for entry in listed["entries"]] == [ENDED_ENTRY, ENDED_ENTRY]


class TestStoredUser:
    async def test_fields_and_types_are_exact(self, anonymous: Client, database: Database) -> None:
        await anonymous.post("/users", json={"email": "Ada@Example.com", "password": PASSWORD})
        user = await database.users.find_one({})
        assert user is not None
        assert bson_types(user) == USER
        assert (user["email"], user["email_key"]) == ("Ada@Example.com", "ada@example.com")
        assert user["preferences"] == {"overlap_policy": "allow", "timer_cap_hours": 12}
        assert bson_types(user["preferences"]) == {"overlap_policy": "string", "timer_cap_hours": "int"}
        assert (user["timezone"], user["week_start"], user["is_active"]) == ("UTC", 0, True)
        assert (user["token_version"], user["timeline_version"]) == (0, 0)

    async def test_change_adds_no_field(self, alice: Client, database: Database) -> None:
        await alice.patch("/users/me", json={"full_name": "A", "preferences": {"timer_cap_hours": 3}, "week_start": 6})
        user = await find_relayed(database, "users")
        assert bson_types(user) == USER | {"full_name": "string"}
        assert user["preferences"] == {"overlap_policy": "allow", "timer_cap_hours": 3}


class TestStoredProject:
    async def test_fields_and_types_are_exact(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        found = await find_relayed(database, "projects", _id=ObjectId(project["id"]))
        assert bson_types(found) == PROJECT
        assert found["user_id"] == alice.user["_id"]

    async def test_rate_is_stored_as_integers(self, alice: Client, database: Database) -> None:
        project = await alice.make_project(hourly_rate={"currency": "EUR", "amount": 10**12}, color="#ABCDEF")
        await alice.patch(f"/projects/{project['id']}", json={"hourly_rate": {"amount": 9000}, "archived": True})
        found = await find_relayed(database, "projects", _id=ObjectId(project["id"]))
        assert bson_types(found) == PROJECT | {"hourly_rate": "object", "color": "string", "archived_at": "date"}
        assert list(found["hourly_rate"].items()) == [("amount", 9000), ("currency", "EUR")]

    async def test_task_refers_to_its_project_by_id(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        task = await find_task(database, await alice.make_task(project_id=project["id"]))
        assert bson_types(task) == NEW_TASK | {"project_id": "objectId"}
        assert str(task["project_id"]) == project["id"]


@pytest.mark.usefixtures("empty_service")
class TestIndexes:
    async def test_main_collections_have_the_declared_indexes(self, database: Database) -> None:
        assert await read_indexes(database, "tasks") == TASK_INDEXES
        assert await read_indexes(database, "users") == USER_INDEXES
        assert await read_indexes(database, "projects") == PROJECT_INDEXES

    @pytest.mark.parametrize("collection", OTHER_INDEXES)
    async def test_other_collections_have_the_declared_indexes(self, database: Database, collection: str) -> None:
        assert await read_indexes(database, collection) == OTHER_INDEXES[collection]

    async def test_second_running_timer_of_a_user_is_refused(self, database: Database) -> None:
        one, other = ObjectId(), ObjectId()
        active = running_entry()
        await database.tasks.insert_many([task_row(one), task_row(one), task_row(one, active=active)])
        await database.tasks.insert_one(task_row(other, active=active))
        with pytest.raises(OperationFailure, match=r"one_running_timer_per_user|E11000"):
            await database.tasks.insert_one(task_row(one, active=active))
        with pytest.raises(OperationFailure, match=r"one_running_timer_per_user|E11000"):
            await database.tasks.update_one(
                {"user_id": one, "active": {"$exists": False}}, {"$set": {"active": active}}
            )


@pytest.fixture
async def fresh(database: Database, settings: Settings) -> AsyncIterator[Settings]:
    """Return the settings of a service whose database does not exist yet."""
    name = f"{settings.database_name}_fresh"
    async with restoring_documents(database):
        await database.client.drop_database(name)
        yield settings.model_copy(update={"database_name": name})
        await database.client.drop_database(name)


async def start_up(settings: Settings) -> None:
    async with open_database(settings):
        pass


class TestStart:
    async def test_collections_view_and_indexes_are_created(self, database: Database, fresh: Settings) -> None:
        await start_up(fresh)
        created = database.client[fresh.database_name]
        assert {"users", "tasks", "projects", TIME_ENTRIES_VIEW} <= set(await created.list_collection_names())
        assert await read_view_options(created) == {"viewOn": "tasks", "pipeline": TIME_ENTRIES_PIPELINE}
        assert await read_indexes(created, "tasks") == TASK_INDEXES

    async def test_second_start_keeps_documents_and_indexes(self, database: Database, fresh: Settings) -> None:
        created = database.client[fresh.database_name]
        await start_up(fresh)
        await created.tasks.insert_one(task_row(ObjectId(), title="stored"))
        await start_up(fresh)
        assert await created.tasks.count_documents({"title": "stored"}) == 1
        assert await read_indexes(created, "tasks") == TASK_INDEXES
        assert await read_indexes(created, "users") == USER_INDEXES

    async def test_concurrent_starts_succeed(self, database: Database, fresh: Settings) -> None:
        await asyncio.gather(*(start_up(fresh) for _ in range(8)))
        created = database.client[fresh.database_name]
        assert await read_indexes(created, "tasks") == TASK_INDEXES
        assert await read_indexes(created, "users") == USER_INDEXES
        assert (await read_view_options(created))["pipeline"] == TIME_ENTRIES_PIPELINE

    async def test_changed_view_is_created_again(self, database: Database, fresh: Settings) -> None:
        await start_up(fresh)
        created = database.client[fresh.database_name]
        await created.drop_collection(TIME_ENTRIES_VIEW)
        await created.create_collection(TIME_ENTRIES_VIEW, viewOn="users", pipeline=[{"$limit": 1}])
        assert (await read_view_options(created))["viewOn"] == "users"
        await start_up(fresh)
        assert await read_view_options(created) == {"viewOn": "tasks", "pipeline": TIME_ENTRIES_PIPELINE}

    async def test_dropped_view_is_created_again(self, database: Database, fresh: Settings) -> None:
        await start_up(fresh)
        created = database.client[fresh.database_name]
        await created.drop_collection(TIME_ENTRIES_VIEW)
        await start_up(fresh)
        assert (await read_view_options(created))["pipeline"] == TIME_ENTRIES_PIPELINE

    async def test_view_of_an_earlier_version_is_replaced(self, database: Database, fresh: Settings) -> None:
        created = database.client[fresh.database_name]
        earlier = [{"$match": {"deleted_at": None}}, {"$project": {"title": 1}}]
        for record in (None, {"version": VIEW_VERSION - 1, "on": "tasks", "pipeline": json.dumps(earlier)}):
            await created.drop_collection(TIME_ENTRIES_VIEW)
            await created.create_collection(TIME_ENTRIES_VIEW, viewOn="tasks", pipeline=earlier)
            if record is not None:
                await created[SCHEMA_VERSIONS].update_one({"_id": RECORD}, {"$set": record})
            await start_up(fresh)
            assert (await read_view_options(created))["pipeline"] == TIME_ENTRIES_PIPELINE
            record_after = await created[SCHEMA_VERSIONS].find_one({"_id": RECORD})
            assert record_after is not None
            assert record_after["version"] == VIEW_VERSION

    async def test_view_of_a_later_version_is_kept(self, database: Database, fresh: Settings) -> None:
        await start_up(fresh)
        created, later = database.client[fresh.database_name], [{"$limit": 7}]
        record = {"version": VIEW_VERSION + 1, "on": "tasks", "pipeline": json.dumps(later)}
        await created[SCHEMA_VERSIONS].update_one({"_id": RECORD}, {"$set": record})
        for _ in range(2):
            await start_up(fresh)
            assert (await read_view_options(created))["pipeline"] == later
        assert await created[SCHEMA_VERSIONS].find_one({"_id": RECORD}) == {"_id": RECORD, **record}

    async def test_start_does_not_disturb_running_services(self, fresh: Settings) -> None:
        async with AsyncExitStack() as running:
            clients = [await running.enter_async_context(open_database(fresh)) for _ in range(3)]
            for client in clients:
                assert await client[fresh.database_name].tasks.count_documents({}) == 0
