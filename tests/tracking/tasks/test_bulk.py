"""Bulk operations on tasks."""

import asyncio
from typing import Any

import pytest

from documents.common.idempotency_keys import IdempotencyKey
from services.common.idempotency import Attempt, IdempotencyInProgressError
from services.common.values.versions import Versioned
from tests.conftest import Database
from tests.support.http import Client, Json, ago, pointers, problem
from tests.support.stored_documents import NINE

NOBODYS = "0" * 24


def create(**fields: Any) -> Json:
    return {"op": "create", "body": {"title": "Write the offer", **fields}}


def update(task: Json, **fields: Any) -> Json:
    return {"op": "update", "task_id": task["id"], "body": fields}


def delete(task: Json) -> Json:
    return {"op": "delete", "task_id": task["id"]}


async def bulk(client: Client, *operations: Json, atomic: bool = False, **sent: Any) -> list[Json]:
    response = await client.post("/tasks/bulk", json={"operations": operations, "atomic": atomic}, **sent)
    assert response.status_code == 200, response.text
    results: list[Json] = response.json()["results"]
    assert len(results) == len(operations)
    return results


class TestBulk:
    @pytest.mark.parametrize("atomic", [False, True])
    async def test_operations_run_in_order(self, alice: Client, atomic: bool) -> None:
        old, other = await alice.make_task(title="Old"), await alice.make_task(title="Other")
        created, changed, deleted, again = await bulk(
            alice,
            create(tags=["new"]),
            update(old, title="Older", priority=3),
            delete(other),
            update(old, priority=None),
            atomic=atomic,
        )
        assert created["status"] == 201
        assert await alice.read(created["body"]) == {**created["body"], "time_entries": []}
        assert (changed["status"], changed["body"]["title"], changed["body"]["priority"]) == (200, "Older", 3)
        assert deleted == {"status": 204, "body": None}
        assert (again["body"]["version"], again["body"]["priority"]) == (3, None)
        assert {task["title"] for task in (await alice.list())["items"]} == {"Write the offer", "Older"}

    @pytest.mark.parametrize("atomic", [False, True])
    async def test_hundred_operations_are_accepted(self, alice: Client, atomic: bool) -> None:
        results = await bulk(alice, *(create(title=f"Task {number}") for number in range(100)), atomic=atomic)
        assert {result["status"] for result in results} == {201}
        assert [result["body"]["title"] for result in results] == [f"Task {number}" for number in range(100)]
        assert len((await alice.list(limit=200))["items"]) == 100

    @pytest.mark.parametrize("atomic", [False, True])
    async def test_completing_or_deleting_a_task_stops_its_timer(self, alice: Client, atomic: bool) -> None:
        for end in (lambda task: update(task, status="completed"), delete):
            task = await alice.make_task()
            await alice.start(task, started_at=ago(hours=1))
            await bulk(alice, end(task), atomic=atomic)
            assert (await alice.get("/timer")).status_code == 204
            await alice.post(f"/tasks/{task['id']}/restore")
            assert (await alice.read(task))["entry_count"] == 1

    @pytest.mark.parametrize(("overlap", "marked"), [("allow", False), ("warn", True), ("forbid", True)])
    async def test_overlap_policy_of_the_request_applies(self, alice: Client, overlap: str, marked: bool) -> None:
        task = await alice.make_task()
        entries = f"/tasks/{task['id']}/time-entries"
        await alice.post(entries, json={"started_at": ago(hours=2), "duration_seconds": 5400})
        await alice.start(task, started_at=ago(hours=1))
        await bulk(alice, update(task, status="completed"), params={"overlap": overlap})
        assert (await alice.read(task))["time_entries"][0]["needs_review"] is marked


@pytest.mark.usefixtures("entry_storage")
class TestSeparateOperations:
    async def test_results_equal_those_of_single_requests(self, alice: Client, bob: Client) -> None:
        task, trashed, foreign = await alice.make_task(), await alice.make_task(), await bob.make_task()
        results = await bulk(
            alice,
            create(title=""),
            update(foreign, title="Mine"),
            {"op": "delete", "task_id": "nonsense"},
            update(task, priority=1),
            update(task, due_at="2026-11-18T09:00:00"),
            create(),
            delete(trashed),
            delete(trashed),
        )
        assert [result["status"] for result in results] == [422, 404, 404, 200, 422, 201, 204, 404]
        assert [wrong["pointer"] for wrong in results[0]["problem"]["errors"]] == ["#/operations/0/body/title"]
        assert [wrong["pointer"] for wrong in results[4]["problem"]["errors"]] == ["#/operations/4/body/due_at"]
        alone = problem(await alice.patch(f"/tasks/{foreign['id']}", json={"title": "Mine"}), 404, "task_not_found")
        saved_count = results[1]["problem"]
        assert saved_count.keys() == alone.keys()
        assert {**saved_count, "instance": "", "request_id": ""} == {**alone, "instance": "", "request_id": ""}
        assert saved_count["instance"] == "/api/v1/tasks/bulk"
        assert (await bob.read(foreign))["title"] == foreign["title"]


@pytest.mark.usefixtures("entry_storage")
class TestAtomicBulk:
    async def test_failure_undoes_all_and_has_its_index(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await alice.start(task)
        before = await alice.read(task)
        operations = [create(), update(task, title="New", status="completed"), delete(task), update(task, priority=1)]
        response = await alice.post("/tasks/bulk", json={"operations": operations, "atomic": True})
        assert problem(response, 404, "task_not_found")["failed_index"] == 3
        assert await alice.read(task) == before
        assert await database.tasks.count_documents({}) == 1

    async def test_invalid_body_is_422_with_pointer(self, alice: Client, database: Database) -> None:
        operations = [create(), create(title="x" * 201)]
        response = await alice.post("/tasks/bulk", json={"operations": operations, "atomic": True})
        assert pointers(response) == {"#/operations/1/body/title"}
        assert response.json()["failed_index"] == 1
        assert await database.tasks.count_documents({}) == 0

    async def test_readers_never_see_a_part_of_the_changes(self, alice: Client) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(5)]

        async def look() -> set[str]:
            return {task["title"] for task in (await alice.list())["items"]}

        reads = [look() for _ in range(10)]
        _, *looks = await asyncio.gather(
            bulk(alice, *(update(task, title="New") for task in tasks), atomic=True), *reads
        )
        assert await look() == {"New"}
        for titles in looks:
            assert titles in ({"New"}, {str(number) for number in range(5)})

    async def test_two_concurrent_bulks_are_serialized(self, alice: Client) -> None:
        tasks = [await alice.make_task() for _ in range(5)]
        await asyncio.gather(
            *(bulk(alice, *(update(task, title=title) for task in tasks), atomic=True) for title in ("A", "B", "C"))
        )
        stored = [await alice.read(task) for task in tasks]
        assert len({task["title"] for task in stored}) == 1
        assert {task["version"] for task in stored} == {4}


class TestBulkRequest:
    @pytest.mark.parametrize(
        ("envelope", "wrong"),
        [
            ({}, "#/operations"),
            ({"operations": []}, "#/operations"),
            ({"operations": [create()] * 101}, "#/operations"),
            ({"operations": {}}, "#/operations"),
            ({"operations": [create()], "atomic": "true"}, "#/atomic"),
            ({"operations": [create()], "nonsense": 1}, "#/nonsense"),
            ({"operations": [{"op": "replace", "body": {}}]}, "#/operations/0/op"),
            ({"operations": [create(), {"op": "create"}]}, "#/operations/1"),
            ({"operations": [{**create(), "task_id": NOBODYS}]}, "#/operations/0"),
            ({"operations": [{"op": "update", "task_id": NOBODYS}]}, "#/operations/0"),
            ({"operations": [{"op": "update", "body": {}}]}, "#/operations/0"),
            ({"operations": [{"op": "delete"}]}, "#/operations/0"),
            ({"operations": [{"op": "delete", "task_id": NOBODYS, "body": {}}]}, "#/operations/0"),
            ({"operations": [{"op": "delete", "task_id": 7}]}, "#/operations/0/task_id"),
            ({"operations": [{"op": "create", "body": []}]}, "#/operations/0/body"),
        ],
    )
    async def test_invalid_request_changes_nothing(
        self, alice: Client, database: Database, envelope: Json, wrong: str
    ) -> None:
        assert wrong in pointers(await alice.post("/tasks/bulk", json=envelope))
        assert await database.tasks.count_documents({}) == 0


class TestBulkRetry:
    @pytest.mark.parametrize("atomic", [False, True])
    async def test_retry_runs_the_operations_once(self, alice: Client, atomic: bool) -> None:
        task = await alice.make_task()
        key = {"Idempotency-Key": "bulk-1"}
        operations = [create(), update(task, priority=1), delete(task), update(task, priority=2)][: 3 if atomic else 4]
        first, again = [await bulk(alice, *operations, atomic=atomic, headers=key) for _ in range(2)]
        assert [{**result, "problem": None} for result in first] == [{**result, "problem": None} for result in again]
        assert len((await alice.list())["items"]) == 1

    @pytest.mark.parametrize(("atomic", "saved_count"), [(False, 0), (False, 1), (False, 2), (False, 3), (True, 3)])
    async def test_retry_of_an_interrupted_bulk_runs_the_rest(
        self, alice: Client, database: Database, atomic: bool, saved_count: int
    ) -> None:
        task, other = await alice.make_task(), await alice.make_task()
        key = {"Idempotency-Key": "bulk-1"}
        operations = create(), update(other, priority=1), delete(task)
        first = await bulk(alice, *operations, atomic=atomic, headers=key)
        if not atomic:  # an atomic bulk saves its response in its transaction
            await _interrupt_after(saved_count, first, database)
        again = await bulk(alice, *operations, atomic=atomic, headers=key)
        assert [result["status"] for result in again] == [201, 200, 204]
        assert again[0]["body"]["id"] == first[0]["body"]["id"]
        assert len((await alice.list())["items"]) == 2

    async def test_each_operation_extends_the_lock_of_the_key(self, alice: Client, database: Database) -> None:
        await bulk(alice, create(), create(), headers={"Idempotency-Key": "bulk-1"})
        known = await database.idempotency_keys.find_one({})
        assert known is not None
        assert known["taken_at"] > known["created_at"]  # each saved operation renews it

    async def test_results_are_saved_in_order(self, alice: Client, database: Database) -> None:
        attempt = Attempt(await IdempotencyKey.new(alice.user["_id"], key="bulk-1", fingerprint="of a request").add())
        parts: list[Json] = [{"status": 204, "body": None}, {"status": 201, "body": {}}]
        for part in parts:
            await attempt.save_part(part)
        known = await database.idempotency_keys.find_one({})
        assert known is not None
        assert known["done"] == parts

    async def test_attempt_that_was_taken_over_stops(self, alice: Client, database: Database) -> None:
        key = await IdempotencyKey.new(alice.user["_id"], key="bulk-1", fingerprint="of a request").add()
        attempt = Attempt(key)
        await database.idempotency_keys.update_one({"_id": key["_id"]}, {"$set": {"taken_at": NINE}})
        with pytest.raises(IdempotencyInProgressError):
            await attempt.save_part({"status": 204, "body": None})
        with pytest.raises(IdempotencyInProgressError):
            await attempt.save_response(Versioned({"results": []}, None))
        known = await database.idempotency_keys.find_one({})
        assert known == {**key, "taken_at": NINE}


async def _interrupt_after(saved_count: int, results: list[Json], database: Database) -> None:
    """Change the stored key to that of a request that was interrupted after saving this number of results."""
    known = await database.idempotency_keys.find_one({})
    assert known is not None
    left = {"answer": None, "done": results[:saved_count], "taken_at": known["taken_at"].replace(year=2020)}
    await database.idempotency_keys.update_one({"_id": known["_id"]}, {"$set": left})
