"""The size of transactions is limited: imports are split, and atomic requests that are too large are rejected."""

import asyncio
import math
from itertools import pairwise
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DatabaseUnavailableError
from documents.common.base import DuplicateError
from documents.tracking.tasks import Task
from documents.transfer.import_batches import ImportBatch
from services.common import concurrency
from services.tracking.rules.capacity import MAX_TASK_BYTES, MAX_UPDATED_TASK_BYTES
from services.tracking.rules.transaction_sizes import MAX_TRANSACTION_BYTES, split_by_size
from services.transfer.imports import lease as import_leases
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.feed.recorded import wait_until_relayed
from tests.support.http import Client, Json, at, problem
from tests.support.large_tasks import many_entries
from tests.support.pages.stored_tasks import read_task

LONG_NOTE = "€" * 4500
"""The note of each entry: a task of a few long entries is as large as one of many, and is read faster."""


async def create_large_task(client: Client, database: Database, megabytes: float, *, title: str = "Large") -> Json:
    """Create a task whose entries have this size in megabytes."""
    task = await client.make_task(title=title)
    await database.tasks.update_one({"_id": ObjectId(task["id"])}, {"$set": many_entries(megabytes, LONG_NOTE)})
    return task


async def task_bytes(database: Database, task: Json) -> int:
    user_id = (await database.tasks.find_one({"_id": ObjectId(task["id"])}, {"user_id": 1}))["user_id"]  # type: ignore[index]
    return (await Task.sizes_in_bytes(user_id, [ObjectId(task["id"])]))[ObjectId(task["id"])]


def rename_operations(tasks: list[Json], title: str, times: int = 1) -> Json:
    update = [{"op": "update", "task_id": task["id"], "body": {"title": title}} for task in tasks]
    return {"operations": update * times, "atomic": True}


class TestBulkOfLargeTasks:
    async def test_atomic_bulk_is_rejected_and_a_non_atomic_one_is_done(
        self, alice: Client, database: Database
    ) -> None:
        task = await create_large_task(alice, database, 2)
        times = MAX_TRANSACTION_BYTES // await task_bytes(database, task)
        accepted = await alice.post("/tasks/bulk", json=rename_operations([task], "Allowed", times))
        assert accepted.status_code == 200
        one_more = rename_operations([task], "Refused", times + 1)
        error = problem(await alice.post("/tasks/bulk", json=one_more), 422, "bulk_too_large")
        megabytes = math.ceil(await task_bytes(database, task) * (times + 1) / 2**20)
        assert f"would write {megabytes} MB; the maximum is 16 MB" in error["detail"]
        assert (await alice.read(task))["title"] == "Allowed"
        response = await alice.post("/tasks/bulk", json={**one_more, "atomic": False})
        assert [result["status"] for result in response.json()["results"]] == [200] * (times + 1)
        assert (await alice.read(task))["title"] == "Refused"

    async def test_tasks_of_other_users_are_not_counted(self, alice: Client, bob: Client, database: Database) -> None:
        other_task = await create_large_task(bob, database, 2)
        times = MAX_TRANSACTION_BYTES // await task_bytes(database, other_task) + 1
        response = await alice.post("/tasks/bulk", json=rename_operations([other_task], "Mine", times))
        assert problem(response, 404, "task_not_found")["failed_index"] == 0


class TestFullTask:
    @pytest.fixture
    async def task(self, alice: Client, database: Database) -> Json:
        task = await create_large_task(alice, database, 16)
        assert MAX_TASK_BYTES < await task_bytes(database, task) < MAX_UPDATED_TASK_BYTES
        return task

    async def test_new_entries_are_rejected_unless_a_page_turn_makes_room(
        self, alice: Client, database: Database, task: Json, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = await alice.make_task()
        entry = await alice.write(other)
        body = {"started_at": "2026-11-18T12:00:00Z", "duration_seconds": 60}
        with monkeypatch.context() as patch:
            patch.setattr(Task, "paged_at_once", 1)
            for path, sent in (
                (f"/tasks/{task['id']}/time-entries", body),
                ("/timer/start", {"task_id": task["id"]}),
                ("/timer/switch", {"task_id": task["id"]}),
                (f"{at(entry)}/move", {"task_id": task["id"]}),
            ):
                problem(await alice.post(path, json=sent), 409, "task_full")
        assert (await alice.read(other))["entry_count"] == 1
        await alice.write(task)
        (page,) = (await read_task(database, task)).pages
        assert page["entry_count"] == 4 + 100, "each rejected request has moved one entry"
        assert await task_bytes(database, task) < MAX_TASK_BYTES

    async def test_timer_can_be_stopped(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await alice.start(task, note=LONG_NOTE)
        await database.tasks.update_one({"_id": ObjectId(task["id"])}, {"$set": many_entries(16.2, LONG_NOTE)})
        stopped = await alice.stop()
        assert stopped["entry"]["note"] == LONG_NOTE

    async def test_notes_can_be_shortened_but_notes_and_tags_not_extended(
        self, alice: Client, database: Database, task: Json
    ) -> None:
        newest = (await alice.read(task))["time_entries"][0]
        shorter = await alice.patch(at(newest), json={"note": None})
        assert shorter.status_code == 200, shorter.text
        await database.tasks.update_one({"_id": ObjectId(task["id"])}, {"$set": many_entries(16.6, LONG_NOTE)})
        assert await task_bytes(database, task) > MAX_UPDATED_TASK_BYTES
        newest = (await alice.read(task))["time_entries"][0]
        problem(await alice.patch(at(newest), json={"note": LONG_NOTE + "!"}), 409, "task_full")
        problem(await alice.patch(at(newest), json={"tags": [*newest["tags"], "another"]}), 409, "task_full")

    async def test_update_that_exceeds_the_document_size_is_rejected(
        self, alice: Client, database: Database, task: Json
    ) -> None:
        await wait_until_relayed(database, alice.user["_id"])  # the outbox is a part of the document
        description = "d" * (16_777_000 - await task_bytes(database, task))
        await database.tasks.update_one({"_id": ObjectId(task["id"])}, {"$set": {"description": description}})
        response = await alice.patch(f"/tasks/{task['id']}", json={"description": None})
        assert response.status_code == 200, response.text
        await wait_until_relayed(database, alice.user["_id"])
        await database.tasks.update_one({"_id": ObjectId(task["id"])}, {"$set": {"description": description}})
        longer = {"title": "€" * 200}
        problem(await alice.patch(f"/tasks/{task['id']}", json=longer), 409, "task_full")


class TestImportIntoLargeTasks:
    async def test_each_transaction_is_small(self, alice: Client, database: Database) -> None:
        tasks = [await create_large_task(alice, database, 2.5, title=f"Large {number}") for number in range(3)]
        entries = (await alice.read(tasks[0]))["entry_count"]
        lines = [
            f"2026-11-{day:02} {9 + number:02}:00,2026-11-{day:02} {9 + number:02}:30,Large {number}"
            for number in range(3)
            for day in (3, 4)
        ]
        async with await database.import_batches.watch() as changes:
            result = await alice.import_csv(*lines)
            written = await _entries_written_at_once(changes)
        assert result["created"] == {"projects": 0, "tasks": 0, "entries": 6}
        assert written == [2] * 3
        assert {(await alice.read(task))["entry_count"] for task in tasks} == {entries + 2}


async def _entries_written_at_once(changes: Any) -> list[int]:
    """Return the number of entries that each transaction of an import has written."""
    counts = [0]
    while (change := await changes.try_next()) is not None:
        fields = change.get("fullDocument") or change["updateDescription"]["updatedFields"]
        count = fields.get("created.entries", fields.get("created", {}).get("entries"))
        if count is not None and count > counts[-1]:
            counts.append(count)
    return [after - before for before, after in pairwise(counts)]


class TestImportIntoATaskOfMaximumSize:
    async def test_entries_are_added_after_older_ones_moved_to_a_page(self, alice: Client, database: Database) -> None:
        full = await create_large_task(alice, database, 16, title="Offer")
        count = (await alice.read(full))["entry_count"]
        result = await alice.import_csv("2026-11-03 09:00,2026-11-03 09:30,Offer")
        assert result["created"] == {"projects": 0, "tasks": 0, "entries": 1}
        assert (await alice.read(full))["entry_count"] == count + 1
        assert await task_bytes(database, full) < MAX_TASK_BYTES
        await assert_stored_time_is_consistent(database)


class TestImportOfManyRowsIntoALargeTask:
    async def test_task_is_written_twice(self, alice: Client, database: Database) -> None:
        """Each update writes the whole task: one update per row would take minutes."""
        large = await create_large_task(alice, database, 6, title="Offer")
        before = await alice.read(large)
        rows = [f"2026-11-03 09:{minute:02},2026-11-03 09:{minute:02},Offer" for minute in range(30)]
        result = await alice.import_csv(*rows)
        assert result["created"] == {"projects": 0, "tasks": 0, "entries": 30}
        after = await alice.read(large)
        assert after["entry_count"] == before["entry_count"] + 30
        assert after["version"] == before["version"] + 2, "once for the page, once for the entries"


class TestSlowPart:
    async def test_part_does_not_conflict_with_the_renewal_of_the_lease(
        self, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(import_leases, "RENEW_SECONDS", 0.05)
        user_id, attempts = alice.user["_id"], 0

        async with import_leases.lease_for_upload(user_id, format="csv", digest="of a file") as batch:

            async def attempt() -> bool:
                nonlocal attempts
                attempts += 1
                assert await ImportBatch.find(user_id, batch["_id"])
                await asyncio.sleep(0.5)  # ten times the interval between two renewals
                return await ImportBatch.add_created(batch, {"entries": 1}, [], max_errors=0)

            assert await import_leases.write_part(batch, attempt)
        assert attempts <= 2, "only the first attempt may conflict with a renewal that was in progress at its start"

    async def test_import_cannot_be_taken_over_while_a_part_is_written(self, alice: Client) -> None:
        user_id, has_begun, may_end = alice.user["_id"], asyncio.Event(), asyncio.Event()

        async def attempt() -> bool:
            has_begun.set()
            await may_end.wait()
            return True

        async with import_leases.lease_for_upload(user_id, format="csv", digest="of a file") as batch:
            stored = await ImportBatch.find(user_id, batch["_id"])
            assert stored is not None
            part = asyncio.create_task(import_leases.write_part(batch, attempt))
            await has_begun.wait()
            taken = await ImportBatch.run_in_transaction(lambda: ImportBatch.acquire_lease(stored, "under_way"))
            may_end.set()
            assert await part
            written = await ImportBatch.find(user_id, batch["_id"])
        assert taken is None
        assert written is not None
        assert written["holder"] == batch["holder"]

    async def test_part_of_an_import_that_was_taken_over_is_not_written(self, alice: Client) -> None:
        user_id, attempts = alice.user["_id"], 0

        async def attempt() -> bool:
            nonlocal attempts
            attempts += 1
            return True

        async with import_leases.lease_for_upload(user_id, format="csv", digest="of a file") as batch:
            stored = await ImportBatch.find(user_id, batch["_id"])
            assert stored is not None
            assert await ImportBatch.acquire_lease(stored, "under_way")
            with pytest.raises(import_leases.LeaseLostError):
                await import_leases.write_part(batch, attempt)
        assert attempts == 0

    async def test_part_is_retried_for_longer_than_a_request(
        self, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(concurrency, "CONTENTION_SECONDS", 0.0)
        attempts = 0

        async def attempt() -> bool | None:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                raise DuplicateError
            return True if attempts == 4 else None

        async with import_leases.lease_for_upload(alice.user["_id"], format="csv", digest="of a file") as batch:
            assert await import_leases.write_part(batch, attempt)
        assert attempts == 4

    async def test_other_requests_of_the_user_do_not_wait_for_a_part_after_a_conflict(self, alice: Client) -> None:
        task = await alice.make_task()
        has_begun, may_end, attempts = asyncio.Event(), asyncio.Event(), 0

        async def attempt() -> bool | None:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                return None
            has_begun.set()
            await may_end.wait()
            return True

        async with import_leases.lease_for_upload(alice.user["_id"], format="csv", digest="of a file") as batch:
            part = asyncio.create_task(import_leases.write_part(batch, attempt))
            await has_begun.wait()
            response = await alice.patch(f"/tasks/{task['id']}", json={"title": "Renamed"})
            may_end.set()
            assert await part
        assert response.status_code == 200, response.text

    async def test_part_with_too_many_conflicts_is_refused_with_503(
        self, alice: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(concurrency, "LONG_CONTENTION_SECONDS", 0.2)

        async def attempt() -> None:
            return None

        with pytest.raises(DatabaseUnavailableError, match="concurrent changes"):
            async with import_leases.lease_for_upload(alice.user["_id"], format="csv", digest="of a file") as batch:
                await import_leases.write_part(batch, attempt)


class TestSplitBySize:
    @given(
        st.lists(st.integers(0, 5), max_size=30),
        st.dictionaries(st.integers(0, 5), st.integers(0, 20)),
        st.integers(1, 30),
    )
    def test_parts_contain_all_items_in_order_and_are_small(
        self, items: list[int], sizes: dict[int, int], max_bytes: int
    ) -> None:
        parts = list(split_by_size(items, sizes, lambda item: item, max_bytes=max_bytes))
        assert [item for part in parts for item in part] == items
        assert all(parts)
        for part in parts:
            documents = {document for document in part if sizes.get(document)}
            assert len(documents) <= 1 or sum(sizes[document] for document in documents) <= max_bytes
        for part, following in pairwise(parts):
            written = sum(sizes.get(document, 0) for document in {*part, following[0]})
            assert following[0] not in part
            assert written > max_bytes, "a part ends only before a document that would exceed the limit"

    def test_small_items_are_in_one_part(self) -> None:
        assert list(split_by_size([1, 2, 1], {1: 5, 2: 5}, lambda item: item, max_bytes=10)) == [[1, 2, 1]]
