"""`task-timer doctor` finds inconsistencies, and repairs what can be derived from other data."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from bson import Int64, ObjectId
from pymongo import ASCENDING

from app.database.setup import VALIDATORS_ID
from app.database.view import SCHEMA_VERSIONS, ensure_view
from documents.maintenance.inspection import has_newer_schema
from documents.tracking.tasks import HAS_ACTIVE, ONE_RUNNING_TIMER
from documents.tracking.view import time_entries_view
from services.maintenance.doctor import examine
from tests.conftest import Database, MakeUser
from tests.support.http import Client, Json
from tests.support.stored_documents import NINE, ended_entry, project_row, running_entry, task_row, tracked

NOON = NINE + timedelta(hours=3)


async def store(database: Database, row: Json, *, collection: str = "tasks") -> str:
    """Store the document without validation, and return the beginning of a finding about it."""
    await database[collection].insert_one(row, bypass_document_validation=True)
    return f"{collection} {row['_id']}: "


async def store_tasks(make_user: MakeUser, database: Database, cases: list[tuple[Json, str]]) -> list[tuple[str, Json]]:
    """Store a task for each case, which belongs to a user of its own. Return their findings and rows."""
    tasks = []
    for number, (fields, message) in enumerate(cases):
        owner = await make_user(f"owner{number}@example.com")
        row = task_row(owner.user["_id"], **fields)
        tasks.append((await store(database, row) + message, row))
    return tasks


async def findings(*, repair: bool = False) -> list[str]:
    """Return the lines that the doctor prints."""
    return [str(finding) for finding in (await examine(repair=repair)).findings]


async def use_most_requests(client: Client, database: Database) -> None:
    """Track time with most kinds of requests."""
    project = project_row(client.user["_id"])
    await database.projects.insert_one(project)
    first, second = await client.make_task(), await client.make_task(title="Read the news")
    await database.tasks.update_one({"_id": ObjectId(first["id"])}, {"$set": {"project_id": project["_id"]}})
    entries = f"/tasks/{first['id']}/time-entries"
    for hour in (12, 9, 15):
        span = {"started_at": f"2026-11-18T{hour:02}:00:00Z", "duration_seconds": 1800}
        entry = (await client.post(entries, json=span)).json()
    await client.delete(f"{entries}/{entry['id']}")
    await client.start(first)
    await client.stop()
    await client.start(second)
    await client.patch(f"/tasks/{first['id']}", json={"status": "completed"})
    await client.delete(f"/tasks/{(await client.make_task())['id']}")


class TestShares:
    @pytest.mark.parametrize("report", [{}, {"type": "today"}, {"type": "timesheet", "date": "soon"}])
    async def test_report_that_is_no_query_is_found(self, alice: Client, database: Database, report: Json) -> None:
        await alice.post("/shares", json={"name": "This week", "report": {"type": "timesheet"}})
        assert await findings() == []
        await database.shares.update_one({}, {"$set": {"report": report}})
        (stored,) = await database.shares.find({}).to_list(None)
        assert await findings() == [f"shares {stored['_id']}: report is not a valid query, so nobody can read it"]


class TestConsistentDatabase:
    async def test_used_database_has_no_findings(self, alice: Client, bob: Client, database: Database) -> None:
        for client in (alice, bob):
            await use_most_requests(client, database)
        report = await examine()
        assert report.findings == []
        assert (report.tasks, report.entries) == (6, 8)

    async def test_empty_database_has_no_findings(self, empty_service: str) -> None:
        assert empty_service
        report = await examine()
        assert (report.tasks, report.entries, report.findings) == (0, 0, [])

    async def test_moving_an_entry_meanwhile_causes_no_findings(self, alice: Client, database: Database) -> None:
        await database.tasks.insert_many([task_row(alice.user["_id"], **tracked(ended_entry())) for _ in range(50)])
        task = await alice.make_task()
        span = {"started_at": "2026-11-18T09:00:00Z", "duration_seconds": 60}
        entry = (await alice.post(f"/tasks/{task['id']}/time-entries", json=span)).json()

        async def move_and_return() -> None:
            for _ in range(10):
                await alice.delete(f"/tasks/{task['id']}/time-entries/{entry['id']}")
                await alice.post(f"/time-entries/{entry['id']}/restore")

        moving = asyncio.create_task(move_and_return())
        while not moving.done():
            assert await findings() == []
        await moving

    async def test_concurrent_writes_cause_no_findings(self, alice: Client, bob: Client, database: Database) -> None:
        async def work(client: Client) -> None:
            here, there = await client.make_task(), await client.make_task()
            for minute in range(3):
                span = {"started_at": f"2026-11-18T09:{minute:02}:00Z", "duration_seconds": 60}
                entry = (await client.post(f"/tasks/{here['id']}/time-entries", json=span)).json()
                at = f"/tasks/{here['id']}/time-entries/{entry['id']}"
                await client.post(f"{at}/move", json={"task_id": there["id"]})
                await client.post("/timer/start", json={"task_id": here["id"]})
                await client.post("/timer/switch", json={"task_id": there["id"]})
                await client.post("/timer/stop")
                project = project_row(client.user["_id"], name=f"{here['id']} {minute}")
                await database.projects.insert_one(project)
                await database.tasks.update_one(
                    {"_id": ObjectId(here["id"])}, {"$set": {"project_id": project["_id"]}, "$inc": {"version": 1}}
                )

        writes = asyncio.gather(*(work(client) for client in (alice, alice, bob)))
        runs = 0
        while not writes.done() or runs == 0:
            assert await findings() == []
            runs += 1
        await writes
        assert await findings() == []


BROKEN: list[tuple[Json, str]] = [
    ({**tracked(ended_entry()), "tracked_seconds": 7}, "tracked_seconds is 7, its entries say 1800"),
    ({"tracked_seconds": -1}, "tracked_seconds is -1, its entries say 0"),
    ({"tracked_seconds": 0.0}, "tracked_seconds is 0.0, its entries say 0"),
    ({"entry_count": True}, "entry_count is True, its entries say 0"),
    ({**tracked(ended_entry()), "entry_count": Int64(2)}, "entry_count is 2, its entries say 1"),
    ({"first_started_at": NINE}, "first_started_at is 2026-11-18T09:00:00Z, its entries say None"),
    ({"first_started_at": "nine"}, "first_started_at is 'nine', its entries say None"),
    ({"last_ended_at": "noon"}, "last_ended_at is 'noon', its entries say None"),
    (
        {**tracked(ended_entry()), "last_ended_at": NOON},
        "last_ended_at is 2026-11-18T12:00:00Z, its entries say 2026-11-18T09:30:00Z",
    ),
]

NOT_REPAIRABLE: list[tuple[Json, str]] = [
    (tracked(ended_entry(at=NOON), ended_entry()), "time_entries are not sorted by started_at and id"),
    (
        tracked(ended_entry(duration_seconds=60)),
        "time_entries.0 duration_seconds is 60, but its start and end are 1800 seconds apart",
    ),
    (
        tracked(ended_entry(ended_at=NINE - timedelta(hours=1), duration_seconds=0)),
        "time_entries.0 ends at 2026-11-18T08:00:00Z, before its start at 2026-11-18T09:00:00Z",
    ),
    (
        tracked(ended_entry(ended_at=NINE + timedelta(seconds=1800.5))),
        "time_entries.0 ended_at is 2026-11-18T09:30:00.500Z, not a whole second",
    ),
    (
        {"status": "in_progress", "active": running_entry(started_at=NINE + timedelta(milliseconds=1))},
        "active.started_at is 2026-11-18T09:00:00.001Z, not a whole second",
    ),
    ({"active": running_entry()}, "status is 'pending', but its timer is running"),
    (
        {"status": "in_progress", "deleted_at": NOON, "active": running_entry()},
        "is in the trash, but its timer is running",
    ),
    ({"status": "completed"}, "completed_at is None, but status is 'completed'"),
    ({"completed_at": NOON}, "completed_at is 2026-11-18T12:00:00Z, but status is 'pending'"),
    ({"version": 0}, "version is 0, less than 1"),
    ({"priority": 5}, "priority is 5, more than 4"),
    ({"title": 7}, "title is of the type int, not string"),
    ({"billable": None}, "billable is of the type null, not bool"),
    ({"status": "done"}, "status is 'done', not one of 'pending', 'in_progress', 'completed'"),
    ({"titel": "x"}, "'titel' is not a known field"),
    ({"active": None}, "active is of the type null, not object"),
    ({"active": {"id": 1}, "status": "done"}, "active.started_at is missing"),
    (
        tracked(ended_entry(minutes=1, source="shell")),
        "time_entries.0.source is 'shell', not one of 'timer', 'manual', 'import'",
    ),
    (tracked(*(ended_entry() for _ in range(2001))), "time_entries has the length 2001, more than 2000"),
]


class TestTasks:
    async def test_each_inconsistent_task_is_found(
        self, alice: Client, make_user: MakeUser, database: Database
    ) -> None:
        tasks = await store_tasks(make_user, database, [*BROKEN, *NOT_REPAIRABLE])
        await store(database, task_row(alice.user["_id"]))
        assert {line for line, _ in tasks} <= set(await findings())

    async def test_missing_field_is_found(self, alice: Client, database: Database) -> None:
        row = task_row(alice.user["_id"])
        del row["title"]
        assert await findings() == []
        assert await store(database, row) + "title is missing" in await findings()

    async def test_task_without_a_user_is_found(self, database: Database, alice: Client) -> None:
        assert alice.user
        unknown_user_id = ObjectId()
        about = await store(database, task_row(unknown_user_id))
        assert await findings() == [f"{about}its user {unknown_user_id} does not exist"]

    async def test_task_in_the_project_of_another_user_is_found(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        project = project_row(bob.user["_id"])
        await database.projects.insert_one(project)
        about = await store(database, task_row(alice.user["_id"], project_id=project["_id"]))
        assert await findings() == [f"{about}project_id is {project['_id']}, which is no project of its user"]

    async def test_entry_in_two_tasks_is_found(self, alice: Client, database: Database) -> None:
        entry = ended_entry()
        rows = [task_row(alice.user["_id"], **tracked(entry)) for _ in range(2)]
        await store(database, rows[0])
        await store(database, rows[1])
        first, second = rows if (await findings())[0].startswith(f"tasks {rows[1]['_id']}") else rows[::-1]
        assert await findings() == [f"tasks {second['_id']}: its entry {entry['id']} is in {first['_id']} too"]

    async def test_entry_that_is_also_deleted_is_found(self, alice: Client, database: Database) -> None:
        await use_most_requests(alice, database)
        deleted = await database.deleted_entries.find_one({})
        assert deleted is not None
        about = await store(database, task_row(alice.user["_id"], **tracked(deleted["entry"])))
        assert await findings() == [f"{about}its entry {deleted['_id']} is in deleted_entries too"]

    async def test_entry_twice_in_a_task_is_found(self, alice: Client, database: Database) -> None:
        entry = ended_entry()
        about = await store(database, task_row(alice.user["_id"], **tracked(entry, entry)))
        assert await findings() == [f"{about}its entry {entry['id']} is in {about[6:-2]} too"]


@pytest.fixture
async def unindexed(database: Database, empty_service: str) -> AsyncIterator[None]:
    """Tasks without the index that allows one running timer per user."""
    assert empty_service
    index = (await database.tasks.index_information())[ONE_RUNNING_TIMER]
    await database.tasks.drop_index(ONE_RUNNING_TIMER)
    yield
    await database.tasks.delete_many({})
    if ONE_RUNNING_TIMER in await database.tasks.index_information():
        await database.tasks.drop_index(ONE_RUNNING_TIMER)
    await database.tasks.create_index(
        index["key"], name=ONE_RUNNING_TIMER, unique=True, partialFilterExpression=index["partialFilterExpression"]
    )


class TestCollections:
    @pytest.mark.usefixtures("unindexed")
    async def test_missing_index_is_found(self, alice: Client, database: Database) -> None:
        rows = [task_row(alice.user["_id"], status="in_progress", active=running_entry()) for _ in range(2)]
        for row in rows:
            await store(database, row)
        missing, twice = await findings()
        assert missing.startswith(f"tasks index {ONE_RUNNING_TIMER}: is missing")
        assert "its timer runs, and so does that of " in twice
        await database.tasks.create_index([("user_id", ASCENDING)], name=ONE_RUNNING_TIMER)
        assert (await findings())[0].startswith(f"tasks index {ONE_RUNNING_TIMER}: has other keys or options")

    @pytest.mark.usefixtures("unindexed")
    async def test_index_with_a_collation_is_found(self, database: Database) -> None:
        """A collation compares ids and strings in another order than the queries expect."""
        await database.tasks.create_index(
            [("user_id", ASCENDING)],
            name=ONE_RUNNING_TIMER,
            unique=True,
            partialFilterExpression=HAS_ACTIVE,
            collation={"locale": "en"},
        )
        assert (await findings())[0].startswith(f"tasks index {ONE_RUNNING_TIMER}: has other keys or options")

    async def test_missing_validator_is_found(self, alice: Client, database: Database) -> None:
        assert alice.user
        validator = (await database.tasks.options())["validator"]
        await database.command("collMod", "tasks", validator={})
        try:
            assert [found[:16] for found in await findings()] == ["tasks validator:"]
        finally:
            await database.command("collMod", "tasks", validator=validator)
        assert await findings() == []

    @pytest.mark.parametrize("record", [VALIDATORS_ID, time_entries_view().record_id])
    async def test_newer_schema_is_found(self, alice: Client, database: Database, record: str) -> None:
        assert alice.user
        assert not await has_newer_schema()
        await database[SCHEMA_VERSIONS].update_one({"_id": record}, {"$inc": {"version": 1}})
        try:
            assert await has_newer_schema()
        finally:
            await database[SCHEMA_VERSIONS].update_one({"_id": record}, {"$inc": {"version": -1}})

    async def test_missing_view_is_found(self, alice: Client, database: Database) -> None:
        assert alice.user
        view = time_entries_view()
        await database.drop_collection(view.name)
        try:
            assert [found[:23] for found in await findings()] == ["time_entries view: is m"]
        finally:
            await ensure_view(database, view)
        assert await findings() == []


class TestOtherDocuments:
    async def test_documents_without_a_user_are_found(self, alice: Client, database: Database) -> None:
        await use_most_requests(alice, database)
        await database.users.delete_one({})
        found = await findings()
        for collection in ("projects", "tasks", "deleted_entries"):
            count = await database[collection].count_documents({})
            orphans = [line for line in found if line.startswith(f"{collection} ") and "does not exist" in line]
            assert len(orphans) == count > 0

    async def test_invalid_documents_are_found(self, alice: Client, database: Database) -> None:
        await use_most_requests(alice, database)
        user_id = alice.user["_id"]
        await database.users.update_one({}, {"$set": {"email_key": "eve@example.com"}})
        await database.projects.update_one({}, {"$set": {"hourly_rate.amount": -1}}, bypass_document_validation=True)
        await database.deleted_entries.update_one({}, {"$set": {"entry.id": user_id}})
        deleted, project = [
            (await database[name].find({}).to_list(None))[0]["_id"] for name in ("deleted_entries", "projects")
        ]
        assert sorted(await findings()) == [
            f"deleted_entries {deleted}: entry.id is {user_id}, not the id of the document",
            f"projects {project}: hourly_rate.amount is -1, less than 0",
            f"users {user_id}: email_key is not that of its email",
        ]


class TestRepair:
    async def test_counters_are_repaired_from_the_entries(self, make_user: MakeUser, database: Database) -> None:
        tasks = await store_tasks(make_user, database, BROKEN)
        assert sorted(await findings(repair=True)) == sorted(f"{line} (repaired)" for line, _ in tasks)
        assert await findings() == []
        for _, row in tasks:
            repaired = await database.tasks.find_one({"_id": row["_id"]})
            assert repaired is not None
            counters = {"tracked_seconds", "entry_count", "first_started_at", "last_ended_at"}
            changed = {field for field in row if repaired[field] != row[field]} | {"updated_at", "version"}
            assert changed <= counters | {"updated_at", "version"}
            assert (repaired["version"], repaired["time_entries"]) == (2, row["time_entries"])

    async def test_missing_project_is_removed_from_its_task(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await database.tasks.update_one({}, {"$set": {"project_id": ObjectId()}})
        (repaired,) = await findings(repair=True)
        assert repaired.endswith("which is no project of its user (repaired)")
        assert (await alice.read(task))["project_id"] is None
        assert await findings() == []

    async def test_existing_project_is_kept(self, alice: Client, database: Database) -> None:
        task = await alice.make_task(project_id=(await alice.make_project())["id"])
        await database.tasks.update_one({}, {"$set": {"tracked_seconds": 7}})
        await examine(repair=True)
        repaired = await alice.read(task)
        assert (repaired["project_id"], repaired["tracked_seconds"]) == (task["project_id"], 0)

    async def test_other_inconsistencies_are_left_unchanged(self, make_user: MakeUser, database: Database) -> None:
        tasks = await store_tasks(make_user, database, NOT_REPAIRABLE)
        assert {line for line, _ in tasks} <= set(await findings(repair=True))
        for _, row in tasks:
            assert await database.tasks.find_one({"_id": row["_id"]}) == row

    async def test_repair_that_the_database_would_reject_is_skipped(self, alice: Client, database: Database) -> None:
        row = task_row(alice.user["_id"], project_id=ObjectId(), title=7)
        about = await store(database, row)
        assert sorted(await findings(repair=True)) == [
            f"{about}project_id is {row['project_id']}, which is no project of its user",
            f"{about}title is of the type int, not string",
        ]
        assert await database.tasks.find_one({"_id": row["_id"]}) == row

    async def test_counters_are_repaired_although_other_errors_remain(self, alice: Client, database: Database) -> None:
        row = task_row(alice.user["_id"], **tracked(ended_entry(duration_seconds=60)))
        about = await store(database, row | {"tracked_seconds": 0})
        repaired = f"{about}tracked_seconds is 0, its entries say 60 (repaired)"
        assert repaired in await findings(repair=True)
        (left,) = await findings(repair=True)
        assert "its start and end are 1800 seconds apart" in left

    async def test_repair_loses_no_concurrent_change(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await database.tasks.update_one({}, {"$set": {"tracked_seconds": 7}})

        async def track() -> None:
            for _ in range(10):
                await alice.start(task)
                await alice.stop()

        await asyncio.gather(track(), *(examine(repair=True) for _ in range(5)))
        assert await findings() == []
        assert (await alice.read(task))["entry_count"] == 10
