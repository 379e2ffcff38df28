"""Background imports: they answer 202 at once and are completed, also after a crash."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.config import Settings
from documents.transfer.import_batches import ImportBatch
from documents.transfer.import_files import ImportFile
from services.accounts.deletion import account_deletion_service
from services.maintenance.doctor import examine
from services.transfer.import_service import background_imports
from services.transfer.imports import background
from tests.conftest import Database
from tests.operation.crash.test_killed_imports import KILL_POINTS, LINES, SECOND_PART
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import API, LONG, PASSWORD, Client, Json, problem
from tests.support.services import captured_logs, serving_until_killed
from tests.transfer.uploads import WEEK, import_rows, row, stored_items, upload

PATIENCE_SECONDS = 60.0


async def begin(client: Client, lines: str, **fields: Any) -> Json:
    """Start a background import of these lines. Return it as it begins."""
    response = await upload(client, lines, wait="false", **fields)
    assert response.status_code == 202, response.text
    begun: Json = response.json()
    assert response.headers["location"] == f"{API}/imports/{begun['id']}"
    return begun


async def wait_until_done(client: Client, begun: Json) -> Json:
    """Poll the import until it has ended. Return it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            read: Json = (await client.get(f"/imports/{begun['id']}")).json()
            assert 0 <= read["rows_done"] <= read["rows"] == begun["rows"]
            if read["status"] != "running":
                return read
            await asyncio.sleep(0.05)


async def expire_lease(database: Database) -> None:
    """Let the lease expire."""
    async for batch in database.import_batches.find({"background": {"$exists": True}}):
        then = {"taken_at": batch["taken_at"] - timedelta(minutes=1)}
        await database.import_batches.update_one({"_id": batch["_id"]}, {"$set": then})


async def require_nothing_stored(database: Database, result: Json) -> None:
    """Assert that neither the uploaded file nor the form is stored."""
    batch = await database.import_batches.find_one({"_id": ObjectId(result["id"])})
    assert batch is not None
    assert batch.keys().isdisjoint({"background", "holder"})
    await asyncio.gather(*background_imports._tasks.values())
    assert await database.import_files.count_documents({}) == 0


@pytest.mark.usefixtures("entry_storage")
class TestBackgroundImport:
    async def test_progress_can_be_followed_until_it_is_done(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        begun = await begin(alice, WEEK)
        assert (begun["status"], begun["rows"], begun["rows_done"]) == ("running", 4, 0)
        done = await wait_until_done(alice, begun)
        assert (done["status"], done["rows_done"]) == ("done", 4)
        waited = await import_rows(bob, WEEK)
        assert done | {name: waited[name] for name in ("id", "created_at")} == waited
        await require_nothing_stored(database, done)
        await assert_stored_time_is_consistent(database)
        events = (await alice.get("/users/me/audit")).json()["items"]
        assert [event["detail"]["id"] for event in events if event["event"] == "imported"] == [done["id"]]

    async def test_wait_can_be_a_query_parameter(self, alice: Client) -> None:
        form = {"format": "csv", "timezone": "UTC"}
        file = {"file": ("a.csv", b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail\n")}
        response = await alice.post("/imports", params={"wait": "false"}, data=form, files=file)
        assert response.status_code == 202
        assert (await wait_until_done(alice, response.json()))["created"]["entries"] == 1

    async def test_unreadable_file_is_refused_at_once(self, alice: Client, database: Database) -> None:
        form = {"format": "csv", "timezone": "UTC", "wait": "false"}
        problem(await alice.post("/imports", data=form, files={"file": ("a.csv", b"x")}), 422, "invalid_request")
        assert await database.import_batches.count_documents({}) == 0
        assert await database.import_files.count_documents({}) == 0

    async def test_dry_run_is_answered_when_it_is_done(self, alice: Client) -> None:
        response = await upload(alice, WEEK, wait="false", dry_run="true")
        assert (response.status_code, response.json()["status"]) == (200, "done")

    async def test_concurrent_uploads_add_each_row_once(self, alice: Client, database: Database) -> None:
        begun = await asyncio.gather(*(begin(alice, WEEK) for _ in range(3)), import_rows(alice, WEEK))
        done = [await wait_until_done(alice, one) for one in begun]
        assert sorted(one["created"]["entries"] for one in done) == [0, 0, 0, 4]
        assert sum([task["entry_count"] async for task in database.tasks.find()]) == 4
        await assert_stored_time_is_consistent(database)

    async def test_account_file_can_be_imported_in_the_background(self, alice: Client, bob: Client) -> None:
        await import_rows(alice, WEEK)
        content = (await alice.get("/exports/account.ndjson.gz")).content
        form = {"format": "account", "wait": "false"}
        with captured_logs(background) as logs:
            begun = (await bob.post("/imports", data=form, files={"file": ("a.gz", content)})).json()
            assert (begun["status"], begun["rows"]) == ("running", 4)
            done = await wait_until_done(bob, begun)
        assert "import_interrupted" not in [line["event"] for line in logs]
        assert (done["status"], done["created"]) == ("done", {"projects": 2, "tasks": 3, "entries": 4})

    async def test_waiting_import_cannot_be_deleted(self, alice: Client, database: Database) -> None:
        first = await import_rows(alice, row(2, "09:00", "10:00"))
        held = {"holder": "another process", "state": "under_way"}
        now = {"taken_at": (await database.command("hello"))["localTime"]}
        await database.import_batches.update_one({"_id": ObjectId(first["id"])}, {"$set": held | now})
        begun = await begin(alice, WEEK)
        for one in (first, begun):
            read = (await alice.get(f"/imports/{one['id']}")).json()
            assert read["status"] == "running"
            problem(await alice.delete(f"/imports/{one['id']}"), 409, "import_running")
        listed = (await alice.get("/imports")).json()["items"]
        assert [item["status"] for item in listed] == ["running", "running"]
        free = {"$unset": {"holder": ""}, "$set": {"state": "done"}}
        await database.import_batches.update_one({"_id": ObjectId(first["id"])}, free)
        done = await wait_until_done(alice, begun)
        assert done["created"]["entries"] == 4
        assert (await alice.delete(f"/imports/{done['id']}")).json()["removed"]["entries"] == 4
        assert (await alice.get(f"/imports/{done['id']}")).json() == {**done, "state": "undone"}

    async def test_strict_import_fails_and_writes_nothing(self, alice: Client, database: Database) -> None:
        done = await wait_until_done(alice, await begin(alice, WEEK + row(6, "10:00", "nonsense"), strict="true"))
        assert (done["status"], done["created"]["entries"]) == ("failed", 0)
        assert [error["row"] for error in done["errors"]] == [5]
        assert done["failure"] == "1 row of the file cannot be imported, so nothing was imported: see errors."
        assert await stored_items(database) == []
        await require_nothing_stored(database, done)
        assert (await import_rows(alice, WEEK))["created"]["entries"] == 4

    @pytest.mark.parametrize("wait", ["true", "false"])
    async def test_deleting_the_account_leaves_nothing(self, wait: str, alice: Client, database: Database) -> None:
        sent, deleted = await asyncio.gather(
            upload(alice, LINES, wait=wait), alice.request("DELETE", "/users/me", json={"password": PASSWORD})
        )
        assert deleted.status_code == 204
        assert sent.status_code in {201, 202, 401}
        await asyncio.gather(*background_imports._tasks.values())
        for sweep in list(account_deletion_service._sweeps):
            sweep.cancel()
        assert await stored_items(database) == []

    async def test_import_of_a_deleted_user_is_not_run(self, alice: Client, database: Database) -> None:
        batch = await start_abandoned(alice, database, row(2, "09:00", "10:00"))
        await database.users.delete_one({"_id": alice.user["_id"]})
        background_imports._start(alice.user["_id"])
        await asyncio.gather(*background_imports._tasks.values())
        assert await stored_items(database) == []
        await database.import_batches.delete_one({"_id": ObjectId(batch["id"])})


async def start_abandoned(alice: Client, database: Database, lines: str, **fields: str) -> Json:
    """Start a background import and stop the task that runs it."""
    first = await import_rows(alice, row(28, "09:00", "10:00"))
    async with leased_by_another(database, first):
        begun = await begin(alice, lines, **fields)
        for task in list(background_imports._tasks.values()):
            task.cancel()
            await asyncio.wait({task})
    await alice.delete(f"/imports/{first['id']}")
    await database.import_batches.delete_one({"_id": ObjectId(first["id"])})
    return begun


async def start_until_killed(alice: Client, database: Database, settings: Settings, folder: Path, *, at: str) -> Json:
    """Start a background import in a service that is killed at this call."""
    async with (
        serving_until_killed(settings, database, folder, at=at) as address,
        Client(base_url=address + API, headers=alice.headers, timeout=30) as client,
    ):
        begun = await begin(client, LINES)
        with pytest.raises(httpx.TransportError):
            await wait_until_done(client, begun)
    return begun


class leased_by_another:  # noqa: N801 -- a context manager
    """A context in which another process has the lease of this import."""

    def __init__(self, database: Database, result: Json) -> None:
        self._batches, self._mine = database.import_batches, {"_id": ObjectId(result["id"])}

    async def __aenter__(self) -> None:
        batch = await self._batches.find_one(self._mine)
        assert batch is not None
        held = {"holder": "another process", "taken_at": batch["taken_at"] + timedelta(minutes=1)}
        await self._batches.update_one(self._mine, {"$set": held})

    async def __aexit__(self, *_: object) -> None:
        await self._batches.update_one(self._mine, {"$unset": {"holder": ""}})


class TestAbandonedImport:
    async def test_is_continued_by_another_process(self, alice: Client, database: Database) -> None:
        fields = {"format": "auto", "columns": '{"task": "Description"}', "day_start": "08:00", "strict": "True"}
        begun = await start_abandoned(alice, database, WEEK, **fields)
        assert (await alice.get(f"/imports/{begun['id']}")).json()["status"] == "running"
        await expire_lease(database)
        done = await wait_until_done(alice, begun)
        assert (done["status"], done["format"], done["created"]["entries"]) == ("done", "csv", 4)
        assert "first draft" in [task["title"] for task in (await alice.list())["items"]]
        await require_nothing_stored(database, done)

    async def test_next_import_of_a_user_is_their_own(self, alice: Client, bob: Client, database: Database) -> None:
        await start_abandoned(bob, database, WEEK)
        begun = await start_abandoned(alice, database, WEEK)
        batch = await ImportBatch.find_next_background(alice.user["_id"])
        assert batch is not None
        assert str(batch["_id"]) == begun["id"]

    async def test_fails_if_its_file_is_missing(self, alice: Client, database: Database) -> None:
        begun = await start_abandoned(alice, database, WEEK)
        await ImportFile.delete_parts(alice.user["_id"], ObjectId(begun["id"]))
        await expire_lease(database)
        done = await wait_until_done(alice, begun)
        assert (done["status"], done["failure"]) == ("failed", "The uploaded file is no longer stored: send it again.")

    async def test_is_undone_after_too_many_attempts(
        self, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        begun = await start_until_killed(alice, database, settings, tmp_path, at=SECOND_PART)
        await database.import_batches.update_one({}, {"$set": {"background.tries": 10}})
        await expire_lease(database)
        done = await wait_until_done(alice, begun)
        assert (done["status"], done["created"]["entries"]) == ("failed", 0)
        assert await stored_items(database) == []
        await require_nothing_stored(database, done)

    @pytest.mark.parametrize(("place", "written"), KILL_POINTS if LONG else KILL_POINTS[:1])
    async def test_is_completed_after_a_kill_and_a_restart(
        self, place: str, written: int, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        begun = await start_until_killed(alice, database, settings, tmp_path, at=place)
        read = (await alice.get(f"/imports/{begun['id']}")).json()
        assert (read["status"], read["rows_done"], read["created"]["entries"]) == ("running", written, written)
        problem(await alice.delete(f"/imports/{begun['id']}"), 409, "import_running")
        await expire_lease(database)
        done = await wait_until_done(alice, begun)
        assert (done["status"], done["rows_done"], done["duplicates"]) == ("done", 1_200, 0)
        assert done["created"] == {"projects": 1, "tasks": 1, "entries": 1_200}
        await require_nothing_stored(database, done)
        await assert_stored_time_is_consistent(database)
        assert not (await examine()).findings
