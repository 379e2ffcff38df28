"""Concurrent uploads, and the lease of an import."""

import asyncio
from contextvars import Context
from typing import Any

import pytest
from bson import ObjectId

from documents.common.base import DuplicateError, Row
from documents.transfer.import_batches import ImportBatch
from documents.transfer.import_queries import find_targets
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, problem
from tests.transfer.uploads import WEEK, import_rows, lease_to_another, row, stored_items, upload

pytestmark = pytest.mark.usefixtures("entry_storage")


class TestConcurrentUploads:
    async def test_same_file_is_imported_once(self, alice: Client, database: Database) -> None:
        result = await asyncio.gather(*(import_rows(alice, WEEK) for _ in range(4)))
        assert sorted((one["created"]["entries"], one["duplicates"]) for one in result) == [(0, 4)] * 3 + [(4, 0)]
        assert await database.import_batches.count_documents({"holder": {"$exists": True}}) == 0
        await assert_stored_time_is_consistent(database)

    async def test_shared_project_and_task_are_created_once(self, alice: Client, database: Database) -> None:
        await asyncio.gather(*(import_rows(alice, row(day, "09:00", "10:00")) for day in range(1, 5)))
        assert await database.projects.count_documents({}) == await database.tasks.count_documents({}) == 1
        await assert_stored_time_is_consistent(database)

    async def test_users_do_not_wait_for_each_other(self, alice: Client, bob: Client) -> None:
        result = await asyncio.gather(*(import_rows(client, WEEK) for client in (alice, bob)))
        assert [one["created"]["entries"] for one in result] == [4, 4]

    async def test_undo_and_upload_leave_all_or_nothing(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, WEEK)
        again, undone = await asyncio.gather(import_rows(alice, WEEK), alice.delete(f"/imports/{result['id']}"))
        assert undone.json()["removed"]["entries"] == 4
        assert again["created"]["entries"] in {0, 4}
        await assert_stored_time_is_consistent(database)

    async def test_concurrent_changes_are_not_lost(self, alice: Client, database: Database) -> None:
        project = await alice.make_project(name="Website")
        task = await alice.make_task(title="Offer", project_id=project["id"])
        lines = "".join(row(day, f"{hour:02}:00", "12:00") for day in range(1, 15) for hour in (9, 11))
        changes = [
            alice.write(task, started_at=f"2026-10-{day:02}T09:00:00Z", duration_seconds=60) for day in range(1, 11)
        ]
        renaming = alice.patch(f"/projects/{project['id']}", json={"name": "Site"})
        result, renamed, _ = await asyncio.gather(upload(alice, lines), renaming, asyncio.gather(*changes))
        assert (result.status_code, renamed.status_code) == (201, 200)
        assert sum([found["entry_count"] async for found in database.tasks.find()]) == 38
        await assert_stored_time_is_consistent(database)

    async def test_renamed_task_that_is_trashed_after_the_plan_is_planned_again(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await import_rows(alice, row(2, "09:00", "10:00"))
        (task,) = (await alice.list())["items"]
        await alice.patch(f"/tasks/{task['id']}", json={"title": "Another title"})

        async def trash_and_find(*arguments: Any, **options: Any) -> list[Row]:
            await asyncio.create_task(alice.delete(f"/tasks/{task['id']}"), context=Context())
            return await find_targets(*arguments, **options)

        monkeypatch.setattr("services.transfer.imports.writer.find_targets", trash_and_find)
        assert (await import_rows(alice, row(3, "09:00", "10:00")))["created"]["entries"] == 1
        assert await database.tasks.count_documents({"deleted_at": None, "entry_count": 1}) == 1
        assert await database.tasks.count_documents({}) == 2


class TestImportLease:
    async def test_one_of_20_concurrent_imports_gets_the_lease(self, alice: Client) -> None:
        batches = [ImportBatch.new(alice.user["_id"], format="csv", digest=str(number)) for number in range(20)]
        added = await asyncio.gather(*(batch.add() for batch in batches), return_exceptions=True)
        assert sorted(isinstance(one, DuplicateError) for one in added) == [False] + [True] * 19

    async def test_expired_lease_is_taken_over_once(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        await lease_to_another(database, result, minutes=1)
        batch = await database.import_batches.find_one({})
        assert batch is not None
        taken = await asyncio.gather(*(ImportBatch.acquire_lease(batch, "under_way") for _ in range(20)))
        assert sum(one is not None for one in taken) == 1

    async def test_upload_waits_for_the_lease(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        await lease_to_another(database, result)
        request = asyncio.ensure_future(import_rows(alice, row(3, "09:00", "10:00")))
        problem(await alice.delete(f"/imports/{result['id']}"), 409, "import_running")
        await asyncio.sleep(1)
        assert await database.import_batches.count_documents({}) == 1
        assert not request.done()
        await database.import_batches.update_one({}, {"$unset": {"holder": ""}, "$set": {"state": "done"}})
        assert (await request)["created"]["entries"] == 1
        assert (await alice.delete(f"/imports/{result['id']}")).json()["removed"]["entries"] == 1
        await assert_stored_time_is_consistent(database)

    async def test_expired_lease_does_not_block_another_file(self, alice: Client, database: Database) -> None:
        lines = row(2, "09:00", "10:00")
        result = await import_rows(alice, lines)
        await lease_to_another(database, result, minutes=1)
        await import_rows(alice, row(3, "09:00", "10:00"))
        read = (await alice.get(f"/imports/{result['id']}")).json()
        assert (read["status"], read["state"]) == ("failed", "interrupted")
        assert read["failure"] == "The import was interrupted. Send the same file again to continue it."
        assert await import_rows(alice, lines) == result

    async def test_import_with_expired_lease_can_be_undone(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, WEEK)
        await lease_to_another(database, result, minutes=1)
        undone = (await alice.delete(f"/imports/{result['id']}")).json()
        assert undone["removed"] == result["created"]
        assert await stored_items(database) == []

    async def test_process_without_the_lease_writes_nothing(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, row(2, "09:00", "10:00"))
        await lease_to_another(database, result)
        batch = {"_id": ObjectId(result["id"]), "user_id": alice.user["_id"], "holder": "another"}
        counted = {"projects": 0, "tasks": 0, "entries": 1}
        assert not await ImportBatch.add_created(batch, counted, [], max_errors=0)
        assert not await ImportBatch.renew_lease(batch)
        assert await ImportBatch.release_lease(batch, "done") is None
        assert (await alice.get(f"/imports/{result['id']}")).json()["created"] == result["created"]
        await lease_to_another(database, result, minutes=1)
