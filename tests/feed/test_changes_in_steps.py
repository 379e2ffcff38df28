"""Renames and rerates take several steps, as imports do: what they change is recorded, also after a crash."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId

from app.config import Settings
from documents.accounts.users import User
from services.tracking.rules.changes import tag_renamed
from services.tracking.rules.pending_changes import record_pending_changes, recorded_at_the_end
from services.transfer.imports.lease import remove_expired_leases
from tests.conftest import Database
from tests.feed.recorded_requests import RATE, ROWS
from tests.support.feed.changes import read_changes
from tests.support.feed.recorded import read_recorded_changes, wait_until_relayed
from tests.support.feed.relays import relays_paused
from tests.support.http import API, Client, Json
from tests.support.pages.inserting import insert_hot, insert_paged
from tests.support.services import serving_until_killed
from tests.support.stored_documents import NINE, ended_entry
from tests.transfer.uploads import lease_to_another, upload

BEFORE_A_PAGE = "documents.tracking.pages:TaskPage:update_at_version"
"""The hot entries of the task are changed, and its page is not."""

RENAME = {"from": "mail", "to": "e-mail"}


def entries(count: int, **fields: Any) -> list[Json]:
    """Return entries of half a minute, one in each minute from 09:00."""
    fields = {"tags": ["mail"], "billable": True, "ended_at": NINE, "duration_seconds": 30, **fields}
    starts = [NINE + timedelta(minutes=minute) for minute in range(count)]
    return [ended_entry(at=start, **{**fields, "ended_at": start + timedelta(seconds=30)}) for start in starts]


async def insert_task(database: Database, client: Client, storage: str, count: int, **fields: Any) -> Json:
    """Insert a task with this number of entries, half of them in a page if the storage is paged."""
    rows = entries(count)
    if storage == "hot":
        return await insert_hot(database, client, rows, **fields)
    return await insert_paged(database, client, rows[: count // 2], rows[count // 2 :], **fields)


async def types_since(database: Database, client: Client, before: int) -> list[str]:
    """Return the types of the changes after the first ones."""
    return [change["type"] for change in (await read_recorded_changes(database, client.user["_id"]))[before:]]


@pytest.mark.parametrize("storage", ["hot", "paged"])
class TestMaximumOfEntryChanges:
    @pytest.mark.parametrize(("count", "listed"), [(100, 100), (101, 0)])
    async def test_rename_of_more_than_100_entries_records_the_rename_only(
        self, storage: str, count: int, listed: int, alice: Client, database: Database
    ) -> None:
        await insert_task(database, alice, storage, count, tags=["mail"])
        assert (await alice.post("/tags/rename", json=RENAME)).json() == {"tasks": 1, "entries": count}
        changes = await read_recorded_changes(database, alice.user["_id"])
        expected = ["task.updated", *["entry.updated"] * listed, "tag.renamed"]
        assert [change["type"] for change in changes] == expected
        assert changes[-1]["data"] == {**RENAME, "tasks": 1, "entries": count}

    @pytest.mark.parametrize(("count", "listed"), [(99, ["timer.corrected", *["entry.updated"] * 99]), (100, [])])
    async def test_running_timer_counts_as_an_entry(
        self, storage: str, count: int, listed: list[str], alice: Client, database: Database
    ) -> None:
        task = await insert_task(database, alice, storage, count, tags=["mail"])
        await alice.start({"id": str(task["_id"])}, tags=["mail"])
        assert (await alice.post("/tags/rename", json=RENAME)).json() == {"tasks": 1, "entries": count + 1}
        assert await types_since(database, alice, 1) == ["task.updated", *listed, "tag.renamed"]

    @pytest.mark.parametrize(("count", "listed"), [(100, 100), (101, 0)])
    async def test_rerate_of_more_than_100_entries_records_the_project_again(
        self, storage: str, count: int, listed: int, alice: Client, database: Database
    ) -> None:
        project = await alice.make_project(hourly_rate=RATE)
        await insert_task(database, alice, storage, count, project_id=ObjectId(project["id"]))
        path = f"/projects/{project['id']}"
        assert (await alice.patch(path, json={}, params={"rerate": "true"})).json()["rerated_entries"] == count
        changes = (await read_recorded_changes(database, alice.user["_id"]))[1:]
        again = ["project.updated"] if count > 100 else []
        assert [change["type"] for change in changes] == ["entry.updated"] * listed + again
        if again:
            assert changes[0]["data"] == {**(await alice.get(path)).json(), "rerated_entries": count}
            assert changes[0]["project_id"] == ObjectId(project["id"])


class TestInterruptedRequest:
    @pytest.mark.parametrize(("count", "listed"), [(20, 10), (120, 0)])
    async def test_next_start_records_a_rename(
        self, count: int, listed: int, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        await insert_task(database, alice, "paged", count)
        async with (
            serving_until_killed(settings, database, tmp_path, at=BEFORE_A_PAGE) as address,
            Client(base_url=address + API, headers=alice.headers, timeout=30) as client,
        ):
            with pytest.raises(httpx.TransportError):
                await client.post("/tags/rename", json=RENAME, headers={"X-Request-ID": "fatal"})
        assert await types_since(database, alice, 0) == ["entry.updated"] * listed
        await record_pending_changes()
        await record_pending_changes()
        changes = await read_recorded_changes(database, alice.user["_id"])
        assert [change["type"] for change in changes[listed:]] == ["tag.renamed"]
        assert changes[-1]["data"] == {**RENAME, "tasks": 0, "entries": count}
        assert changes[-1]["request_id"] == "fatal"
        assert "pending_changes" not in (await User.find_by_id(alice.user["_id"]) or {})

    @pytest.mark.parametrize("is_deleted", [False, True])
    async def test_next_start_records_a_rerate(
        self, is_deleted: bool, alice: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        project = await alice.make_project(hourly_rate=RATE)
        path = f"/projects/{project['id']}"
        await insert_task(database, alice, "paged", 120, project_id=ObjectId(project["id"]))
        async with (
            serving_until_killed(settings, database, tmp_path, at=BEFORE_A_PAGE) as address,
            Client(base_url=address + API, headers=alice.headers, timeout=30) as client,
        ):
            with pytest.raises(httpx.TransportError):
                await client.patch(path, json={}, params={"rerate": "true"})
        assert await types_since(database, alice, 1) == []
        shown: Json | None = {**(await alice.get(path)).json(), "rerated_entries": 120}
        if is_deleted:
            shown = None
            await alice.delete(path)
        before = len(await read_recorded_changes(database, alice.user["_id"]))
        await record_pending_changes()
        (change,) = (await read_recorded_changes(database, alice.user["_id"]))[before:]
        assert (change["type"], change["data"]) == ("project.updated", shown)
        assert change["project_id"] == ObjectId(project["id"])

    async def test_error_in_the_middle_records_the_change(self, alice: Client, database: Database) -> None:
        with pytest.raises(ValueError, match="broken"):
            async with recorded_at_the_end(alice.user["_id"], tag_renamed("a", "b", 1, 2)):
                raise ValueError("broken")
        assert await types_since(database, alice, 0) == ["tag.renamed"]

    async def test_end_of_a_pending_change_leaves_that_of_another_user(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        item: Json = {**tag_renamed("a", "b", 1, 2), "id": ObjectId()}
        for client in (alice, bob):
            await database.users.update_one({"_id": client.user["_id"]}, {"$set": {"pending_changes": [item]}})
        assert await User.end_pending_change(bob.user["_id"], item["id"], [])
        assert not await User.end_pending_change(bob.user["_id"], item["id"], [])
        row = await database.users.find_one({"_id": alice.user["_id"]})
        assert row is not None
        assert row["pending_changes"] == [item]

    async def test_concurrent_renames_leave_nothing_pending(self, alice: Client, database: Database) -> None:
        user_id = alice.user["_id"]
        async with recorded_at_the_end(user_id, tag_renamed("a", "b", 1, 2)):
            async with recorded_at_the_end(user_id, tag_renamed("c", "d", 1, 2)) as unneeded:
                unneeded.is_needed = False
            await record_pending_changes()  # another process starts
        assert await types_since(database, alice, 0) == ["tag.renamed", "tag.renamed"]
        assert "pending_changes" not in (await User.find_by_id(user_id) or {})


class TestInterruptedImport:
    @pytest.mark.parametrize(
        ("state", "recorded", "expected"),
        [
            ("under_way", "import.finished", {"status": "failed", "state": "interrupted"}),
            ("being_undone", "import.undone", {"status": "done", "state": "being_undone"}),
        ],
    )
    async def test_next_start_records_it(
        self, state: str, recorded: str, expected: Json, alice: Client, database: Database
    ) -> None:
        result = (await upload(alice, ROWS)).json()
        await lease_to_another(database, result, minutes=1)
        await database.import_batches.update_one({"_id": ObjectId(result["id"])}, {"$set": {"state": state}})
        await remove_expired_leases()
        await remove_expired_leases()
        *_, last = changes = await read_recorded_changes(database, alice.user["_id"])
        assert [change["type"] for change in changes] == ["import.finished", recorded]
        assert {name: last["data"][name] for name in expected} == expected
        assert last["data"] == (await alice.get("/imports")).json()["items"][0]
        assert last["import_id"] == ObjectId(result["id"])


class TestUndoOfAnImport:
    async def test_changes_that_are_still_in_outboxes_reach_the_feed(self, alice: Client, database: Database) -> None:
        async with relays_paused():
            result = (await upload(alice, ROWS)).json()
            task, *_ = (await alice.get("/tasks")).json()["items"]
            await alice.patch(f"/tasks/{task['id']}", json={"title": "Renamed"})
            await alice.start(task)
            await alice.stop()
            await alice.patch("/users/me", json={"full_name": "Alice"})
            undone = await alice.delete(f"/imports/{result['id']}")
            assert undone.json()["left"]["tasks"] == 1
        expected = [
            "import.finished",
            "task.updated",
            "timer.started",
            "timer.stopped",
            "user.updated",
            "import.undone",
        ]
        changes = await read_changes(alice, len(expected))
        assert [change["type"] for change in changes] == expected
        assert {change["task_id"] for change in changes[1:4]} == {task["id"]}
        await wait_until_relayed(database, alice.user["_id"])
