"""Undoing imports whose entries are spread over a task, its pages and the deleted entries."""

import asyncio

import pytest
from bson import ObjectId

from documents.tracking.pages import TaskPage
from documents.transfer import imported_tasks
from services.transfer.imports import undo
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, at
from tests.support.pages.stored_tasks import PagedTask, read_tasks
from tests.transfer.pages.rows import WRITERS, rows_of, write_entries
from tests.transfer.uploads import import_rows, stored_items

pytestmark = pytest.mark.usefixtures("small_pages")


async def only_task(database: Database) -> PagedTask:
    (task,) = await read_tasks(database)
    return task


def references(task: PagedTask) -> list[Json]:
    """Return the ids of all entries of the task, oldest first, and of the task."""
    return [{"id": str(entry["id"]), "task_id": str(task.row["_id"])} for entry in task.entries]


async def undo_import(client: Client, result: Json) -> Json:
    response = await client.delete(f"/imports/{result['id']}")
    assert response.status_code == 200, response.text
    undone: Json = response.json()
    return undone


class TestUndoOfPagedEntries:
    @pytest.mark.parametrize("pages_per_transaction", [1, 2, 40])
    async def test_nothing_stays_of_an_unchanged_import(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch, pages_per_transaction: int
    ) -> None:
        monkeypatch.setattr(undo, "PAGES_PER_TRANSACTION", pages_per_transaction)
        result = await import_rows(alice, rows_of(range(1, 18)))
        assert (await only_task(database)).sizes == ([5, 5, 5], 2)
        undone = await undo_import(alice, result)
        assert undone["removed"] == {"projects": 0, "tasks": 1, "entries": 17}
        assert undone["left"] == {"projects": 0, "tasks": 0, "entries": 0}
        assert await stored_items(database) == []
        assert await database.task_pages.count_documents({}) == 0

    async def test_pages_are_removed_in_one_update_of_the_task(self, alice: Client, database: Database) -> None:
        task = await alice.make_task(title="Offer")
        result = await import_rows(alice, rows_of(range(1, 18)))
        before = (await only_task(database)).row["version"]
        await undo_import(alice, result)
        after = (await only_task(database)).row
        assert after["version"] == before + 2, "once for the hot entries, once for all pages"
        assert not after.keys() & {"pages", "paged_until"}
        assert (await alice.read(task))["entry_count"] == 0

    async def test_entries_of_other_origin_stay(self, alice: Client, database: Database) -> None:
        task = await alice.make_task(title="Offer")
        for day in range(1, 8):
            await alice.write(task, started_at=f"2026-11-{day:02}T12:00:00Z", duration_seconds=60)
        first = await import_rows(alice, rows_of(range(1, 15)))
        second = await import_rows(alice, rows_of(range(15, 25)))
        before = {str(entry["id"]) for entry in (await only_task(database)).entries if "import_id" not in entry}
        assert (await undo_import(alice, first))["removed"]["entries"] == 14
        await assert_stored_time_is_consistent(database)
        assert (await undo_import(alice, second))["removed"]["entries"] == 10
        await assert_stored_time_is_consistent(database)
        stored = await only_task(database)
        assert {str(entry["id"]) for entry in stored.entries} == before
        assert stored.row["first_started_at"].day == 1
        assert stored.row["last_ended_at"].day == 7

    async def test_spread_entries_are_removed_unless_changed(self, alice: Client, database: Database) -> None:
        """One entry is changed in a page, one is hot and changed, one is deleted, one is moved."""
        result = await import_rows(alice, rows_of(range(1, 18)))
        stored = await only_task(database)
        other = await alice.make_task(title="Other")
        entries = references(stored)
        await alice.patch(at(entries[7]), json={"note": "mine"})
        await alice.patch(at(entries[16]), json={"note": "mine"})
        await alice.delete(at(entries[0]))
        await alice.post(f"{at(entries[12])}/move", json={"task_id": other["id"]})
        undone = await undo_import(alice, result)
        assert undone["removed"] == {"projects": 0, "tasks": 0, "entries": 13}
        assert undone["left"] == {"projects": 0, "tasks": 1, "entries": 3}
        await assert_stored_time_is_consistent(database)
        tasks = {task.row["title"]: {str(entry["id"]) for entry in task.entries} for task in await read_tasks(database)}
        assert tasks == {"Offer": {entries[7]["id"], entries[16]["id"]}, "Other": {entries[12]["id"]}}
        restored = await alice.post(f"/time-entries/{entries[0]['id']}/restore")
        assert restored.status_code == 200, restored.text
        await assert_stored_time_is_consistent(database)

    @pytest.mark.parametrize("changed", [[0], [4], [2, 7, 12], [14], [0, 14]])
    async def test_bounds_are_exact(self, alice: Client, database: Database, changed: list[int]) -> None:
        await import_rows(alice, rows_of(range(1, 3), task="Offer"))
        result = await import_rows(alice, rows_of(range(1, 18), task="Mail"))
        (stored,) = [task for task in await read_tasks(database) if task.row["title"] == "Mail"]
        for number in changed:
            await alice.patch(
                at({"id": str(stored.entries[number]["id"]), "task_id": str(stored.row["_id"])}), json={"note": "x"}
            )
        assert (await undo_import(alice, result))["left"]["entries"] == len(changed)
        await assert_stored_time_is_consistent(database)

    async def test_rewritten_pages_are_limited_in_each_transaction(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imported_tasks, "MAX_REWRITTEN_BYTES", 1)
        monkeypatch.setattr(imported_tasks, "_PAGES_PER_QUERY", 1)
        result = await import_rows(alice, rows_of(range(1, 18)))
        stored = await only_task(database)
        for number in (1, 6, 11):
            await alice.patch(
                at({"id": str(stored.entries[number]["id"]), "task_id": str(stored.row["_id"])}), json={"note": "x"}
            )
        before = (await only_task(database)).row["version"]
        assert (await undo_import(alice, result))["removed"]["entries"] == 14
        stored = await only_task(database)
        assert stored.sizes == ([1, 1, 1], 0)
        assert stored.row["version"] == before + 4
        await assert_stored_time_is_consistent(database)

    async def test_entries_in_the_trash_are_removed(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, rows_of(range(1, 18)))
        task = (await only_task(database)).row
        await alice.delete(f"/tasks/{task['_id']}")
        undone = await undo_import(alice, result)
        assert (undone["removed"]["entries"], undone["left"]["entries"]) == (17, 0)
        await assert_stored_time_is_consistent(database)

    async def test_unlisted_pages_stay(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, rows_of(range(1, 9)))
        stored = await only_task(database)
        copies = [{**entry, "id": ObjectId()} for entry in stored.pages[0]["entries"]]
        unlisted = TaskPage.new_row(stored.row["user_id"], stored.row["_id"], copies)
        await database.task_pages.insert_one(unlisted)
        assert (await undo_import(alice, result))["removed"]["entries"] == 8
        assert await database.task_pages.find_one({"_id": unlisted["_id"]}) == unlisted

    async def test_unknown_end_of_pages_stays_unknown(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, rows_of(range(1, 9)))
        task = (await only_task(database)).row
        await import_rows(alice, rows_of(range(9, 18)))
        await database.tasks.update_one({"_id": task["_id"]}, {"$unset": {"paged_until": ""}})
        await undo_import(alice, result)
        stored = await only_task(database)
        assert stored.pages
        assert "paged_until" not in stored.row
        await assert_stored_time_is_consistent(database)


class TestConcurrentChanges:
    async def test_undo_while_pages_are_turned(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, rows_of(range(1, 25)))
        (task,) = (await alice.list())["items"]
        writers = asyncio.gather(*(write_entries(alice, task, minute) for minute in range(WRITERS)))
        while (await alice.delete(f"/imports/{result['id']}")).status_code == 503:
            pass  # as the response says: try again
        await writers
        stored = await only_task(database)
        assert stored.row["entry_count"] == 5 * WRITERS
        assert {entry["source"] for entry in stored.entries} == {"manual"}
        await assert_stored_time_is_consistent(database)

    async def test_changed_entries_stay_and_others_are_removed(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, rows_of(range(1, 18)))
        entries = references(await only_task(database))
        changes = asyncio.gather(*(alice.patch(at(entry), json={"note": "mine"}) for entry in entries))
        undone = await undo_import(alice, result)
        changed = [response.status_code for response in await changes].count(200)
        assert undone["removed"]["entries"] + changed == 17
        await assert_stored_time_is_consistent(database)
