"""A service is killed in the middle of a request, or before it stores the response for an idempotency key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import Settings
from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.races.ledger import entries_in
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.feed.model import assert_feed_matches
from tests.support.http import API, Client, Json, ago, at, problem
from tests.support.pages.stored_tasks import read_tasks
from tests.support.services import serving_until_killed
from tests.support.stored_documents import paged_task, short_entries

KEY = {"Idempotency-Key": "7d2f3a90-offer"}
BEFORE_RESPONSE_IS_STORED = "documents.common.idempotency_keys:IdempotencyKey:save_response"


@dataclass
class Request:
    """A request to send."""

    path: str
    body: Json | None = None
    method: str = "POST"
    parameters: Json = field(default_factory=dict)

    async def send(self, client: httpx.AsyncClient, **headers: str) -> httpx.Response:
        return await client.request(self.method, self.path, params=self.parameters, headers=headers, json=self.body)


Prepare = Callable[[Client], Awaitable[Request]]


async def create_entry(alice: Client, **fields: Any) -> Json:
    """Create an entry of two hours in a new task."""
    task = await alice.make_task()
    body = {"started_at": ago(hours=9), "duration_seconds": 7200, **fields}
    response = await alice.post(f"/tasks/{task['id']}/time-entries", json=body)
    assert response.status_code == 201, response.text
    entry: Json = response.json()
    return entry


async def task_creation(alice: Client) -> Request:
    return Request("/tasks", {"title": f"Task of {alice.user['email']}"})


async def task_creations(alice: Client) -> Request:
    operations = [{"op": "create", "body": {"title": f"{alice.user['email']} {number}"}} for number in range(3)]
    return Request("/tasks/bulk", {"operations": operations, "atomic": False})


async def atomic_bulk(alice: Client) -> Request:
    task = await alice.make_task()
    operations: list[Json] = [
        {"op": "create", "body": {"title": "New"}},
        {"op": "update", "task_id": task["id"], "body": {"title": "Changed"}},
    ]
    return Request("/tasks/bulk", {"operations": operations, "atomic": True})


async def project_creation(alice: Client) -> Request:
    return Request("/projects", {"name": f"Project of {alice.user['email']}"})


async def task_restoration(alice: Client) -> Request:
    task = await alice.make_task()
    assert (await alice.delete(f"/tasks/{task['id']}")).status_code == 204
    return Request(f"/tasks/{task['id']}/restore")


async def entry_creation(alice: Client) -> Request:
    task = await alice.make_task()
    return Request(f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=2), "duration_seconds": 3600})


async def timer_start(alice: Client) -> Request:
    return Request("/timer/start", {"task_id": (await alice.make_task())["id"], "note": "once"})


async def timer_start_in_the_past(alice: Client) -> Request:
    request = await timer_start(alice)
    return Request(request.path, {**(request.body or {}), "started_at": ago(hours=1)}, parameters={"overlap": "forbid"})


async def timer_start_with_title(alice: Client) -> Request:
    project = await alice.make_project(name=f"Project of {alice.user['email']}")
    return Request("/timer/start", {"title": "New", "project_id": project["id"], "note": "once"})


async def past_timer_start_with_title(alice: Client) -> Request:
    request = await timer_start_with_title(alice)
    return Request(request.path, {**(request.body or {}), "started_at": ago(hours=1)}, parameters={"overlap": "forbid"})


async def timer_switch_with_title(alice: Client) -> Request:
    await alice.start(await alice.make_task(), started_at=ago(hours=1))
    return Request("/timer/switch", {"title": "New"})


async def timer_stop(alice: Client) -> Request:
    await alice.start(await alice.make_task(), started_at=ago(hours=1))
    return Request("/timer/stop")


async def timer_switch(alice: Client) -> Request:
    await alice.start(await alice.make_task(), started_at=ago(hours=1))
    return Request("/timer/switch", {"task_id": (await alice.make_task(title="Next"))["id"]})


async def timer_switch_without_timer(alice: Client) -> Request:
    return Request("/timer/switch", {"task_id": (await alice.make_task())["id"]})


async def timer_resume(alice: Client) -> Request:
    await create_entry(alice, note="again")
    return Request("/timer/resume")


async def entry_split(alice: Client) -> Request:
    return Request(at(await create_entry(alice)) + "/split", {"at": ago(hours=8)})


async def entry_move(alice: Client) -> Request:
    entry = await create_entry(alice)
    return Request(at(entry) + "/move", {"task_id": (await alice.make_task(title="Other"))["id"]})


async def entry_deletion(alice: Client) -> Request:
    return Request(at(await create_entry(alice)), method="DELETE")


async def entry_restoration(alice: Client) -> Request:
    entry = await create_entry(alice)
    assert (await alice.delete(at(entry))).status_code == 204
    return Request(f"/time-entries/{entry['id']}/restore")


async def timer_discard(alice: Client) -> Request:
    await alice.start(await alice.make_task(), started_at=ago(hours=1))
    return Request("/timer", method="DELETE")


async def stored_rows(database: Database) -> list[Json]:
    """Return all stored tasks, deleted entries and projects, without the outboxes that the relay empties meanwhile."""
    collections = (database.tasks, database.deleted_entries, database.projects)
    projection = {"outbox": 0, "outbox_since": 0}
    return [
        row for collection in collections for row in await collection.find({}, projection).sort("_id").to_list(None)
    ]


async def send_fatal_request(request: Request, alice: Client, base_url: str, **headers: str) -> None:
    """Send a request that kills the service at this address."""
    async with Client(base_url=base_url + API, headers=alice.headers, timeout=30) as client:
        with pytest.raises(httpx.TransportError):
            await request.send(client, **headers)


async def expire_idempotency_lock(database: Database) -> None:
    """Let the lock of the idempotency key expire."""
    key = await database.idempotency_keys.find_one({})
    assert key is not None
    assert key["answer"] is None
    taken_at = key["taken_at"] - timedelta(minutes=1)
    await database.idempotency_keys.update_one({"_id": key["_id"]}, {"$set": {"taken_at": taken_at}})


@pytest.mark.parametrize(
    "prepare",
    [
        task_creation,
        task_creations,
        project_creation,
        task_restoration,
        entry_creation,
        timer_start,
        timer_start_in_the_past,
        timer_start_with_title,
        past_timer_start_with_title,
        timer_stop,
        timer_switch,
        timer_switch_without_timer,
        timer_switch_with_title,
        entry_split,
        entry_move,
        timer_resume,
        entry_restoration,
    ],
)
class TestKillBeforeTheResponseIsStored:
    async def test_retry_finds_the_completed_request(
        self, prepare: Prepare, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await prepare(alice)
        before = await stored_rows(database)
        async with serving_until_killed(settings, database, tmp_path, at=BEFORE_RESPONSE_IS_STORED) as base_url:
            await send_fatal_request(request, alice, base_url, **KEY)
        after = await stored_rows(database)
        assert after != before
        problem(await request.send(alice, **KEY), 409, "idempotency_in_progress")

        await expire_idempotency_lock(database)
        response = await request.send(alice, **KEY)
        assert response.is_success, response.text
        assert "idempotency-replayed" not in response.headers
        assert await stored_rows(database) == after
        for entry in entries_in(response.json()):
            assert (await alice.get(at(entry))).json() == entry

        replay = await request.send(alice, **KEY)
        assert replay.headers["idempotency-replayed"] == "true"
        assert (replay.status_code, replay.content) == (response.status_code, response.content)
        for header in ("etag", "location"):
            assert replay.headers.get(header) == response.headers.get(header)
        assert await stored_rows(database) == after
        await assert_feed_matches(alice)


class TestKillBetweenTheNewTaskAndItsProject:
    async def test_retry_finds_the_task(
        self, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await timer_start_with_title(alice)
        kill_point = "documents.tracking.projects:Project:confirm_live"
        async with serving_until_killed(settings, database, tmp_path, at=kill_point) as base_url:
            await send_fatal_request(request, alice, base_url, **KEY)
        assert request.body is not None
        assert (await alice.delete(f"/projects/{request.body['project_id']}")).status_code == 204
        await expire_idempotency_lock(database)
        response = await request.send(alice, **KEY)
        assert response.status_code == 201, response.text
        (task,) = await database.tasks.find({}).to_list(None)
        assert (str(task["_id"]), task["project_id"]) == (response.json()["task_id"], None)
        await assert_feed_matches(alice)


class TestRetryOfASplit:
    async def test_response_contains_both_entries_after_the_first_was_deleted(
        self, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await entry_split(alice)
        async with serving_until_killed(settings, database, tmp_path, at=BEFORE_RESPONSE_IS_STORED) as base_url:
            await send_fatal_request(request, alice, base_url, **KEY)
        assert (await alice.delete(request.path.removesuffix("/split"))).status_code == 204
        await expire_idempotency_lock(database)
        response = await request.send(alice, **KEY)
        assert response.status_code == 200, response.text
        first, second = response.json()["first"], response.json()["second"]
        assert request.path == f"{at(first)}/split"
        assert (first["ended_at"], first["duration_seconds"] + second["duration_seconds"]) == (
            second["started_at"],
            7200,
        )
        assert (await alice.get(at(first))).status_code == 404
        assert (await alice.get(at(second))).json() == second


class TestKillInABulk:
    async def test_retry_does_only_the_remaining_operations(
        self, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await task_creations(alice)
        kill_point = "documents.common.idempotency_keys:IdempotencyKey:save_part"
        async with serving_until_killed(settings, database, tmp_path, at=kill_point) as base_url:
            await send_fatal_request(request, alice, base_url, **KEY)
        assert await database.tasks.count_documents({}) == 1
        await expire_idempotency_lock(database)
        response = await request.send(alice, **KEY)
        created_ids = {result["body"]["id"] for result in response.json()["results"]}
        assert {str(task["_id"]) async for task in database.tasks.find()} == created_ids
        assert len(created_ids) == 3
        await assert_feed_matches(alice)


BEFORE_PAGE_IS_LISTED = "documents.tracking.tasks:Task:change_at_version"
AFTER_PAGE_IS_LISTED = "documents.tracking.pages:TaskPage:mark_replaced"


class TestKillDuringAPageTurn:
    async def create_paged_task(self, alice: Client, database: Database) -> tuple[Json, Request]:
        """Store a task with a page of 100 entries and 200 hot ones. Return it with a request that turns a page."""
        entries = short_entries(300)
        row, pages = paged_task(alice.user["_id"], entries[:100], entries[100:])
        await database.task_pages.insert_many(pages)
        await database.tasks.insert_one(row)
        body = {"started_at": "2026-11-18T09:00:00Z", "duration_seconds": 60}
        return row, Request(f"/tasks/{row['_id']}/time-entries", body)

    @pytest.mark.parametrize(
        ("kill_point", "hot", "listed"), [(BEFORE_PAGE_IS_LISTED, 200, 100), (AFTER_PAGE_IS_LISTED, 100, 200)]
    )
    async def test_no_entry_is_lost_and_the_doctor_removes_the_unlisted_page(
        self,
        kill_point: str,
        hot: int,
        listed: int,
        alice: Client,
        database: Database,
        settings: Settings,
        tmp_path: Path,
    ) -> None:
        row, request = await self.create_paged_task(alice, database)
        async with serving_until_killed(settings, database, tmp_path, at=kill_point) as base_url:
            await send_fatal_request(request, alice, base_url)
        (stored,) = await read_tasks(database)
        assert stored.sizes == ([listed], hot)
        assert await database.task_pages.count_documents({}) == 2
        assert not (await examine(repair=True)).findings
        await assert_stored_time_is_consistent(database)
        assert (await request.send(alice)).status_code == 201

        long_ago = {"created_at": row["created_at"].replace(year=2020)}
        async for page in database.task_pages.find({"replaced_at": {"$exists": False}}):
            await database.task_pages.update_one({"_id": page["_id"]}, {"$set": long_ago})
        await database.tasks.update_one({}, {"$set": {"updated_at": row["updated_at"]}})
        assert [finding.repaired for finding in (await examine(repair=True)).findings] == [True]
        (stored,) = await read_tasks(database)
        assert stored.row["entry_count"] == len(stored.entries) == 301
        assert not (await examine()).findings


COMMIT = "pymongo.asynchronous.client_session:AsyncClientSession:commit_transaction"
"""All writes are done, and none is committed yet."""

KILL_POINTS = [
    pytest.param(timer_switch, "documents.tracking.tasks:Task:start_timer", id="a switch"),
    pytest.param(timer_switch, COMMIT, id="a whole switch"),
    pytest.param(timer_start_with_title, "documents.tracking.tasks:Task:add_with_changes", id="a start with title"),
    pytest.param(past_timer_start_with_title, COMMIT, id="a whole start with title"),
    pytest.param(timer_switch_with_title, "documents.tracking.tasks:Task:add_with_changes", id="a switch with title"),
    pytest.param(timer_switch_with_title, COMMIT, id="a whole switch with title"),
    pytest.param(entry_move, "documents.tracking.tasks:Task:replace_hot_entry", id="a move"),
    pytest.param(entry_move, COMMIT, id="a whole move"),
    pytest.param(entry_restoration, "documents.tracking.deleted_entries:DeletedEntry:remove", id="a restoration"),
    pytest.param(entry_restoration, COMMIT, id="a whole restoration"),
    pytest.param(atomic_bulk, "documents.tracking.tasks:Task:update_at_version", id="an atomic bulk"),
]


class TestKillInTheMiddleOfARequest:
    @pytest.mark.parametrize(("prepare", "kill_point"), KILL_POINTS)
    async def test_nothing_is_changed_and_a_retry_with_the_same_key_is_done_once(
        self, prepare: Prepare, kill_point: str, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await prepare(alice)
        before = await stored_rows(database)
        async with serving_until_killed(settings, database, tmp_path, at=kill_point) as base_url:
            await send_fatal_request(request, alice, base_url, **KEY)
        assert await stored_rows(database) == before
        await expire_idempotency_lock(database)
        response = await request.send(alice, **KEY)
        assert response.is_success, response.text
        after = await stored_rows(database)
        assert after != before
        assert (await request.send(alice, **KEY)).content == response.content
        assert await stored_rows(database) == after
        await assert_feed_matches(alice)

    @pytest.mark.parametrize("prepare", [entry_deletion, timer_discard, timer_switch])
    async def test_nothing_is_changed_and_the_request_can_be_repeated_without_a_key(
        self, prepare: Prepare, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await prepare(alice)
        before = await stored_rows(database)
        async with serving_until_killed(settings, database, tmp_path, at=COMMIT) as base_url:
            await send_fatal_request(request, alice, base_url)
        assert await stored_rows(database) == before
        response = await request.send(alice)
        assert response.is_success, response.text
        assert await stored_rows(database) != before
        await assert_feed_matches(alice)
