"""The account file of tasks with pages: exported as it is, and imported as it was."""

import asyncio
import gzip
from datetime import timedelta

import orjson
import pytest
from bson import ObjectId

from documents.tracking.pages import TaskPage
from documents.transfer import task_export
from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.pages.stored_tasks import read_entries
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
