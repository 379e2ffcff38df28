"""Requests that are sent again with the same Idempotency-Key: the work is done once."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.conftest import Database
from tests.support.http import Client, Json, ago, problem
from tests.support.stored_documents import forget_answers

KEY = {"Idempotency-Key": "7d2f3a90-offer"}
BODY = {"title": "Write the offer"}


def headers_wrong(response: httpx.Response, code: str = "invalid_request") -> set[str]:
    return {wrong.get("header") for wrong in problem(response, 422, code)["errors"]}


def same_answer(first: httpx.Response, again: httpx.Response) -> None:
    """The second answer is the first one, and says so."""
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("etag", "location", "content-type"):
        assert again.headers.get(header) == first.headers.get(header)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


async def count(database: Database) -> int:
    return await database.tasks.count_documents({})


class TestTheSameRequestWithTheSameKey:
    async def test_makes_one_task_and_gets_the_same_answer(self, alice: Client, database: Database) -> None:
        first = await alice.post("/tasks", json=BODY, headers=KEY)
        assert first.status_code == 201
        await alice.patch(f"/tasks/{first.json()['id']}", json={"title": "Changed since"})
        for _ in range(2):
            same_answer(first, await alice.post("/tasks", json=BODY, headers=KEY))
        assert await count(database) == 1

    async def test_writes_down_one_entry(self, alice: Client) -> None:
        task = await alice.make_task()
        path, body = f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=1), "duration_seconds": 60}
        first = await alice.post(path, json=body, headers=KEY)
        assert first.status_code == 201
        same_answer(first, await alice.post(path, json=body, headers=KEY))
        assert (await alice.read(task))["entry_count"] == 1

    async def test_starts_no_timer_again_that_was_stopped_since(self, alice: Client) -> None:
        body = {"task_id": (await alice.make_task())["id"]}
        first = await alice.post("/timer/start", json=body, headers=KEY)
        await alice.stop()
        same_answer(first, await alice.post("/timer/start", json=body, headers=KEY))
        assert (await alice.get("/timer")).status_code == 204

    async def test_stops_no_timer_that_was_started_since(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        first = await alice.post("/timer/stop", headers=KEY)
        timer = await alice.start(task)
        same_answer(first, await alice.post("/timer/stop", headers=KEY))
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    async def test_resumes_once_whatever_has_become_of_the_task(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.stop()
        first = await alice.post("/timer/resume", headers=KEY)
        assert first.status_code == 201
        await alice.delete(f"/tasks/{task['id']}")
        same_answer(first, await alice.post("/timer/resume", headers=KEY))

    async def test_gets_a_conflict_of_state_again_although_it_is_over(self, alice: Client) -> None:
        running, other = await alice.make_task(), await alice.make_task()
        await alice.start(running)
        body = {"task_id": other["id"]}
        first = problem(await alice.post("/timer/start", json=body, headers=KEY), 409, "timer_already_running")
        await alice.stop()
        answer = await alice.post("/timer/start", json=body, headers=KEY)
        again = problem(answer, 409, "timer_already_running")
        assert answer.headers["idempotency-replayed"] == "true"
        assert {**again, "request_id": None} == {**first, "request_id": None}


class TestARetryAfterALostAnswer:
    async def test_finds_its_entry_wherever_it_is_by_now(self, alice: Client, database: Database) -> None:
        task, other = await alice.make_task(), await alice.make_task()
        path, body = f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=1), "duration_seconds": 60}
        made = (await alice.post(path, json=body, headers=KEY)).json()
        await alice.post(f"{path}/{made['id']}/move", json={"task_id": other["id"]})
        await alice.delete(f"/tasks/{other['id']}")
        await forget_answers(database)
        again = await alice.post(path, json=body, headers=KEY)
        assert (again.status_code, again.json()["id"]) == (201, made["id"])
        assert again.json()["task_id"] == other["id"]
        assert (await alice.read(task))["entry_count"] == 0


class TestAnotherRequestWithTheSameKey:
    @pytest.mark.parametrize("changed", ["body", "path", "query", "method"])
    async def test_is_refused_and_does_nothing(self, alice: Client, database: Database, changed: str) -> None:
        task = await alice.make_task()
        path = f"/tasks/{task['id']}/time-entries"
        body: Json = {"started_at": ago(hours=1), "duration_seconds": 60}
        assert (await alice.post(path, json=body, headers=KEY)).status_code == 201
        before = await database.tasks.find().to_list(None)
        answer = await {
            "body": lambda: alice.post(path, json={**body, "duration_seconds": 61}, headers=KEY),
            "path": lambda: alice.post("/tasks", json=BODY, headers=KEY),
            "query": lambda: alice.post(path, json=body, params={"overlap": "allow"}, headers=KEY),
            "method": lambda: alice.post("/timer/stop", json=body and {}, headers=KEY),
        }[changed]()
        assert headers_wrong(answer, "idempotency_key_reused") == {"Idempotency-Key"}
        assert await database.tasks.find().to_list(None) == before

    async def test_of_another_user_has_nothing_to_do_with_it(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        answers = [await client.post("/tasks", json=BODY, headers=KEY) for client in (alice, bob)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert len({answer.json()["id"] for answer in answers}) == 2
        assert "idempotency-replayed" not in answers[1].headers
        assert await count(database) == 2


class TestAKeyThatIsNone:
    @pytest.mark.parametrize("key", ["", "k" * 256, "a key", "a\tkey", "schlüssel".encode()])
    async def test_is_refused_and_nothing_is_made(self, alice: Client, database: Database, key: str | bytes) -> None:
        sent: Any = [("Idempotency-Key", key)]
        answer = await alice.post("/tasks", json=BODY, headers=sent)
        assert headers_wrong(answer) == {"Idempotency-Key"}
        assert await count(database) == 0
        assert await database.idempotency_keys.count_documents({}) == 0

    async def test_nor_are_two(self, alice: Client, database: Database) -> None:
        sent: Any = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
        assert headers_wrong(await alice.post("/tasks", json=BODY, headers=sent)) == {"Idempotency-Key"}
        assert await count(database) == 0

    @pytest.mark.parametrize("key", ["!", "~" * 255, '"quoted"', "a,b;c"])
    async def test_is_not_any_other(self, alice: Client, key: str) -> None:
        assert (await alice.post("/tasks", json=BODY, headers={"Idempotency-Key": key})).status_code == 201


class TestTwentyAtOnceWithTheSameKey:
    async def test_make_one_task(self, alice: Client, database: Database) -> None:
        answers = await asyncio.gather(*(alice.post("/tasks", json=BODY, headers=KEY) for _ in range(20)))
        self.agree(answers, 201)
        assert await count(database) == 1

    async def test_start_one_timer(self, alice: Client, database: Database) -> None:
        body = {"task_id": (await alice.make_task())["id"]}
        answers = await asyncio.gather(*(alice.post("/timer/start", json=body, headers=KEY) for _ in range(20)))
        self.agree(answers, 201)
        (task,) = await database.tasks.find().to_list(None)
        assert task["version"] == 2

    async def test_split_an_entry_once(self, alice: Client) -> None:
        task = await alice.make_task()
        path = f"/tasks/{task['id']}/time-entries"
        entry = (await alice.post(path, json={"started_at": ago(hours=9), "duration_seconds": 7200})).json()
        body = {"at": ago(hours=8)}
        split = f"{path}/{entry['id']}/split"
        answers = await asyncio.gather(*(alice.post(split, json=body, headers=KEY) for _ in range(20)))
        self.agree(answers, 200)
        found = await alice.read(task)
        assert (found["entry_count"], found["tracked_seconds"]) == (2, 7200)

    def agree(self, answers: list[httpx.Response], status: int) -> None:
        done = [answer for answer in answers if answer.status_code == status]
        assert done
        assert len({answer.content for answer in done}) == 1
        assert Counter("idempotency-replayed" in answer.headers for answer in done)[False] == 1
        for answer in answers:
            if answer not in done:
                problem(answer, 409, "idempotency_in_progress")


class TestAMistakeOfTheCaller:
    async def test_of_a_missing_task_is_not_kept(self, alice: Client) -> None:
        task = await alice.make_task()
        body = {"task_id": task["id"]}
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.post("/timer/start", json=body, headers=KEY), 404, "task_not_found")
        await alice.post(f"/tasks/{task['id']}/restore")
        answer = await alice.post("/timer/start", json=body, headers=KEY)
        assert answer.status_code == 201
        assert "idempotency-replayed" not in answer.headers

    async def test_of_a_stale_version_is_not_kept(self, alice: Client) -> None:
        task = await alice.make_task()
        path, body = f"/tasks/{task['id']}/time-entries", {"started_at": ago(hours=1), "duration_seconds": 60}
        problem(await alice.post(path, json=body, headers={**KEY, "If-Match": '"2"'}), 412, "stale_version")
        await alice.patch(f"/tasks/{task['id']}", json={"title": "Now it is"})
        assert (await alice.post(path, json=body, headers={**KEY, "If-Match": '"2"'})).status_code == 201

    async def test_of_a_wrong_body_is_not_kept(self, alice: Client, database: Database) -> None:
        problem(await alice.post("/tasks", json={"title": ""}, headers=KEY), 422, "invalid_request")
        assert (await alice.post("/tasks", json=BODY, headers=KEY)).status_code == 201
        assert await count(database) == 1

    async def test_of_an_instant_before_the_start_is_not_kept(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task, started_at=ago(hours=1))
        body = {"ended_at": ago(hours=2)}
        problem(await alice.post("/timer/stop", json=body, headers=KEY), 422, "invalid_request")
        assert (await alice.patch("/timer", json={"started_at": ago(hours=3)})).status_code == 200
        assert (await alice.post("/timer/stop", json=body, headers=KEY)).status_code == 200


class TestAKeyAfterItsTwentyFourHours:
    async def test_makes_a_new_thing(self, alice: Client, database: Database) -> None:
        first = await alice.post("/tasks", json=BODY, headers=KEY)
        await self.grow_old(database, timedelta(hours=23, minutes=50))
        same_answer(first, await alice.post("/tasks", json=BODY, headers=KEY))
        await self.grow_old(database, timedelta(minutes=11))
        answer = await alice.post("/tasks", json=BODY, headers=KEY)
        assert answer.status_code == 201
        assert answer.json()["id"] != first.json()["id"]
        assert "idempotency-replayed" not in answer.headers
        assert await count(database) == 2

    async def test_may_be_used_for_anything(self, alice: Client, database: Database) -> None:
        await alice.post("/tasks", json=BODY, headers=KEY)
        await self.grow_old(database, timedelta(hours=25))
        assert (await alice.post("/tasks", json={"title": "Other"}, headers=KEY)).status_code == 201

    async def test_is_removed_by_the_database(self, alice: Client, database: Database) -> None:
        await alice.post("/tasks", json=BODY, headers=KEY)
        indexes = await database.idempotency_keys.index_information()
        (ending,) = [index for index in indexes.values() if "expireAfterSeconds" in index]
        assert (ending["key"], ending["expireAfterSeconds"]) == ([("created_at", 1)], 24 * 60 * 60)

    async def grow_old(self, database: Database, by: timedelta) -> None:
        (key,) = await database.idempotency_keys.find().to_list(None)
        older = {name: key[name] - by for name in ("created_at", "taken_at")}
        await database.idempotency_keys.update_one({"_id": key["_id"]}, {"$set": older})


class TestEveryPost:
    def test_takes_a_key_but_for_accounts_and_imports(self, app: FastAPI) -> None:
        without = {"/api/v1/users", "/api/v1/imports"}
        takes = {
            path: any(parameter["name"] == "Idempotency-Key" for parameter in methods["post"].get("parameters", []))
            for path, methods in app.openapi()["paths"].items()
            if "post" in methods
        }
        assert len(takes) >= 15
        for path, does in takes.items():
            assert does == (path not in without and not path.startswith("/api/v1/auth/")), path
