"""A service that is killed at one exact place: inside of the work, or between the work and its stored answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import Settings
from tests.conftest import Database
from tests.races.ledger import entries_in
from tests.support.http import API, Client, Json, ago, problem
from tests.support.services import dying

KEY = {"Idempotency-Key": "7d2f3a90-offer"}
BEFORE_THE_ANSWER_IS_KEPT = "documents.common.idempotency_keys:IdempotencyKey:save_response"


@dataclass
class Request:
    """One request, and what the user has done until then."""

    path: str
    body: Json | None = None
    method: str = "POST"
    parameters: Json = field(default_factory=dict)

    async def send(self, client: httpx.AsyncClient, **headers: str) -> httpx.Response:
        return await client.request(self.method, self.path, params=self.parameters, headers=headers, json=self.body)


Prepare = Callable[[Client], Awaitable[Request]]


async def written(alice: Client, **fields: Any) -> Json:
    """An entry of two hours in a new task."""
    task = await alice.make_task()
    body = {"started_at": ago(hours=9), "duration_seconds": 7200, **fields}
    response = await alice.post(f"/tasks/{task['id']}/time-entries", json=body)
    assert response.status_code == 201, response.text
    entry: Json = response.json()
    return entry


def at(entry: Json) -> str:
    return f"/tasks/{entry['task_id']}/time-entries/{entry['id']}"


async def making_a_task(alice: Client) -> Request:
    return Request("/tasks", {"title": f"Task of {alice.user['email']}"})


async def making_tasks(alice: Client) -> Request:
    operations = [{"op": "create", "body": {"title": f"{alice.user['email']} {number}"}} for number in range(3)]
    return Request("/tasks/bulk", {"operations": operations, "atomic": False})


async def changing_tasks_as_one(alice: Client) -> Request:
    task = await alice.make_task()
    operations: list[Json] = [
        {"op": "create", "body": {"title": "New"}},
        {"op": "update", "task_id": task["id"], "body": {"title": "Changed"}},
    ]
    return Request("/tasks/bulk", {"operations": operations, "atomic": True})


async def making_a_project(alice: Client) -> Request:
    return Request("/projects", {"name": f"Project of {alice.user['email']}"})


async def bringing_back_a_task(alice: Client) -> Request:
    task = await alice.make_task()
    assert (await alice.delete(f"/tasks/{task['id']}")).status_code == 204
    return Request(f"/tasks/{task['id']}/restore")


async def creating(alice: Client) -> Request:
    task = await alice.make_task()
    return Request(f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=2), "duration_seconds": 3600})


async def starting(alice: Client) -> Request:
    return Request("/timer/start", {"task_id": (await alice.make_task())["id"], "note": "once"})


async def starting_back_dated(alice: Client) -> Request:
    request = await starting(alice)
    return Request(request.path, {**(request.body or {}), "started_at": ago(hours=1)}, parameters={"overlap": "forbid"})


async def stopping(alice: Client) -> Request:
    await alice.start(await alice.make_task(), started_at=ago(hours=1))
    return Request("/timer/stop")


async def switching(alice: Client) -> Request:
    await alice.start(await alice.make_task(), started_at=ago(hours=1))
    return Request("/timer/switch", {"task_id": (await alice.make_task(title="Next"))["id"]})


async def switching_from_nothing(alice: Client) -> Request:
    return Request("/timer/switch", {"task_id": (await alice.make_task())["id"]})


async def resuming(alice: Client) -> Request:
    await written(alice, note="again")
    return Request("/timer/resume")


async def splitting(alice: Client) -> Request:
    return Request(at(await written(alice)) + "/split", {"at": ago(hours=8)})


async def moving(alice: Client) -> Request:
    entry = await written(alice)
    return Request(at(entry) + "/move", {"task_id": (await alice.make_task(title="Other"))["id"]})


async def deleting(alice: Client) -> Request:
    return Request(at(await written(alice)), method="DELETE")


async def restoring(alice: Client) -> Request:
    entry = await written(alice)
    assert (await alice.delete(at(entry))).status_code == 204
    return Request(f"/time-entries/{entry['id']}/restore")


async def discarding(alice: Client) -> Request:
    await alice.start(await alice.make_task(), started_at=ago(hours=1))
    return Request("/timer", method="DELETE")


async def kept(database: Database) -> list[Json]:
    """All that is stored of tasks, of time and of projects."""
    collections = (database.tasks, database.deleted_entries, database.projects)
    return [row for collection in collections for row in await collection.find().sort("_id").to_list(None)]


async def killed_by(request: Request, alice: Client, address: str, **headers: str) -> None:
    """The service there dies of this request."""
    async with Client(base_url=address + API, headers=alice.headers, timeout=30) as client:
        with pytest.raises(httpx.TransportError):
            await request.send(client, **headers)


async def let_time_pass(database: Database) -> None:
    """Whoever was at the request with the key has not been heard of for a minute."""
    known = await database.idempotency_keys.find_one({})
    assert known is not None
    assert known["answer"] is None
    then = known["taken_at"] - timedelta(minutes=1)
    await database.idempotency_keys.update_one({"_id": known["_id"]}, {"$set": {"taken_at": then}})


@pytest.mark.parametrize(
    "prepare",
    [
        making_a_task,
        making_tasks,
        making_a_project,
        bringing_back_a_task,
        creating,
        starting,
        starting_back_dated,
        stopping,
        switching,
        switching_from_nothing,
        splitting,
        moving,
        resuming,
        restoring,
    ],
)
class TestAKillBetweenTheWorkAndItsAnswer:
    async def test_leaves_work_that_the_retry_finds_done(
        self, prepare: Prepare, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await prepare(alice)
        before = await kept(database)
        async with dying(settings, database, tmp_path, at=BEFORE_THE_ANSWER_IS_KEPT) as address:
            await killed_by(request, alice, address, **KEY)
        done = await kept(database)
        assert done != before
        problem(await request.send(alice, **KEY), 409, "idempotency_in_progress")

        await let_time_pass(database)
        answer = await request.send(alice, **KEY)
        assert answer.is_success, answer.text
        assert "idempotency-replayed" not in answer.headers
        assert await kept(database) == done
        for entry in entries_in(answer.json()):
            assert (await alice.get(at(entry))).json() == entry

        again = await request.send(alice, **KEY)
        assert again.headers["idempotency-replayed"] == "true"
        assert (again.status_code, again.content) == (answer.status_code, answer.content)
        for header in ("etag", "location"):
            assert again.headers.get(header) == answer.headers.get(header)
        assert await kept(database) == done


class TestARetryOfASplit:
    async def test_tells_both_halves_although_the_first_is_deleted_by_then(
        self, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await splitting(alice)
        async with dying(settings, database, tmp_path, at=BEFORE_THE_ANSWER_IS_KEPT) as address:
            await killed_by(request, alice, address, **KEY)
        assert (await alice.delete(request.path.removesuffix("/split"))).status_code == 204
        await let_time_pass(database)
        answer = await request.send(alice, **KEY)
        assert answer.status_code == 200, answer.text
        first, second = answer.json()["first"], answer.json()["second"]
        assert request.path == f"{at(first)}/split"
        assert (first["ended_at"], first["duration_seconds"] + second["duration_seconds"]) == (
            second["started_at"],
            7200,
        )
        assert (await alice.get(at(first))).status_code == 404
        assert (await alice.get(at(second))).json() == second


class TestAKillAfterTheFirstOfThreeOperations:
    async def test_leaves_the_other_two_to_the_retry(
        self, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await making_tasks(alice)
        place = "documents.common.idempotency_keys:IdempotencyKey:save_part"
        async with dying(settings, database, tmp_path, at=place) as address:
            await killed_by(request, alice, address, **KEY)
        assert await database.tasks.count_documents({}) == 1
        await let_time_pass(database)
        answer = await request.send(alice, **KEY)
        made = {result["body"]["id"] for result in answer.json()["results"]}
        assert {str(task["_id"]) async for task in database.tasks.find()} == made
        assert len(made) == 3


COMMIT = "motor.motor_asyncio:AsyncIOMotorClientSession:commit_transaction"
"""Where all has been written, and nothing of it is kept yet."""

MIDDLE = [
    pytest.param(switching, "documents.tracking.tasks:Task:start_timer", id="a switch"),
    pytest.param(switching, COMMIT, id="a whole switch"),
    pytest.param(moving, "documents.tracking.tasks:Task:remove_entry", id="a move"),
    pytest.param(moving, COMMIT, id="a whole move"),
    pytest.param(deleting, COMMIT, id="a deletion"),
    pytest.param(restoring, "documents.tracking.deleted_entries:DeletedEntry:remove", id="a restoration"),
    pytest.param(restoring, COMMIT, id="a whole restoration"),
    pytest.param(changing_tasks_as_one, "documents.tracking.tasks:Task:update_fields", id="an atomic bulk"),
    pytest.param(discarding, COMMIT, id="a discard"),
]


@pytest.mark.parametrize(("prepare", "place"), MIDDLE)
class TestAKillInTheMiddle:
    async def test_leaves_the_old_state(
        self, prepare: Prepare, place: str, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await prepare(alice)
        before = await kept(database)
        async with dying(settings, database, tmp_path, at=place) as address:
            await killed_by(request, alice, address)
        assert await kept(database) == before
        answer = await request.send(alice)
        assert answer.is_success, answer.text
        assert await kept(database) != before

    async def test_is_made_good_once_by_the_retry_with_the_same_key(
        self, prepare: Prepare, place: str, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        request = await prepare(alice)
        if request.method != "POST":
            return  # a second deletion finds nothing to delete
        before = await kept(database)
        async with dying(settings, database, tmp_path, at=place) as address:
            await killed_by(request, alice, address, **KEY)
        assert await kept(database) == before
        await let_time_pass(database)
        answer = await request.send(alice, **KEY)
        assert answer.is_success, answer.text
        done = await kept(database)
        assert done != before
        assert (await request.send(alice, **KEY)).content == answer.content
        assert await kept(database) == done
