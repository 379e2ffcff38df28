"""Imports into tasks with pages: one task, however many rows it has."""

import asyncio

import pytest
from bson import ObjectId

from documents.tracking.pages import TaskPage
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json
from tests.transfer.pages.rows import WRITERS, rows_of, write_entries
from tests.transfer.uploads import import_rows, row, upload

pytestmark = pytest.mark.usefixtures("small_pages")


async def stored_task(database: Database, title: str = "Offer") -> Json:
    task = await database.tasks.find_one({"title": title})
    assert task is not None
    return task


class TestImportOfManyRows:
    @pytest.mark.parametrize("policy", ["allow", "warn"])
    async def test_all_rows_of_a_task_go_to_one_task(self, alice: Client, database: Database, policy: str) -> None:
        result = (await upload(alice, rows_of(range(1, 25)), overlap=policy)).json()
        assert result["created"] == {"projects": 0, "tasks": 1, "entries": 24}
        task = await stored_task(database)
        assert (len(task["time_entries"]), len(task["pages"])) == (2, 5)
        assert task["paged_until"] == task["time_entries"][0]["started_at"].replace(day=22, hour=9)
        await assert_stored_time_is_consistent(database)

    async def test_rows_of_several_parts_go_to_one_task(self, alice: Client, database: Database) -> None:
        minutes = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(50)]
        lines = "".join(row(3, f"{start}:00", f"{start}:30", project="") for start in minutes)
        result = await import_rows(alice, lines)
        assert result["created"] == {"projects": 0, "tasks": 1, "entries": 1200}
        task = await stored_task(database)
        assert (len(task["time_entries"]), len(task["pages"])) == (2, 240)
        await assert_stored_time_is_consistent(database)

    async def test_rows_are_added_to_a_task_with_pages(self, alice: Client, database: Database) -> None:
        await import_rows(alice, rows_of(range(1, 25)))
        before = await stored_task(database)
        result = await import_rows(alice, rows_of(range(1, 29)))
        assert (result["created"], result["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 4}, 24)
        after = await stored_task(database)
        assert after["entry_count"] == 28
        assert after["pages"][:5] == before["pages"]
        assert after["import_version"] == after["version"]
        await assert_stored_time_is_consistent(database)

    async def test_file_again_adds_nothing(self, alice: Client, database: Database) -> None:
        await import_rows(alice, rows_of(range(1, 25)))
        before = await stored_task(database)
        again = await import_rows(alice, rows_of(range(1, 25)))
        assert (again["created"]["entries"], again["duplicates"]) == (0, 24)
        assert await stored_task(database) == before

    async def test_full_task_is_reduced_by_each_small_import(self, alice: Client, database: Database) -> None:
        for day in range(1, 12):
            await import_rows(alice, rows_of(range(day, day + 1)))
            assert len((await stored_task(database))["time_entries"]) <= 4
        task = await stored_task(database)
        assert task["entry_count"] == 11
        assert task["import_version"] == task["version"]
        await assert_stored_time_is_consistent(database)

    async def test_pages_without_a_known_end_stay_without_one(self, alice: Client, database: Database) -> None:
        await import_rows(alice, rows_of(range(1, 25)))
        await database.tasks.update_one({}, {"$unset": {"paged_until": ""}})
        await import_rows(alice, rows_of(range(25, 29)))
        task = await stored_task(database)
        assert len(task["pages"]) > 5
        assert "paged_until" not in task

    async def test_unlisted_pages_are_not_read(self, alice: Client, database: Database) -> None:
        await import_rows(alice, rows_of(range(1, 2)))
        task = await stored_task(database)
        entry = {**task["time_entries"][0], "id": ObjectId()}
        page = TaskPage.new_row(task["user_id"], task["_id"], [entry])
        await database.tasks.delete_one({"_id": task["_id"]})
        await database.task_pages.insert_one(page)
        again = await import_rows(alice, rows_of(range(1, 2)))
        assert (again["created"]["entries"], again["duplicates"]) == (1, 0)


class TestNumberedTasks:
    async def test_tasks_from_earlier_versions_stay(self, alice: Client, database: Database) -> None:
        """Earlier versions put the rows that a task had no room for into "Offer (2)"."""
        await import_rows(alice, rows_of(range(1, 3)) + rows_of(range(3, 5), task="Offer (2)"))
        key = {entry["import_key"] for entry in (await stored_task(database, "Offer (2)"))["time_entries"]}
        assert len(key) == 2
        again = await import_rows(alice, rows_of(range(1, 6)) + rows_of(range(3, 5), task="Offer (2)"))
        assert (again["created"], again["duplicates"]) == ({"projects": 0, "tasks": 0, "entries": 3}, 4)
        assert (await stored_task(database))["entry_count"] == 5
        assert (await stored_task(database, "Offer (2)"))["entry_count"] == 2


class TestConcurrentWriters:
    async def test_import_into_a_task_whose_pages_are_turned(self, alice: Client, database: Database) -> None:
        task = await alice.make_task(title="Offer")

        writers = asyncio.gather(*(write_entries(alice, task, minute) for minute in range(WRITERS)))
        for last in (4, 26, 28):
            while (await upload(alice, rows_of(range(1, last)))).status_code == 503:
                pass  # as the response says: try again
        await writers
        assert (await stored_task(database))["entry_count"] == 27 + 5 * WRITERS
        await assert_stored_time_is_consistent(database)
