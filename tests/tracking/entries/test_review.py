"""The list of entries that need review, found by indexes of their own."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from documents.tracking.page_turns import turn_page
from documents.tracking.pages import TaskPage
from documents.tracking.queries import review
from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.pages.entry_storage import lower_thresholds
from tests.support.pages.inserting import insert_hot, insert_paged
from tests.support.pages.interleaving import Interleaving
from tests.support.stored_documents import ended_entry

BEGIN = datetime(2024, 3, 5, 9)  # noqa: DTZ001 -- as it is stored


def random_entries(source: random.Random, count: int) -> list[Json]:
    """Return consecutive entries of two years. One in four needs review. Some start at the same time as others."""
    days = sorted(source.randrange(700) for _ in range(count))
    tags: list[list[str]] = [["web"], []]
    return [
        ended_entry(at=BEGIN + timedelta(days=day), needs_review=source.random() < 0.25, tags=source.choice(tags))
        for day in days
    ]


async def insert_random_tasks(client: Client, database: Database) -> None:
    """Insert tasks with hot and paged entries, one of them in the trash."""
    source = random.Random(3)
    for number in range(12):
        entries = random_entries(source, 12)
        fields = {"deleted_at": BEGIN} if number == 7 else {}
        if number % 2:
            await insert_paged(database, client, entries[:4], entries[4:8], entries[8:], **fields)
        else:
            await insert_hot(database, client, entries, **fields)


async def listed(client: Client, **query: Any) -> list[str]:
    """Return the ids of the entries on all pages."""
    ids: list[str] = []
    cursor: Json = {}
    while True:
        response = await client.get("/time-entries", params={**query, **cursor})
        assert response.status_code == 200, response.text
        page = response.json()
        ids += [entry["id"] for entry in page["items"]]
        if page["next_cursor"] is None:
            return ids
        cursor = {"cursor": page["next_cursor"]}


QUERIES: tuple[Json, ...] = (
    {},
    {"sort": "started_at"},
    {"from": "2024-06-01", "to": "2025-06-01"},
    {"tag": "web"},
    {"project_id": "none", "sort": "started_at"},
)


class TestEntriesToReview:
    @pytest.mark.parametrize("query", QUERIES)
    async def test_pages_are_those_of_the_time_windows(
        self, alice: Client, bob: Client, database: Database, monkeypatch: pytest.MonkeyPatch, query: Json
    ) -> None:
        for client in (alice, bob):
            await insert_random_tasks(client, database)
        found = await listed(alice, needs_review="true", limit=5, **query)
        monkeypatch.setattr(review, "MAX_DOCUMENTS", 0)
        assert found == await listed(alice, needs_review="true", limit=200, **query)
        assert len(found) > 5

    async def test_unlisted_page_does_not_count(self, alice: Client, database: Database) -> None:
        entries = [ended_entry(at=BEGIN + timedelta(days=day), needs_review=True) for day in range(3)]
        task = await insert_paged(database, alice, entries[:1], entries[1:])
        await database.task_pages.insert_one(
            TaskPage.new_row(task["user_id"], task["_id"], [ended_entry(at=BEGIN, needs_review=True)])
        )
        assert await listed(alice, needs_review="true") == [str(entry["id"]) for entry in reversed(entries)]

    async def test_entries_with_and_without_a_project_are_listed(self, alice: Client, database: Database) -> None:
        project = await alice.make_project()
        expected: dict[str | None, list[str]] = {}
        for project_id in (project["id"], None):
            entries = [ended_entry(at=BEGIN + timedelta(days=day), needs_review=True) for day in range(3)]
            stored_id = None if project_id is None else ObjectId(project_id)
            await insert_paged(database, alice, entries[:1], entries[1:], project_id=stored_id)
            expected[project_id] = [str(entry["id"]) for entry in reversed(entries)]
        assert set(await listed(alice, needs_review="true")) == {*expected[project["id"]], *expected[None]}
        assert await listed(alice, needs_review="true", project_id=project["id"]) == expected[project["id"]]
        assert await listed(alice, needs_review="true", project_id="none") == expected[None]

    async def test_reviewed_entry_leaves_the_list(self, alice: Client, database: Database) -> None:
        entries = [ended_entry(at=BEGIN + timedelta(days=day), needs_review=True) for day in range(2)]
        task = await insert_paged(database, alice, entries[:1], entries[1:])
        for entry in entries:
            path = f"/tasks/{task['_id']}/time-entries/{entry['id']}"
            assert (await alice.patch(path, json={"needs_review": False})).status_code == 200
        assert await listed(alice, needs_review="true") == []

    @pytest.mark.parametrize(
        ("collection", "query"), [("tasks", 2), ("tasks", 3), ("task_pages", 1), ("task_pages", 2)]
    )
    async def test_page_that_turns_between_two_queries_loses_and_repeats_nothing(
        self,
        alice: Client,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        interleaving: Interleaving,
        collection: str,
        query: int,
    ) -> None:
        lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=4)
        entries = [ended_entry(at=BEGIN + timedelta(days=day), needs_review=True) for day in range(8)]
        task = await insert_paged(database, alice, entries[:2], entries[2:])

        async def turn() -> None:
            assert await turn_page(task["user_id"], task["_id"])

        interleaving.run_before(collection, query, turn)
        assert await listed(alice, needs_review="true") == [str(entry["id"]) for entry in reversed(entries)]
