"""Tags and hourly rates of entries in pages: counted, renamed and changed, each once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from documents.tracking.page_turns import turn_page
from documents.tracking.pages import TaskPage
from documents.tracking.queries import paged_rows
from services.tracking.rules.changes import describe_entries
from services.tracking.rules.paged_changes import ChangeEntry, change_page
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json
from tests.support.pages.entry_storage import lower_thresholds
from tests.support.pages.inserting import insert_paged
from tests.support.pages.interleaving import Interleaving
from tests.support.pages.stored_tasks import read_entries
from tests.support.stored_documents import NINE, ended_entry

RATE = {"amount": 9000, "currency": "EUR"}


def entries_of(hours: range, **fields: Any) -> list[Json]:
    """Return entries of half an hour, one in each of these hours after 09:00."""
    return [ended_entry(at=NINE + timedelta(hours=hour), **fields) for hour in hours]


async def count_tags(client: Client, **sent: Any) -> dict[str, int]:
    """Return the number of entries by tag."""
    response = await client.get("/tags", params=sent)
    assert response.status_code == 200, response.text
    return {tag["name"]: tag["entry_count"] for tag in response.json()["items"]}


async def rename(client: Client, old: str, new: str) -> Json:
    response = await client.post("/tags/rename", json={"from": old, "to": new})
    assert response.status_code == 200, response.text
    renamed: Json = response.json()
    return renamed


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=4)


class TestCounts:
    @pytest.mark.parametrize("pages_per_query", [1, 2, 10])
    async def test_entries_of_listed_pages_are_counted(
        self, alice: Client, bob: Client, database: Database, monkeypatch: pytest.MonkeyPatch, pages_per_query: int
    ) -> None:
        monkeypatch.setattr(paged_rows, "PAGES_PER_QUERY", pages_per_query)
        parts = [entries_of(range(day, day + 3), tags=[f"t{day}", "every"]) for day in (0, 3, 6)]
        task = await insert_paged(database, alice, *parts, entries_of(range(9, 10), tags=["hot", "every"]))
        await insert_paged(database, alice, entries_of(range(2), tags=["every"]), [], deleted_at=NINE)
        await insert_paged(database, bob, entries_of(range(2), tags=["every"]), [])
        await database.task_pages.insert_one(
            TaskPage.new_row(alice.user["_id"], task["_id"], entries_of(range(1), tags=["every"]))
        )
        assert await count_tags(alice) == {"every": 10, "hot": 1, "t0": 3, "t3": 3, "t6": 3}
        assert await count_tags(alice, limit=2) == {"every": 10, "hot": 1}

    @pytest.mark.usefixtures("small_pages")
    async def test_entries_are_counted_once_while_a_page_is_turned(
        self, alice: Client, database: Database, interleaving: Interleaving
    ) -> None:
        hot = entries_of(range(3, 8), tags=["a"])
        task = await insert_paged(database, alice, entries_of(range(3), tags=["a"]), hot)
        interleaving.run_before("task_pages", 1, lambda: turn_page(alice.user["_id"], task["_id"]))
        assert await count_tags(alice) == {"a": 8}
        (stored,) = await database.tasks.find().to_list(None)
        assert len(stored["time_entries"]) == 3


class TestRename:
    async def test_entries_of_pages_are_renamed(self, alice: Client, database: Database) -> None:
        parts = [entries_of(range(3), tags=["a"]), entries_of(range(3, 5), tags=["b"])]
        await insert_paged(database, alice, *parts, entries_of(range(5, 6), tags=["x", "a"]), tags=["a"])
        await insert_paged(database, alice, entries_of(range(8, 9), tags=["a", "b"]), [], deleted_at=NINE)
        assert await rename(alice, "a", "b") == {"tasks": 1, "entries": 5}
        assert [entry["tags"] for entry in await read_entries(database)] == [["b"]] * 5 + [["x", "b"], ["b"]]
        assert await rename(alice, "a", "b") == {"tasks": 0, "entries": 0}
        await assert_stored_time_is_consistent(database)

    async def test_page_without_the_tag_is_not_changed(self, alice: Client, database: Database) -> None:
        await insert_paged(database, alice, entries_of(range(2), tags=["a"]), entries_of(range(2, 4)), [])
        await rename(alice, "a", "b")
        assert sorted([page["version"] async for page in database.task_pages.find()]) == [1, 2]

    async def test_unlisted_page_stays(self, alice: Client, database: Database) -> None:
        task = await insert_paged(database, alice, entries_of(range(2)), [])
        page = TaskPage.new_row(alice.user["_id"], task["_id"], entries_of(range(1), tags=["a"]))
        await database.task_pages.insert_one(page)
        assert await rename(alice, "a", "b") == {"tasks": 0, "entries": 0}
        assert await database.task_pages.find_one({"_id": page["_id"]}) == page

    @pytest.mark.usefixtures("small_pages")
    async def test_no_entry_is_missed_while_pages_are_turned(self, alice: Client, database: Database) -> None:
        parts = [entries_of(range(4), tags=["a"]), entries_of(range(4, 7), tags=["a"])]
        task = await insert_paged(database, alice, *parts)

        async def write(minute: int) -> None:
            for day in range(1, 5):
                body = {"started_at": f"2026-10-{day:02}T08:{minute:02}:00Z", "duration_seconds": 60}
                path = f"/tasks/{task['_id']}/time-entries"
                while (response := await alice.post(path, json={**body, "tags": ["a"]})).status_code == 503:
                    pass  # as the response says: try again
                assert response.status_code == 201, response.text

        writers = asyncio.gather(*(write(minute) for minute in range(5)))
        while not writers.done():
            response = await alice.post("/tags/rename", json={"from": "a", "to": "b"})
            assert response.status_code in {200, 503}, response.text
        await writers
        await rename(alice, "a", "b")
        assert await count_tags(alice) == {"b": 27}
        await assert_stored_time_is_consistent(database)


class TestRerate:
    async def insert_task(self, client: Client, database: Database) -> Json:
        """Insert a task with six billable entries, five of which are in pages, and one that is not billable."""
        project = await client.make_project(billable=True, hourly_rate=RATE)
        fields = {"billable": True, "hourly_rate": {"amount": 1, "currency": "EUR"}}
        parts = [
            entries_of(range(3), **fields),
            [*entries_of(range(3, 5), **fields), *entries_of(range(5, 6))],
            entries_of(range(6, 7), **fields),
        ]
        await insert_paged(database, client, *parts, project_id=ObjectId(project["id"]))
        return project

    async def rerate(self, client: Client, project: Json) -> int:
        response = await client.patch(f"/projects/{project['id']}?rerate=true", json={})
        assert response.status_code == 200, response.text
        count: int = response.json()["rerated_entries"]
        return count

    async def test_entries_of_pages_get_the_rate(self, alice: Client, database: Database) -> None:
        project = await self.insert_task(alice, database)
        assert await self.rerate(alice, project) == 6
        assert [entry["hourly_rate"] for entry in await read_entries(database)] == [RATE] * 5 + [None, RATE]
        assert await self.rerate(alice, project) == 0
        await assert_stored_time_is_consistent(database)

    async def test_task_of_another_project_is_not_changed(self, alice: Client, database: Database) -> None:
        await self.insert_task(alice, database)
        other = await alice.make_project(name="Other", hourly_rate=RATE)
        assert await self.rerate(alice, other) == 0

    async def test_page_that_the_task_does_not_list_is_not_changed(self, alice: Client, database: Database) -> None:
        task = await insert_paged(database, alice, entries_of(range(3)), entries_of(range(3, 4)))
        page = TaskPage.new_row(task["user_id"], task["_id"], entries_of(range(3)))
        await database.task_pages.insert_one(page)

        async def find_change(task: Json) -> ChangeEntry:
            note = str(task["_id"])
            return lambda entry: {**entry, "note": note}

        changed = await change_page(task["user_id"], task["_id"], page["_id"], find_change, describe_entries(3))
        assert changed == 0
        assert await database.task_pages.find_one({"_id": page["_id"]}) == page

    async def test_concurrent_changes_count_each_entry_once(self, alice: Client, database: Database) -> None:
        project = await self.insert_task(alice, database)
        counts = await asyncio.gather(*(self.rerate(alice, project) for _ in range(5)))
        assert sum(counts) == 6
        await assert_stored_time_is_consistent(database)
