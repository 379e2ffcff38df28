import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64, ObjectId
from pymongo.errors import OperationFailure

from app.config import Settings
from app.database.view import SCHEMA_VERSIONS
from documents.registry import open_database
from documents.tracking.view import TIME_ENTRIES_PIPELINE, TIME_ENTRIES_VIEW, VIEW_VERSION, time_entries_view
from tests.conftest import Database
from tests.support.http import PASSWORD, Client, Json
from tests.support.services import bound_to_others
from tests.support.stored_documents import NINE, ended_entry, project_row, running_entry, task_row, tracked

RECORD = time_entries_view().record_id
"""Where the database says which version of the view is in place."""

TYPES = {
    ObjectId: "objectId",
    str: "string",
    int: "int",
    Int64: "long",
    bool: "bool",
    float: "double",
    datetime: "date",
    list: "array",
    dict: "object",
    type(None): "null",
}
NEW_TASK = {
    "_id": "objectId",
    "user_id": "objectId",
    "project_id": "null",
    "title": "string",
    "description": "null",
    "status": "string",
    "tags": "array",
    "priority": "null",
    "due_at": "null",
    "estimate_seconds": "null",
    "billable": "bool",
    "time_entries": "array",
    "tracked_seconds": "int",
    "entry_count": "int",
    "first_started_at": "null",
    "last_ended_at": "null",
    "version": "int",
    "created_at": "date",
    "updated_at": "date",
    "completed_at": "null",
    "deleted_at": "null",
}
RUNNING_ENTRY = {
    "id": "objectId",
    "started_at": "date",
    "ended_at": "null",
    "duration_seconds": "null",
    "note": "string",
    "tags": "array",
    "billable": "bool",
    "source": "string",
    "timezone": "string",
    "needs_review": "bool",
    "hourly_rate": "null",
    "created_at": "date",
    "updated_at": "date",
}
ENDED_ENTRY = RUNNING_ENTRY | {"ended_at": "date", "duration_seconds": "int"}
USER = {
    "_id": "objectId",
    "email": "string",
    "email_key": "string",
    "password_hash": "string",
    "full_name": "null",
    "timezone": "string",
    "week_start": "int",
    "preferences": "object",
    "is_active": "bool",
    "token_version": "int",
    "timeline_version": "int",
    "created_at": "date",
    "updated_at": "date",
}


PROJECT = {
    "_id": "objectId",
    "user_id": "objectId",
    "name": "string",
    "client_name": "null",
    "color": "null",
    "billable": "bool",
    "hourly_rate": "null",
    "archived_at": "null",
    "created_at": "date",
    "updated_at": "date",
    "deleted_at": "null",
    "tasks_version": "int",
}


def types(document: Json) -> dict[str, str]:
    """The fields of a document with their BSON types, as a mongo shell calls them."""
    return {field: TYPES[type(value)] for field, value in document.items()}


async def stored(database: Database, task: Json) -> Json:
    found = await database.tasks.find_one({"_id": ObjectId(task["id"])})
    assert found is not None
    return found


class TestATaskInTheDatabase:
    async def test_has_exactly_its_fields(self, alice: Client, database: Database) -> None:
        task = await stored(database, await alice.make_task())
        assert types(task) == NEW_TASK
        assert task["user_id"] == alice.user["_id"]

    async def test_keeps_what_was_sent(self, alice: Client, database: Database) -> None:
        sent = {"description": "d", "tags": ["a"], "priority": 4, "estimate_seconds": 60, "billable": True}
        task = await stored(
            database, await alice.make_task(**sent, status="completed", due_at="2026-12-01T12:00:00.1239+02:00")
        )
        dated = {"description": "string", "priority": "int", "estimate_seconds": "int", "due_at": "date"}
        assert types(task) == {**NEW_TASK, **dated, "completed_at": "date"}
        assert {name: task[name] for name in sent} == sent
        assert task["due_at"].replace(tzinfo=UTC) == datetime(2026, 12, 1, 10, 0, 0, 123000, tzinfo=UTC)

    async def test_has_an_active_entry_only_while_a_timer_runs(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, note="n")
        running = await stored(database, task)
        assert types(running) == NEW_TASK | {"active": "object"}
        assert types(running["active"]) == RUNNING_ENTRY
        assert str(running["active"]["id"]) == timer["entry"]["id"]
        await alice.stop()
        ended = await stored(database, task)
        assert types(ended) == NEW_TASK | {"first_started_at": "date", "last_ended_at": "date"}
        (entry,) = ended["time_entries"]
        assert types(entry) == ENDED_ENTRY
        assert str(entry["id"]) == timer["entry"]["id"]

    @pytest.mark.parametrize("how", ["patch", "delete"])
    async def test_has_none_after_it_was_ended_otherwise(self, alice: Client, database: Database, how: str) -> None:
        task = await alice.make_task()
        await alice.start(task)
        at = f"/tasks/{task['id']}"
        await (alice.delete(at) if how == "delete" else alice.patch(at, json={"status": "completed"}))
        ended = await stored(database, task)
        assert "active" not in ended
        assert len(ended["time_entries"]) == 1

    async def test_keeps_its_sums_true(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        for hour in (12, 9, 15):
            await alice.start(task, started_at=f"2026-11-18T{hour:02}:00:00Z")
            await alice.stop(ended_at=f"2026-11-18T{hour:02}:10:{hour:02}Z")
        document = await stored(database, task)
        entries = document["time_entries"]
        assert document["entry_count"] == len(entries) == 3
        assert document["tracked_seconds"] == sum(entry["duration_seconds"] for entry in entries)
        assert document["first_started_at"] == min(entry["started_at"] for entry in entries)
        assert document["last_ended_at"] == max(entry["ended_at"] for entry in entries)
        assert document["version"] == 7
        for entry in entries:
            assert (entry["ended_at"] - entry["started_at"]).total_seconds() == entry["duration_seconds"]
            assert entry["started_at"].microsecond == entry["ended_at"].microsecond == 0


class TestAUserInTheDatabase:
    async def test_has_exactly_its_fields(self, anonymous: Client, database: Database) -> None:
        await anonymous.post("/users", json={"email": "Ada@Example.com", "password": PASSWORD})
        user = await database.users.find_one({})
        assert user is not None
        assert types(user) == USER
        assert (user["email"], user["email_key"]) == ("Ada@Example.com", "ada@example.com")
        assert user["preferences"] == {"overlap_policy": "allow", "timer_cap_hours": 12}
        assert types(user["preferences"]) == {"overlap_policy": "string", "timer_cap_hours": "int"}
        assert (user["timezone"], user["week_start"], user["is_active"]) == ("UTC", 0, True)
        assert (user["token_version"], user["timeline_version"]) == (0, 0)

    async def test_has_no_more_after_a_change(self, alice: Client, database: Database) -> None:
        await alice.patch("/users/me", json={"full_name": "A", "preferences": {"timer_cap_hours": 3}, "week_start": 6})
        user = await database.users.find_one({})
        assert user is not None
        assert types(user) == USER | {"full_name": "string"}
        assert user["preferences"] == {"overlap_policy": "allow", "timer_cap_hours": 3}


class TestAProjectInTheDatabase:
    async def test_has_exactly_its_fields(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        found = await database.projects.find_one({"_id": ObjectId(project["id"])})
        assert found is not None
        assert types(found) == PROJECT
        assert found["user_id"] == alice.user["_id"]

    async def test_keeps_its_rate_as_whole_numbers(self, alice: Client, database: Database) -> None:
        project = await alice.make_project(hourly_rate={"currency": "EUR", "amount": 10**12}, color="#ABCDEF")
        await alice.patch(f"/projects/{project['id']}", json={"hourly_rate": {"amount": 9000}, "archived": True})
        found = await database.projects.find_one({"_id": ObjectId(project["id"])})
        assert found is not None
        assert types(found) == PROJECT | {"hourly_rate": "object", "color": "string", "archived_at": "date"}
        assert list(found["hourly_rate"].items()) == [("amount", 9000), ("currency", "EUR")]

    async def test_is_what_its_tasks_refer_to(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        task = await stored(database, await alice.make_task(project_id=project["id"]))
        assert types(task) == NEW_TASK | {"project_id": "objectId"}
        assert str(task["project_id"]) == project["id"]


async def indexes(database: Database, collection: str) -> dict[str, Any]:
    found = await database[collection].index_information()
    return {
        name: {key: value for key, value in index.items() if key not in {"v", "ns"}} for name, index in found.items()
    }


TASK_INDEXES: dict[str, Any] = {
    "_id_": {"key": [("_id", 1)]},
    "one_running_timer_per_user": {
        "key": [("user_id", 1)],
        "unique": True,
        "partialFilterExpression": {"active": {"$type": "object"}},
    },
    "by_created_at": {"key": [("user_id", 1), ("created_at", 1), ("_id", 1)]},
    "by_updated_at": {"key": [("user_id", 1), ("updated_at", 1), ("_id", 1)]},
    "by_due_at": {"key": [("user_id", 1), ("due_at", 1), ("_id", 1)]},
    "by_title": {"key": [("user_id", 1), ("title", 1), ("_id", 1)]},
    "by_project_id": {"key": [("user_id", 1), ("project_id", 1), ("_id", 1)]},
    "by_tracked_seconds": {"key": [("user_id", 1), ("tracked_seconds", 1), ("_id", 1)]},
    "by_last_ended_at": {"key": [("user_id", 1), ("last_ended_at", -1)]},
    "by_first_started_at": {"key": [("user_id", 1), ("first_started_at", 1), ("last_ended_at", 1)]},
}
PROJECT_INDEXES: dict[str, Any] = {
    "_id_": {"key": [("_id", 1)]},
    "one_project_per_name": {"key": [("user_id", 1), ("deleted_at", 1), ("name", 1)], "unique": True},
    "being_deleted": {
        "key": [("deleted_at", 1)],
        "partialFilterExpression": {"deleted_at": {"$type": "date"}},
    },
}
USER_INDEXES: dict[str, Any] = {
    "_id_": {"key": [("_id", 1)]},
    "one_account_per_email": {"key": [("email_key", 1)], "unique": True},
    "being_deleted": {"key": [("deleted_at", 1)], "partialFilterExpression": {"deleted_at": {"$type": "date"}}},
}
EXPIRING: dict[str, Any] = {
    "_id_": {"key": [("_id", 1)]},
    "kept_until_it_expires": {"key": [("expires_at", 1)], "expireAfterSeconds": 0},
}
OTHER_INDEXES: dict[str, dict[str, Any]] = {
    "refresh_tokens": {**EXPIRING, "by_user": {"key": [("user_id", 1)]}},
    "api_tokens": {
        **EXPIRING,
        "one_token_per_hash": {"key": [("token_hash", 1)], "unique": True},
        "by_user": {"key": [("user_id", 1), ("_id", -1)]},
    },
    "audit_events": {**EXPIRING, "by_user": {"key": [("user_id", 1), ("_id", -1)]}},
    "rate_counters": EXPIRING,
    "idempotency_keys": {
        "_id_": {"key": [("_id", 1)]},
        "one_request_per_key": {"key": [("user_id", 1), ("key", 1)], "unique": True},
        "kept_24_hours": {"key": [("created_at", 1)], "expireAfterSeconds": 24 * 60 * 60},
    },
    "deleted_entries": {
        "_id_": {"key": [("_id", 1)]},
        "kept_30_days": {"key": [("deleted_at", 1)], "expireAfterSeconds": 30 * 24 * 60 * 60},
        "by_user": {"key": [("user_id", 1), ("_id", 1)]},
    },
}


@pytest.mark.usefixtures("empty_service")
class TestTheIndexes:
    async def test_are_named_and_as_declared(self, database: Database) -> None:
        assert await indexes(database, "tasks") == TASK_INDEXES
        assert await indexes(database, "users") == USER_INDEXES
        assert await indexes(database, "projects") == PROJECT_INDEXES

    @pytest.mark.parametrize("collection", OTHER_INDEXES)
    async def test_of_all_that_is_beside_them_are_as_declared(self, database: Database, collection: str) -> None:
        assert await indexes(database, collection) == OTHER_INDEXES[collection]

    async def test_refuse_a_second_running_timer_of_a_user_alone(self, database: Database) -> None:
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


async def view_options(database: Database) -> Json:
    standing = await database.command("listCollections", filter={"name": TIME_ENTRIES_VIEW})
    (found,) = standing["cursor"]["firstBatch"]
    assert found["type"] == "view"
    options: Json = found["options"]
    return options


class TestTheViewOfTimeEntries:
    async def test_shows_each_entry_with_its_task(self, alice: Client, bob: Client, database: Database) -> None:
        first, second = await alice.make_task(title="First"), await alice.make_task(title="Second")
        await alice.make_task(title="Never tracked")
        ended = []
        for task in (first, first, second):
            await alice.start(task, note="n")
            ended.append((await alice.stop())["entry"]["id"])
        running = (await alice.start(second, note="n"))["entry"]["id"]
        foreign = (await bob.start(await bob.make_task(title="Bob's"), note="n"))["entry"]["id"]
        rows = {str(row["id"]): row async for row in database[TIME_ENTRIES_VIEW].find({})}
        assert rows.keys() == {*ended, running, foreign}
        about = {
            "_id": "objectId",
            "user_id": "objectId",
            "task_id": "objectId",
            "task_title": "string",
            "task_tags": "array",
            "all_tags": "array",
            "project_id": "null",
            "project_name": "null",
            "client_name": "null",
        }
        for entry_id, row in rows.items():
            assert types(row) == about | (ENDED_ENTRY if entry_id in ended else RUNNING_ENTRY)
            assert row["_id"] == row["id"]
        assert [rows[entry_id]["task_title"] for entry_id in ended] == ["First", "First", "Second"]
        assert str(rows[running]["task_id"]) == second["id"]
        assert rows[running]["user_id"] == alice.user["_id"]
        assert rows[foreign]["user_id"] == bob.user["_id"]

    async def test_shows_all_tags_and_the_project_of_the_task(self, alice: Client, database: Database) -> None:
        project = await alice.make_project(name="Site", client_name="Ada & Sons")
        task = await alice.make_task(tags=["web", "sales"], project_id=project["id"])
        await alice.write(task, tags=["mail", "web"])
        (row,) = await database[TIME_ENTRIES_VIEW].find({}).to_list(None)
        assert (row["tags"], row["task_tags"]) == (["mail", "web"], ["web", "sales"])
        assert sorted(row["all_tags"]) == ["mail", "sales", "web"]
        assert (str(row["project_id"]), row["project_name"], row["client_name"]) == (
            project["id"],
            "Site",
            "Ada & Sons",
        )
        await alice.patch(f"/projects/{project['id']}", json={"name": "Shop", "client_name": None})
        (row,) = await database[TIME_ENTRIES_VIEW].find({}).to_list(None)
        assert (row["project_name"], row["client_name"]) == ("Shop", None)

    @pytest.mark.parametrize("fields", [{"deleted_at": NINE}, {"user_id": ObjectId()}])
    async def test_names_no_project_that_is_being_deleted_or_somebody_elses(
        self, alice: Client, database: Database, fields: Json
    ) -> None:
        project = project_row(alice.user["_id"], client_name="Ada") | fields
        await database.projects.insert_one(project)
        await database.tasks.insert_one(
            task_row(alice.user["_id"], project_id=project["_id"], **tracked(ended_entry(import_id=ObjectId())))
        )
        (row,) = await database[TIME_ENTRIES_VIEW].find({}).to_list(None)
        assert (row["project_id"], row["project_name"], row["client_name"]) == (project["_id"], None, None)
        assert "import_key" not in row
        assert "import_id" in row

    async def test_can_be_asked_for_one_user(self, alice: Client, bob: Client, database: Database) -> None:
        for client in (alice, bob):
            await client.start(await client.make_task())
        rows = await database[TIME_ENTRIES_VIEW].find({"user_id": alice.user["_id"]}).to_list(None)
        assert [row["user_id"] for row in rows] == [alice.user["_id"]]

    async def test_leaves_out_what_is_in_the_trash(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.delete(f"/tasks/{task['id']}")
        assert await database[TIME_ENTRIES_VIEW].find({}).to_list(None) == []
        await alice.post(f"/tasks/{task['id']}/restore")
        assert len(await database[TIME_ENTRIES_VIEW].find({}).to_list(None)) == 1

    async def test_can_only_be_read(self, alice: Client, database: Database) -> None:
        # MongoDB refuses to write through a view; the embedded store says yes, and the write has no effect.
        task = await alice.make_task()
        await alice.start(task)
        view = database[TIME_ENTRIES_VIEW]
        before = await view.find({}).to_list(None)
        for write in (
            view.insert_one({"note": "x"}),
            view.update_one({}, {"$set": {"note": "x"}}),
            view.delete_one({}),
        ):
            with suppress(OperationFailure):
                await write
            assert await view.find({}).to_list(None) == before
        assert (await stored(database, task))["version"] == 2


@pytest.fixture
async def fresh(database: Database, settings: Settings) -> AsyncIterator[Settings]:
    """The settings of a service whose database is not there yet."""
    name = f"{settings.database_name}_fresh"
    async with bound_to_others(database):
        await database.client.drop_database(name)
        yield settings.model_copy(update={"database_name": name})
        await database.client.drop_database(name)


async def start_up(settings: Settings) -> None:
    async with open_database(settings):
        pass


class TestStartingUp:
    async def test_makes_what_is_needed(self, database: Database, fresh: Settings) -> None:
        await start_up(fresh)
        made = database.client[fresh.database_name]
        assert {"users", "tasks", "projects", TIME_ENTRIES_VIEW} <= set(await made.list_collection_names())
        assert await view_options(made) == {"viewOn": "tasks", "pipeline": TIME_ENTRIES_PIPELINE}
        assert await indexes(made, "tasks") == TASK_INDEXES

    async def test_may_happen_again_and_loses_nothing(self, database: Database, fresh: Settings) -> None:
        made = database.client[fresh.database_name]
        await start_up(fresh)
        await made.tasks.insert_one(task_row(ObjectId(), title="kept"))
        await start_up(fresh)
        assert await made.tasks.count_documents({"title": "kept"}) == 1
        assert await indexes(made, "tasks") == TASK_INDEXES
        assert await indexes(made, "users") == USER_INDEXES

    async def test_may_happen_many_times_at_once(self, database: Database, fresh: Settings) -> None:
        await asyncio.gather(*(start_up(fresh) for _ in range(8)))
        made = database.client[fresh.database_name]
        assert await indexes(made, "tasks") == TASK_INDEXES
        assert await indexes(made, "users") == USER_INDEXES
        assert (await view_options(made))["pipeline"] == TIME_ENTRIES_PIPELINE

    async def test_makes_the_view_anew_when_it_was_changed(self, database: Database, fresh: Settings) -> None:
        await start_up(fresh)
        made = database.client[fresh.database_name]
        await made.drop_collection(TIME_ENTRIES_VIEW)
        await made.create_collection(TIME_ENTRIES_VIEW, viewOn="users", pipeline=[{"$limit": 1}])
        assert (await view_options(made))["viewOn"] == "users"
        await start_up(fresh)
        assert await view_options(made) == {"viewOn": "tasks", "pipeline": TIME_ENTRIES_PIPELINE}

    async def test_makes_the_view_anew_when_it_was_dropped(self, database: Database, fresh: Settings) -> None:
        await start_up(fresh)
        made = database.client[fresh.database_name]
        await made.drop_collection(TIME_ENTRIES_VIEW)
        await start_up(fresh)
        assert (await view_options(made))["pipeline"] == TIME_ENTRIES_PIPELINE

    async def test_gives_a_database_of_an_earlier_version_the_new_view(
        self, database: Database, fresh: Settings
    ) -> None:
        made = database.client[fresh.database_name]
        earlier = [{"$match": {"deleted_at": None}}, {"$project": {"title": 1}}]
        for record in (None, {"version": VIEW_VERSION - 1, "on": "tasks", "pipeline": json.dumps(earlier)}):
            await made.drop_collection(TIME_ENTRIES_VIEW)
            await made.create_collection(TIME_ENTRIES_VIEW, viewOn="tasks", pipeline=earlier)
            if record is not None:
                await made[SCHEMA_VERSIONS].update_one({"_id": RECORD}, {"$set": record})
            await start_up(fresh)
            assert (await view_options(made))["pipeline"] == TIME_ENTRIES_PIPELINE
            kept = await made[SCHEMA_VERSIONS].find_one({"_id": RECORD})
            assert kept is not None
            assert kept["version"] == VIEW_VERSION

    async def test_leaves_the_view_of_a_later_version(self, database: Database, fresh: Settings) -> None:
        await start_up(fresh)
        made, later = database.client[fresh.database_name], [{"$limit": 7}]
        record = {"version": VIEW_VERSION + 1, "on": "tasks", "pipeline": json.dumps(later)}
        await made[SCHEMA_VERSIONS].update_one({"_id": RECORD}, {"$set": record})
        for _ in range(2):
            await start_up(fresh)
            assert (await view_options(made))["pipeline"] == later
        assert await made[SCHEMA_VERSIONS].find_one({"_id": RECORD}) == {"_id": RECORD, **record}

    async def test_leaves_services_that_run_alone(self, fresh: Settings) -> None:
        async with AsyncExitStack() as running:
            clients = [await running.enter_async_context(open_database(fresh)) for _ in range(3)]
            for client in clients:
                assert await client[fresh.database_name].tasks.count_documents({}) == 0
