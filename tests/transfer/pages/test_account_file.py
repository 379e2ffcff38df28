"""The account file of tasks with pages: exported as it is, and imported as it was."""

import asyncio
import gzip
from datetime import timedelta
from unittest.mock import ANY

import httpx
import orjson
import pytest
from bson import ObjectId

from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from documents.transfer import task_export
from services.transfer.account_file import importer, reader
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json
from tests.support.pages.stored_tasks import read_entries, read_tasks
from tests.support.stored_documents import NINE, ended_entry, running_entry, task_row, tracked
from tests.transfer.pages.rows import write_entries

pytestmark = pytest.mark.usefixtures("small_pages")

PATH = "/exports/account.ndjson.gz"


async def export_lines(client: Client) -> list[Json]:
    """Return the lines of the user's account file."""
    response = await client.get(PATH)
    assert response.status_code == 200, response.text
    return [orjson.loads(line) for line in gzip.decompress(response.content).splitlines()]


def entry_lines(lines: list[Json]) -> list[Json]:
    return [line for line in lines if line["type"] == "entry"]


async def insert_paged_task(
    client: Client, database: Database, *pages: list[int], hot: list[int], **fields: object
) -> Json:
    """Insert a task whose entries start these numbers of hours after 09:00."""
    user_id, task_id = client.user["_id"], ObjectId()

    def entries_at(hours: list[int]) -> list[Json]:
        return [ended_entry(at=NINE + timedelta(hours=hour), note=f"n{hour}") for hour in hours]

    rows = [TaskPage.new_row(user_id, task_id, entries_at(hours)) for hours in pages]
    hot_entries = entries_at(hot)
    every = [*(entry for page in rows for entry in page["entries"]), *hot_entries]
    task = task_row(user_id, _id=task_id, **tracked(*every)) | fields | {"time_entries": hot_entries}
    await database.task_pages.insert_many(rows)
    await database.tasks.insert_one({**task, "pages": [page["_id"] for page in rows]})
    return task


class TestExport:
    async def test_entries_of_pages_are_in_order_of_their_start(self, alice: Client, database: Database) -> None:
        await insert_paged_task(
            alice, database, [1, 5, 9], [2, 3, 4], [20, 21], [6, 22], hot=[0, 7, 30], active=running_entry()
        )
        await alice.make_task(title="Other")
        lines = await export_lines(alice)
        assert [line["type"] for line in lines] == ["account", "task", *["entry"] * 14, "task", "end"]
        starts = [line["started_at"] for line in entry_lines(lines)[:-1]]
        assert starts == sorted(starts)
        assert entry_lines(lines)[-1]["ended_at"] is None
        assert lines[-1]["entries"] == 14

    async def test_order_is_given_up_before_memory_is(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(task_export, "MAX_ENTRIES_IN_ORDER", 2)
        await insert_paged_task(alice, database, [1, 11, 21], [2, 12, 22], [3, 13, 23], hot=[5])
        notes = [line["note"] for line in entry_lines(await export_lines(alice))]
        assert sorted(notes) == sorted(f"n{hour}" for hour in (1, 11, 21, 2, 12, 22, 3, 13, 23, 5))

    async def test_unlisted_pages_are_left_out(self, alice: Client, database: Database) -> None:
        task = await insert_paged_task(alice, database, [1, 2], hot=[3])
        await database.task_pages.insert_one(TaskPage.new_row(alice.user["_id"], task["_id"], [ended_entry()]))
        assert len(entry_lines(await export_lines(alice))) == 3

    async def test_task_in_the_trash_is_exported_with_its_pages(self, alice: Client, database: Database) -> None:
        await insert_paged_task(alice, database, [1, 2], hot=[3], deleted_at=NINE)
        assert len(entry_lines(await export_lines(alice))) == 3

    async def test_each_entry_is_exported_once_while_pages_are_turned(self, alice: Client, database: Database) -> None:
        task = await insert_paged_task(alice, database, [1, 2, 3, 4, 5], [6, 7, 8], hot=[9])
        reference = {"id": str(task["_id"])}
        writers = asyncio.gather(*(write_entries(alice, reference, minute) for minute in range(5)))
        known = {str(entry["id"]) for entry in await read_entries(database)}
        while not writers.done():
            before = {str(entry["id"]) for entry in await read_entries(database)}
            ids = [line["id"] for line in entry_lines(await export_lines(alice))]
            assert len(ids) == len(set(ids))
            assert known | before <= set(ids)
        await writers
        assert len(entry_lines(await export_lines(alice))) == 34


class TestRoundTrip:
    @pytest.fixture(autouse=True)
    def _small_parts(self, monkeypatch: pytest.MonkeyPatch, part_entries: int) -> None:
        monkeypatch.setattr(reader, "MAX_PART_ENTRIES", part_entries)
        monkeypatch.setattr(importer, "MAX_ENTRIES_PER_BATCH", part_entries)

    @pytest.mark.parametrize("part_entries", [1, 3, 5, 500])
    async def test_lines_are_the_same_after_an_import(self, alice: Client, bob: Client, database: Database) -> None:
        pages = [list(range(5)), [3, 8, 9, 14], [10, 11, 12]]
        await insert_paged_task(alice, database, *pages, hot=[7, 20, 21], active=running_entry())
        await insert_paged_task(alice, database, [1], hot=[], title="Trash", deleted_at=NINE)
        await alice.make_task(title="Other")
        content = (await alice.get(PATH)).content
        result = await import_account(bob, content)
        assert result["created"] == {"projects": 0, "tasks": 3, "entries": 17}
        assert (result["rows"], result["rows_done"], result["notices"]) == (17, 17, [])
        lines = await export_lines(bob)
        assert [without_ids(line) for line in lines[1:]] == [
            without_ids(line) for line in (await export_lines(alice))[1:]
        ]
        await assert_stored_time_is_consistent(database)
        again = await import_account(bob, content)
        assert (again["created"], again["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 0}, 17)
        assert await export_lines(bob) == [{**lines[0], "exported_at": ANY}, *lines[1:]]

    @pytest.mark.parametrize("part_entries", [2, 500])
    async def test_large_task_is_divided_into_pages(self, alice: Client, bob: Client, database: Database) -> None:
        await insert_paged_task(alice, database, list(range(17)), hot=list(range(17, 23)))
        await import_account(bob, (await alice.get(PATH)).content)
        (task,) = [task for task in await read_tasks(database) if task.row["user_id"] == bob.user["_id"]]
        pages, hot = task.sizes
        assert max(pages) <= TaskPage.capacity
        assert (sum(pages) + hot, hot <= Task.hot_entries) == (23, True)
        assert task.row["version"] == task.row["import_version"] == 1

    @pytest.mark.parametrize("part_entries", [2, 500])
    async def test_missing_entries_are_added_to_an_existing_task(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        await insert_paged_task(alice, database, [1, 2, 3], hot=[4])
        content = (await alice.get(PATH)).content
        await import_account(bob, content)
        (mine,) = await database.tasks.find({"user_id": alice.user["_id"]}).to_list(None)
        for hour in range(5, 20):
            await alice.write({"id": str(mine["_id"])}, started_at=f"2026-11-01T{hour:02}:00:00Z")
        result = await import_account(bob, (await alice.get(PATH)).content)
        assert (result["created"], result["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 15}, 4)
        await assert_stored_time_is_consistent(database)
        assert len(entry_lines(await export_lines(bob))) == 19

    @pytest.mark.parametrize("part_entries", [2, 500])
    async def test_timer_is_left_out_if_another_one_is_running(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        await insert_paged_task(alice, database, [1, 2, 3], hot=[4], active=running_entry())
        await bob.start(await bob.make_task())
        lines = await export_lines(alice)
        lines.insert(2, lines.pop(-2))  # the running entry first: in another part than the last one
        dry, result = [
            await import_account(bob, b"".join(orjson.dumps(line) + b"\n" for line in lines), dry_run=dry_run)
            for dry_run in ("true", "false")
        ]
        assert dry["created"] == result["created"] == {"projects": 0, "tasks": 1, "entries": 4}
        assert len(result["notices"]) == 1
        await assert_stored_time_is_consistent(database)

    @pytest.mark.parametrize("part_entries", [2, 500])
    async def test_entry_that_was_moved_during_the_export_is_imported_once(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        await insert_paged_task(alice, database, list(range(17)), hot=list(range(17, 23)))
        task = await alice.make_task(title="Where it was moved to")
        lines = await export_lines(alice)
        moved = {**entry_lines(lines)[0], "task_id": task["id"]}
        lines.insert(-1, moved)
        lines[-1]["entries"] += 1
        assert (lines[-2], lines[-3]["id"]) == (moved, task["id"])
        result = await import_account(bob, b"".join(orjson.dumps(line) + b"\n" for line in lines))
        assert result["created"] == {"projects": 0, "tasks": 2, "entries": 23}
        await assert_stored_time_is_consistent(database)

    @pytest.mark.parametrize("part_entries", [2])
    async def test_invalid_entry_in_a_later_part_is_found(self, alice: Client, bob: Client, database: Database) -> None:
        await insert_paged_task(alice, database, [1, 2, 3], hot=[4], active=running_entry())
        lines = await export_lines(alice)
        lines.insert(3, {**lines[-2], "id": str(ObjectId())})
        lines[-1]["entries"] += 1
        response = await upload_account(bob, b"".join(orjson.dumps(line) + b"\n" for line in lines))
        assert "line 8: is a second running entry of its task" in response.text
        assert await database.task_pages.count_documents({"user_id": bob.user["_id"]}) == 0


async def upload_account(client: Client, content: bytes, **fields: str) -> httpx.Response:
    return await client.post("/imports", data={"format": "account", **fields}, files={"file": ("a.gz", content)})


async def import_account(client: Client, content: bytes, **fields: str) -> Json:
    """Import this account file and return the import."""
    response = await upload_account(client, content, **fields)
    assert response.is_success, response.text
    result: Json = response.json()
    return result


def without_ids(line: Json) -> Json:
    return {name: value for name, value in line.items() if name not in {"id", "task_id"}}
