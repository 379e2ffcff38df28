"""Imports that nobody waits for: 202 at once, followed until they are done, whatever happens in between."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.config import Settings
from documents.transfer.import_files import ImportFile
from services.accounts.deletion import account_deletion_service
from services.maintenance.doctor import examine
from services.transfer.import_service import background_imports
from services.transfer.imports.background import MAX_ATTEMPTS
from tests.conftest import Database
from tests.operation.crash.test_killed_imports import LINES, LONG, PLACES, SECOND_PART
from tests.races.stored_time import balance
from tests.support.http import API, PASSWORD, Client, Json, problem
from tests.support.services import dying
from tests.transfer.uploads import WEEK, kept, read_in, row, send

PATIENCE_SECONDS = 60.0


async def begin(client: Client, lines: str, **fields: Any) -> Json:
    """The import of these lines as it begins."""
    response = await send(client, lines, wait="false", **fields)
    assert response.status_code == 202, response.text
    begun: Json = response.json()
    assert response.headers["location"] == f"{API}/imports/{begun['id']}"
    return begun


async def followed(client: Client, begun: Json) -> Json:
    """The import once it does not run any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            read: Json = (await client.get(f"/imports/{begun['id']}")).json()
            assert 0 <= read["rows_done"] <= read["rows"] == begun["rows"]
            if read["status"] != "running":
                return read
            await asyncio.sleep(0.05)


async def let_time_pass(database: Database) -> None:
    """Whoever was at an import has not been heard of for a minute."""
    async for batch in database.import_batches.find({"background": {"$exists": True}}):
        then = {"taken_at": batch["taken_at"] - timedelta(minutes=1)}
        await database.import_batches.update_one({"_id": batch["_id"]}, {"$set": then})


async def nothing_is_kept_of(database: Database, made: Json) -> None:
    """Neither its file nor what it was asked with."""
    batch = await database.import_batches.find_one({"_id": ObjectId(made["id"])})
    assert batch is not None
    assert batch.keys().isdisjoint({"background", "holder"})
    await asyncio.gather(*background_imports._tasks.values())
    assert await database.import_files.count_documents({}) == 0


class TestAnImportThatNobodyWaitsFor:
    async def test_is_followed_until_it_is_done(self, alice: Client, bob: Client, database: Database) -> None:
        begun = await begin(alice, WEEK)
        assert (begun["status"], begun["rows"], begun["rows_done"]) == ("running", 4, 0)
        done = await followed(alice, begun)
        assert (done["status"], done["rows_done"]) == ("done", 4)
        waited = await read_in(bob, WEEK)
        assert done | {name: waited[name] for name in ("id", "created_at")} == waited
        await nothing_is_kept_of(database, done)
        await balance(database)
        events = (await alice.get("/users/me/audit")).json()["items"]
        assert [event["detail"]["id"] for event in events if event["event"] == "imported"] == [done["id"]]

    async def test_is_asked_for_in_the_address_as_well(self, alice: Client) -> None:
        form = {"format": "csv", "timezone": "UTC"}
        file = {"file": ("a.csv", b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail\n")}
        response = await alice.post("/imports", params={"wait": "false"}, data=form, files=file)
        assert response.status_code == 202
        assert (await followed(alice, response.json()))["created"]["entries"] == 1

    async def test_is_refused_at_once_when_the_file_is_none(self, alice: Client, database: Database) -> None:
        form = {"format": "csv", "timezone": "UTC", "wait": "false"}
        problem(await alice.post("/imports", data=form, files={"file": ("a.csv", b"x")}), 422, "invalid_request")
        assert await database.import_batches.count_documents({}) == 0
        assert await database.import_files.count_documents({}) == 0

    async def test_has_no_dry_run(self, alice: Client) -> None:
        response = await send(alice, WEEK, wait="false", dry_run="true")
        assert (response.status_code, response.json()["status"]) == (200, "done")

    async def test_adds_each_row_once_however_often_it_is_sent(self, alice: Client, database: Database) -> None:
        begun = await asyncio.gather(*(begin(alice, WEEK) for _ in range(3)), read_in(alice, WEEK))
        done = [await followed(alice, one) for one in begun]
        assert sorted(one["created"]["entries"] for one in done) == [0, 0, 0, 4]
        assert sum([task["entry_count"] async for task in database.tasks.find()]) == 4
        await balance(database)

    async def test_of_a_whole_account_is_one_too(self, alice: Client, bob: Client) -> None:
        await read_in(alice, WEEK)
        content = (await alice.get("/exports/account.ndjson.gz")).content
        form = {"format": "account", "wait": "false"}
        begun = (await bob.post("/imports", data=form, files={"file": ("a.gz", content)})).json()
        assert (begun["status"], begun["rows"]) == ("running", 4)
        done = await followed(bob, begun)
        assert (done["status"], done["created"]) == ("done", {"projects": 2, "tasks": 3, "entries": 4})

    async def test_waits_for_its_turn_and_cannot_be_deleted_before(self, alice: Client, database: Database) -> None:
        first = await read_in(alice, row(2, "09:00", "10:00"))
        held = {"holder": "somebody", "state": "under_way"}
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
        done = await followed(alice, begun)
        assert done["created"]["entries"] == 4
        assert (await alice.delete(f"/imports/{done['id']}")).json()["removed"]["entries"] == 4
        assert (await alice.get(f"/imports/{done['id']}")).json() == {**done, "state": "undone"}

    async def test_fails_as_a_whole_where_it_is_strict(self, alice: Client, database: Database) -> None:
        done = await followed(alice, await begin(alice, WEEK + row(6, "10:00", "nonsense"), strict="true"))
        assert (done["status"], done["created"]["entries"]) == ("failed", 0)
        assert [error["row"] for error in done["errors"]] == [5]
        assert done["failure"] == "1 row of the file cannot be imported, so nothing was imported: see errors."
        assert await kept(database) == []
        await nothing_is_kept_of(database, done)
        assert (await read_in(alice, WEEK))["created"]["entries"] == 4

    @pytest.mark.parametrize("wait", ["true", "false"])
    async def test_ends_with_the_account(self, wait: str, alice: Client, database: Database) -> None:
        sent, gone = await asyncio.gather(
            send(alice, LINES, wait=wait), alice.request("DELETE", "/users/me", json={"password": PASSWORD})
        )
        assert gone.status_code == 204
        assert sent.status_code in {201, 202, 401}
        await asyncio.gather(*background_imports._tasks.values())
        for sweep in list(account_deletion_service._sweeps):
            sweep.cancel()
        assert await kept(database) == []

    async def test_is_of_a_user_who_is_deleted_meanwhile(self, alice: Client, database: Database) -> None:
        batch = await left(alice, database, row(2, "09:00", "10:00"))
        await database.users.delete_one({"_id": alice.user["_id"]})
        background_imports._start(alice.user["_id"])
        await asyncio.gather(*background_imports._tasks.values())
        assert await kept(database) == []
        await database.import_batches.delete_one({"_id": ObjectId(batch["id"])})


async def left(alice: Client, database: Database, lines: str, **fields: str) -> Json:
    """An import that was begun, and that no process is at."""
    first = await read_in(alice, row(28, "09:00", "10:00"))
    async with holding(database, first):
        begun = await begin(alice, lines, **fields)
        for task in list(background_imports._tasks.values()):
            task.cancel()
            await asyncio.wait({task})
    await alice.delete(f"/imports/{first['id']}")
    await database.import_batches.delete_one({"_id": ObjectId(first["id"])})
    return begun


async def killed(alice: Client, database: Database, settings: Settings, folder: Path, *, at: str) -> Json:
    """An import that was begun by a service which is killed there."""
    async with (
        dying(settings, database, folder, at=at) as address,
        Client(base_url=address + API, headers=alice.headers, timeout=30) as client,
    ):
        begun = await begin(client, LINES)
        with pytest.raises(httpx.TransportError):
            await followed(client, begun)
    return begun


class holding:  # noqa: N801 -- a context manager
    """Somebody is at this import meanwhile."""

    def __init__(self, database: Database, made: Json) -> None:
        self._batches, self._mine = database.import_batches, {"_id": ObjectId(made["id"])}

    async def __aenter__(self) -> None:
        batch = await self._batches.find_one(self._mine)
        assert batch is not None
        held = {"holder": "somebody", "taken_at": batch["taken_at"] + timedelta(minutes=1)}
        await self._batches.update_one(self._mine, {"$set": held})

    async def __aexit__(self, *_: object) -> None:
        await self._batches.update_one(self._mine, {"$unset": {"holder": ""}})


class TestAnImportThatIsLeft:
    async def test_is_gone_on_with_by_whoever_serves(self, alice: Client, database: Database) -> None:
        fields = {"format": "auto", "columns": '{"task": "Description"}', "day_start": "08:00", "strict": "True"}
        begun = await left(alice, database, WEEK, **fields)
        assert (await alice.get(f"/imports/{begun['id']}")).json()["status"] == "running"
        await let_time_pass(database)
        done = await followed(alice, begun)
        assert (done["status"], done["format"], done["created"]["entries"]) == ("done", "csv", 4)
        assert "first draft" in [task["title"] for task in (await alice.list())["items"]]
        await nothing_is_kept_of(database, done)

    async def test_fails_where_its_file_is_gone(self, alice: Client, database: Database) -> None:
        begun = await left(alice, database, WEEK)
        await ImportFile.delete_parts(alice.user["_id"], ObjectId(begun["id"]))
        await let_time_pass(database)
        done = await followed(alice, begun)
        assert (done["status"], done["failure"]) == ("failed", "The uploaded file is no longer stored: send it again.")

    async def test_is_given_back_after_too_many_tries(
        self, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        begun = await killed(alice, database, settings, tmp_path, at=SECOND_PART)
        await database.import_batches.update_one({}, {"$set": {"background.tries": MAX_ATTEMPTS}})
        await let_time_pass(database)
        done = await followed(alice, begun)
        assert (done["status"], done["created"]["entries"]) == ("failed", 0)
        assert await kept(database) == []
        await nothing_is_kept_of(database, done)

    @pytest.mark.parametrize(("place", "written"), PLACES if LONG else PLACES[:1])
    async def test_by_a_kill_is_finished_after_a_restart(
        self, place: str, written: int, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        begun = await killed(alice, database, settings, tmp_path, at=place)
        read = (await alice.get(f"/imports/{begun['id']}")).json()
        assert (read["status"], read["rows_done"], read["created"]["entries"]) == ("running", written, written)
        problem(await alice.delete(f"/imports/{begun['id']}"), 409, "import_running")
        await let_time_pass(database)
        done = await followed(alice, begun)
        assert (done["status"], done["rows_done"], done["duplicates"]) == ("done", 1_200, 0)
        assert done["created"] == {"projects": 1, "tasks": 1, "entries": 1_200}
        await nothing_is_kept_of(database, done)
        await balance(database)
        assert not (await examine()).findings
