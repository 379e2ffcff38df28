"""Requests that are repeated with the same Idempotency-Key are done once."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId
from fastapi import FastAPI

from app.errors import DatabaseUnavailableError
from services.common.acting_user import acting_user
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.versions import Versioned
from tests.conftest import Database
from tests.support.http import Client, Json, ago, at, problem
from tests.support.stored_documents import remove_stored_responses

KEY = {"Idempotency-Key": "7d2f3a90-offer"}
BODY = {"title": "Write the offer"}


def invalid_headers(response: httpx.Response, code: str = "invalid_request") -> set[str]:
    return {error.get("header") for error in problem(response, 422, code)["errors"]}


def assert_replayed(first: httpx.Response, replay: httpx.Response) -> None:
    """Check that the second response equals the first one and is marked as a replay."""
    assert (replay.status_code, replay.content) == (first.status_code, first.content)
    for header in ("etag", "location", "content-type"):
        assert replay.headers.get(header) == first.headers.get(header)
    assert "idempotency-replayed" not in first.headers
    assert replay.headers["idempotency-replayed"] == "true"


async def count_tasks(database: Database) -> int:
    return await database.tasks.count_documents({})


@pytest.mark.usefixtures("entry_storage")
class TestRepeatedRequest:
    async def test_repeated_creation_of_a_task_gets_the_same_response(self, alice: Client, database: Database) -> None:
        first = await alice.post("/tasks", json=BODY, headers=KEY)
        assert first.status_code == 201
        await alice.patch(f"/tasks/{first.json()['id']}", json={"title": "Changed since"})
        for _ in range(2):
            assert_replayed(first, await alice.post("/tasks", json=BODY, headers=KEY))
        assert await count_tasks(database) == 1

    async def test_repeated_creation_of_an_entry_creates_one(self, alice: Client) -> None:
        task = await alice.make_task()
        path, body = f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=1), "duration_seconds": 60}
        first = await alice.post(path, json=body, headers=KEY)
        assert first.status_code == 201
        assert_replayed(first, await alice.post(path, json=body, headers=KEY))
        assert (await alice.read(task))["entry_count"] == 1

    async def test_repeated_start_does_not_restart_a_stopped_timer(self, alice: Client) -> None:
        body = {"task_id": (await alice.make_task())["id"]}
        first = await alice.post("/timer/start", json=body, headers=KEY)
        await alice.stop()
        assert_replayed(first, await alice.post("/timer/start", json=body, headers=KEY))
        assert (await alice.get("/timer")).status_code == 204

    async def test_repeated_stop_does_not_stop_a_new_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        first = await alice.post("/timer/stop", headers=KEY)
        timer = await alice.start(task)
        assert_replayed(first, await alice.post("/timer/stop", headers=KEY))
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    async def test_repeated_resume_is_replayed_after_the_task_was_deleted(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.stop()
        first = await alice.post("/timer/resume", headers=KEY)
        assert first.status_code == 201
        await alice.delete(f"/tasks/{task['id']}")
        assert_replayed(first, await alice.post("/timer/resume", headers=KEY))

    async def test_conflict_is_replayed_after_its_cause_is_gone(self, alice: Client) -> None:
        running, other = await alice.make_task(), await alice.make_task()
        await alice.start(running)
        body = {"task_id": other["id"]}
        first = problem(await alice.post("/timer/start", json=body, headers=KEY), 409, "timer_already_running")
        await alice.stop()
        response = await alice.post("/timer/start", json=body, headers=KEY)
        replay = problem(response, 409, "timer_already_running")
        assert response.headers["idempotency-replayed"] == "true"
        assert {**replay, "request_id": None} == {**first, "request_id": None}


@pytest.mark.usefixtures("entry_storage")
class TestRetryAfterALostResponse:
    async def test_moved_entry_in_a_deleted_task_is_returned(self, alice: Client, database: Database) -> None:
        task, other = await alice.make_task(), await alice.make_task()
        path, body = f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=1), "duration_seconds": 60}
        entry = (await alice.post(path, json=body, headers=KEY)).json()
        await alice.post(f"{path}/{entry['id']}/move", json={"task_id": other["id"]})
        await alice.delete(f"/tasks/{other['id']}")
        await remove_stored_responses(database)
        replay = await alice.post(path, json=body, headers=KEY)
        assert (replay.status_code, replay.json()["id"]) == (201, entry["id"])
        assert replay.json()["task_id"] == other["id"]
        assert (await alice.read(task))["entry_count"] == 0

    async def test_deleted_entry_of_a_removed_task_is_404(self, alice: Client, database: Database) -> None:
        """The undo of an import removes tasks."""
        task = await alice.make_task()
        path, body = f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=1), "duration_seconds": 60}
        entry = (await alice.post(path, json=body, headers=KEY)).json()
        await alice.delete(at(entry))
        await database.tasks.delete_one({"_id": ObjectId(task["id"])})
        await remove_stored_responses(database)
        problem(await alice.post(path, json=body, headers=KEY), 404, "task_not_found")

    @pytest.mark.parametrize("is_new_task", [False, True])
    @pytest.mark.parametrize("path", ["/timer/start", "/timer/switch"])
    @pytest.mark.parametrize("end", ["stop", "delete", "delete the task"])
    async def test_timer_that_has_ended_since_is_returned_and_not_started_again(
        self, alice: Client, database: Database, path: str, end: str, *, is_new_task: bool
    ) -> None:
        if path == "/timer/switch":
            await alice.start(await alice.make_task(), started_at=ago(minutes=9))
        body = BODY if is_new_task else {"task_id": (await alice.make_task())["id"]}
        first = await alice.post(path, json=body, headers=KEY)
        assert first.is_success, first.text
        entry = (first.json().get("started") or first.json())["entry"]
        await alice.stop()
        if end == "delete":
            await alice.delete(at(entry))
        elif end == "delete the task":
            await alice.delete(f"/tasks/{entry['task_id']}")
        tasks = await count_tasks(database)
        await remove_stored_responses(database)
        replay = await alice.post(path, json=body, headers=KEY)
        assert replay.status_code == first.status_code, replay.text
        replayed = replay.json().get("started") or replay.json()
        assert {name: replayed["entry"][name] for name in ("id", "task_id", "started_at")} == {
            name: entry[name] for name in ("id", "task_id", "started_at")
        }
        assert replay.json().get("stopped", {}).get("entry") == first.json().get("stopped", {}).get("entry")
        assert (await alice.get("/timer")).status_code == 204
        assert await count_tasks(database) == tasks

    async def test_split_entry_is_returned(self, alice: Client, database: Database) -> None:
        entry = await alice.write(await alice.make_task(), started_at=ago(hours=9), duration_seconds=7200)
        body = {"at": ago(hours=8)}
        first = await alice.post(f"{at(entry)}/split", json=body, headers=KEY)
        await remove_stored_responses(database)
        replay = await alice.post(f"{at(entry)}/split", json=body, headers=KEY)
        assert (replay.status_code, replay.json()) == (200, first.json())


class TestReusedKey:
    @pytest.mark.parametrize("changed", ["body", "path", "query", "method"])
    async def test_different_request_is_rejected(self, alice: Client, database: Database, changed: str) -> None:
        task = await alice.make_task()
        path = f"/tasks/{task['id']}/time-entries"
        body: Json = {"started_at": ago(hours=1), "duration_seconds": 60}
        assert (await alice.post(path, json=body, headers=KEY)).status_code == 201
        before = await database.tasks.find({}, {"outbox": 0, "outbox_since": 0}).to_list(None)
        response = await {
            "body": lambda: alice.post(path, json={**body, "duration_seconds": 61}, headers=KEY),
            "path": lambda: alice.post("/tasks", json=BODY, headers=KEY),
            "query": lambda: alice.post(path, json=body, params={"overlap": "allow"}, headers=KEY),
            "method": lambda: alice.post("/timer/stop", json=body and {}, headers=KEY),
        }[changed]()
        assert invalid_headers(response, "idempotency_key_reused") == {"Idempotency-Key"}
        assert await database.tasks.find({}, {"outbox": 0, "outbox_since": 0}).to_list(None) == before

    async def test_same_key_of_another_user_is_independent(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        responses = [await client.post("/tasks", json=BODY, headers=KEY) for client in (alice, bob)]
        assert [response.status_code for response in responses] == [201, 201]
        assert len({response.json()["id"] for response in responses}) == 2
        assert "idempotency-replayed" not in responses[1].headers
        assert await count_tasks(database) == 2


class TestKeyFormat:
    @pytest.mark.parametrize("key", ["", "k" * 256, "a key", "a\tkey", "schlüssel".encode()])
    async def test_invalid_key_is_rejected(self, alice: Client, database: Database, key: str | bytes) -> None:
        sent: Any = [("Idempotency-Key", key)]
        response = await alice.post("/tasks", json=BODY, headers=sent)
        assert invalid_headers(response) == {"Idempotency-Key"}
        assert await count_tasks(database) == 0
        assert await database.idempotency_keys.count_documents({}) == 0

    async def test_two_keys_are_rejected(self, alice: Client, database: Database) -> None:
        sent: Any = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
        assert invalid_headers(await alice.post("/tasks", json=BODY, headers=sent)) == {"Idempotency-Key"}
        assert await count_tasks(database) == 0

    @pytest.mark.parametrize("key", ["!", "~" * 255, '"quoted"', "a,b;c"])
    async def test_other_keys_are_accepted(self, alice: Client, key: str) -> None:
        assert (await alice.post("/tasks", json=BODY, headers={"Idempotency-Key": key})).status_code == 201


@pytest.mark.usefixtures("entry_storage")
class TestConcurrentRequestsWithTheSameKey:
    async def test_twenty_creations_create_one_task(self, alice: Client, database: Database) -> None:
        responses = await asyncio.gather(*(alice.post("/tasks", json=BODY, headers=KEY) for _ in range(20)))
        self.assert_one_response(responses, 201)
        assert await count_tasks(database) == 1

    async def test_twenty_starts_start_one_timer(self, alice: Client, database: Database) -> None:
        body = {"task_id": (await alice.make_task())["id"]}
        responses = await asyncio.gather(*(alice.post("/timer/start", json=body, headers=KEY) for _ in range(20)))
        self.assert_one_response(responses, 201)
        (task,) = await database.tasks.find().to_list(None)
        assert task["version"] == 2

    async def test_twenty_splits_split_the_entry_once(self, alice: Client) -> None:
        task = await alice.make_task()
        path = f"/tasks/{task['id']}/time-entries"
        entry = (await alice.post(path, json={"started_at": ago(hours=9), "duration_seconds": 7200})).json()
        body = {"at": ago(hours=8)}
        split = f"{path}/{entry['id']}/split"
        responses = await asyncio.gather(*(alice.post(split, json=body, headers=KEY) for _ in range(20)))
        self.assert_one_response(responses, 200)
        stored = await alice.read(task)
        assert (stored["entry_count"], stored["tracked_seconds"]) == (2, 7200)

    def assert_one_response(self, responses: list[httpx.Response], status: int) -> None:
        done = [response for response in responses if response.status_code == status]
        assert done
        assert len({response.content for response in done}) == 1
        assert Counter("idempotency-replayed" in response.headers for response in done)[False] == 1
        for response in responses:
            if response not in done:
                problem(response, 409, "idempotency_in_progress")


class TestClientErrors:
    async def test_missing_task_is_not_stored_as_the_response(self, alice: Client) -> None:
        task = await alice.make_task()
        body = {"task_id": task["id"]}
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.post("/timer/start", json=body, headers=KEY), 404, "task_not_found")
        await alice.post(f"/tasks/{task['id']}/restore")
        response = await alice.post("/timer/start", json=body, headers=KEY)
        assert response.status_code == 201
        assert "idempotency-replayed" not in response.headers

    async def test_stale_version_is_not_stored_as_the_response(self, alice: Client) -> None:
        task = await alice.make_task()
        path, body = f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=1), "duration_seconds": 60}
        problem(await alice.post(path, json=body, headers={**KEY, "If-Match": '"2"'}), 412, "stale_version")
        await alice.patch(f"/tasks/{task['id']}", json={"title": "Now it is"})
        assert (await alice.post(path, json=body, headers={**KEY, "If-Match": '"2"'})).status_code == 201

    async def test_invalid_body_is_not_stored_as_the_response(self, alice: Client, database: Database) -> None:
        problem(await alice.post("/tasks", json={"title": ""}, headers=KEY), 422, "invalid_request")
        assert (await alice.post("/tasks", json=BODY, headers=KEY)).status_code == 201
        assert await count_tasks(database) == 1

    async def test_end_before_the_start_is_not_stored_as_the_response(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task, started_at=ago(hours=1))
        body = {"ended_at": ago(hours=2)}
        problem(await alice.post("/timer/stop", json=body, headers=KEY), 422, "invalid_request")
        assert (await alice.patch("/timer", json={"started_at": ago(hours=3)})).status_code == 200
        assert (await alice.post("/timer/stop", json=body, headers=KEY)).status_code == 200


class TestFailedAttempt:
    @pytest.mark.parametrize("error", [RuntimeError("a bug"), DatabaseUnavailableError()], ids=["crash", "503"])
    async def test_retry_can_follow_at_once(self, alice: Client, error: Exception) -> None:
        """The lock of an attempt that failed is released: a retry is not answered with 409 idempotency_in_progress."""
        user, key = acting_user(alice.user), RequestKey("7d2f3a90-offer", "fingerprint", derivation_key=bytes(32))

        async def fail(_attempt: Attempt) -> Versioned:
            raise error

        async def succeed(attempt: Attempt) -> Versioned:
            return Versioned({"is_retry": attempt.is_retry}, version=1)

        with pytest.raises(type(error)):
            await run_once(user, key, fail)
        assert (await run_once(user, key, succeed)).body == {"is_retry": True}


class TestKeyExpiry:
    async def test_key_is_valid_for_24_hours(self, alice: Client, database: Database) -> None:
        first = await alice.post("/tasks", json=BODY, headers=KEY)
        await self.make_older(database, timedelta(hours=23, minutes=50))
        assert_replayed(first, await alice.post("/tasks", json=BODY, headers=KEY))
        await self.make_older(database, timedelta(minutes=11))
        response = await alice.post("/tasks", json=BODY, headers=KEY)
        assert response.status_code == 201
        assert response.json()["id"] != first.json()["id"]
        assert "idempotency-replayed" not in response.headers
        assert await count_tasks(database) == 2

    async def test_expired_key_can_be_used_for_another_request(self, alice: Client, database: Database) -> None:
        await alice.post("/tasks", json=BODY, headers=KEY)
        await self.make_older(database, timedelta(hours=25))
        assert (await alice.post("/tasks", json={"title": "Other"}, headers=KEY)).status_code == 201

    async def test_database_removes_expired_keys(self, alice: Client, database: Database) -> None:
        await alice.post("/tasks", json=BODY, headers=KEY)
        indexes = await database.idempotency_keys.index_information()
        (ending,) = [index for index in indexes.values() if "expireAfterSeconds" in index]
        assert (ending["key"], ending["expireAfterSeconds"]) == ([("created_at", 1)], 24 * 60 * 60)

    async def make_older(self, database: Database, by: timedelta) -> None:
        (key,) = await database.idempotency_keys.find().to_list(None)
        older = {name: key[name] - by for name in ("created_at", "taken_at")}
        await database.idempotency_keys.update_one({"_id": key["_id"]}, {"$set": older})


class TestOpenApi:
    def test_every_post_accepts_a_key_except_accounts_sign_in_imports_and_retries(self, app: FastAPI) -> None:
        retry = "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry"  # it only makes a delivery due
        without = {"/api/v1/users", "/api/v1/imports", retry}
        accepts_key = {
            path: any(parameter["name"] == "Idempotency-Key" for parameter in methods["post"].get("parameters", []))
            for path, methods in app.openapi()["paths"].items()
            if "post" in methods
        }
        assert len(accepts_key) >= 15
        for path, accepts in accepts_key.items():
            assert accepts == (path not in without and not path.startswith("/api/v1/auth/")), path
