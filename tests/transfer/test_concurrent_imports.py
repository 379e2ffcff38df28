"""Concurrent uploads, and the lease of an import."""

import asyncio

from bson import ObjectId

from documents.common.base import DuplicateError
from documents.transfer.import_batches import ImportBatch
from tests.conftest import Database
from tests.races.stored_time import balance
from tests.support.http import Client, problem
from tests.transfer.uploads import WEEK, held, kept, read_in, row, send


class TestUploadsAtOnce:
    async def test_of_one_file_add_it_once(self, alice: Client, database: Database) -> None:
        made = await asyncio.gather(*(read_in(alice, WEEK) for _ in range(4)))
        assert sorted((one["created"]["entries"], one["duplicates"]) for one in made) == [(0, 4)] * 3 + [(4, 0)]
        assert await database.import_batches.count_documents({"holder": {"$exists": True}}) == 0
        await balance(database)

    async def test_of_two_files_make_a_project_and_a_task_once(self, alice: Client, database: Database) -> None:
        await asyncio.gather(*(read_in(alice, row(day, "09:00", "10:00")) for day in range(1, 5)))
        assert await database.projects.count_documents({}) == await database.tasks.count_documents({}) == 1
        await balance(database)

    async def test_of_two_users_do_not_wait_for_each_other(self, alice: Client, bob: Client) -> None:
        made = await asyncio.gather(*(read_in(client, WEEK) for client in (alice, bob)))
        assert [one["created"]["entries"] for one in made] == [4, 4]

    async def test_and_a_deletion_leave_all_or_nothing(self, alice: Client, database: Database) -> None:
        made = await read_in(alice, WEEK)
        again, undone = await asyncio.gather(read_in(alice, WEEK), alice.delete(f"/imports/{made['id']}"))
        assert undone.json()["removed"]["entries"] == 4
        assert again["created"]["entries"] in {0, 4}
        await balance(database)

    async def test_and_changes_of_what_is_there_lose_nothing(self, alice: Client, database: Database) -> None:
        project = await alice.make_project(name="Website")
        task = await alice.make_task(title="Offer", project_id=project["id"])
        lines = "".join(row(day, f"{hour:02}:00", "12:00") for day in range(1, 15) for hour in (9, 11))
        changes = [
            alice.write(task, started_at=f"2026-10-{day:02}T09:00:00Z", duration_seconds=60) for day in range(1, 11)
        ]
        renaming = alice.patch(f"/projects/{project['id']}", json={"name": "Site"})
        made, renamed, _ = await asyncio.gather(send(alice, lines), renaming, asyncio.gather(*changes))
        assert (made.status_code, renamed.status_code) == (201, 200)
        assert sum([found["entry_count"] async for found in database.tasks.find()]) == 38
        await balance(database)


class TestAnImportUnderWay:
    async def test_is_the_only_one_of_twenty_that_begin_at_once(self, alice: Client) -> None:
        batches = [ImportBatch.new(alice.user["_id"], format="csv", digest=str(number)) for number in range(20)]
        added = await asyncio.gather(*(batch.add() for batch in batches), return_exceptions=True)
        assert sorted(isinstance(one, DuplicateError) for one in added) == [False] + [True] * 19

    async def test_is_taken_over_by_one_of_twenty(self, alice: Client, database: Database) -> None:
        made = await read_in(alice, row(2, "09:00", "10:00"))
        await held(database, made, minutes=1)
        batch = await database.import_batches.find_one({})
        assert batch is not None
        taken = await asyncio.gather(*(ImportBatch.acquire_lease(batch, "under_way") for _ in range(20)))
        assert sum(one is not None for one in taken) == 1

    async def test_is_waited_for(self, alice: Client, database: Database) -> None:
        made = await read_in(alice, row(2, "09:00", "10:00"))
        await held(database, made)
        upload = asyncio.ensure_future(read_in(alice, row(3, "09:00", "10:00")))
        problem(await alice.delete(f"/imports/{made['id']}"), 409, "import_running")
        await asyncio.sleep(1)
        assert await database.import_batches.count_documents({}) == 1
        assert not upload.done()
        await database.import_batches.update_one({}, {"$unset": {"holder": ""}, "$set": {"state": "done"}})
        assert (await upload)["created"]["entries"] == 1
        assert (await alice.delete(f"/imports/{made['id']}")).json()["removed"]["entries"] == 1
        await balance(database)

    async def test_whose_holder_is_gone_gives_way_to_another_file(self, alice: Client, database: Database) -> None:
        lines = row(2, "09:00", "10:00")
        made = await read_in(alice, lines)
        await held(database, made, minutes=1)
        await read_in(alice, row(3, "09:00", "10:00"))
        read = (await alice.get(f"/imports/{made['id']}")).json()
        assert (read["status"], read["state"]) == ("failed", "interrupted")
        assert read["failure"] == "The import was interrupted. Send the same file again to continue it."
        assert await read_in(alice, lines) == made

    async def test_whose_holder_is_gone_can_be_taken_back(self, alice: Client, database: Database) -> None:
        made = await read_in(alice, WEEK)
        await held(database, made, minutes=1)
        undone = (await alice.delete(f"/imports/{made['id']}")).json()
        assert undone["removed"] == made["created"]
        assert await kept(database) == []

    async def test_that_was_taken_over_writes_nothing_more(self, alice: Client, database: Database) -> None:
        made = await read_in(alice, row(2, "09:00", "10:00"))
        await held(database, made)
        batch = {"_id": ObjectId(made["id"]), "user_id": alice.user["_id"], "holder": "another"}
        counted = {"projects": 0, "tasks": 0, "entries": 1}
        assert not await ImportBatch.add_created(batch, counted, [], max_errors=0)
        assert not await ImportBatch.renew_lease(batch)
        assert await ImportBatch.release_lease(batch, "done") is None
        assert (await alice.get(f"/imports/{made['id']}")).json()["created"] == made["created"]
        await held(database, made, minutes=1)
