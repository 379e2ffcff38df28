"""Reads of a task whose pages change between two of their queries: each entry is found once, with its current value."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId, decode_all

from documents.maintenance.dump import COLLECTIONS, open_snapshot
from documents.tracking.page_turns import turn_page
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, at, problem
from tests.support.pages.entry_storage import lower_thresholds
from tests.support.pages.inserting import insert_hot, insert_paged
from tests.support.pages.interleaving import Interleaving
from tests.support.pages.stored_tasks import PagedTask, read_entries, read_tasks
from tests.support.stored_documents import NINE, ended_entry
from tests.tracking.entries.requests import entries_path

RANGE = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
PAGED = {"started_at": "2026-11-18T09:20:00Z", "ended_at": "2026-11-18T09:30:00Z"}
"""The time of the second entry of the first page, and no other."""


@pytest.fixture(autouse=True)
def _lower_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=5)


@pytest.fixture
async def task(alice: Client, database: Database) -> Json:
    """Insert a task with twelve entries of ten minutes, one every 20 minutes. The second page has room."""
    entries = [ended_entry(at=NINE + timedelta(minutes=20 * number), minutes=10) for number in range(12)]
    row = await insert_paged(database, alice, entries[:4], entries[4:6], entries[6:])
    return {**row, "entries": entries}


def reference(task: Json, number: int) -> Json:
    """Return the ids of an entry of the task as a response contains them."""
    return {"id": str(task["entries"][number]["id"]), "task_id": str(task["_id"])}


async def run_outside(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a context of its own, because the service may be in a transaction here."""
    return await asyncio.create_task(work, context=Context())


async def turn(_client: Client, task: Json) -> None:
    assert await run_outside(turn_page(task["user_id"], task["_id"]))


async def edit(client: Client, task: Json) -> None:
    """Edit first a hot entry and then a paged one: a reader of the second change must also find the first."""
    for number in (8, 1):
        response = await client.patch(at(reference(task, number)), json={"note": "edited"})
        assert response.status_code == 200, response.text


async def delete_and_restore(client: Client, task: Json) -> None:
    """Delete a paged entry and restore it, so that it becomes a hot one."""
    response = await client.delete(at(reference(task, 1)))
    assert response.status_code == 204, response.text
    response = await client.post(f"/time-entries/{reference(task, 1)['id']}/restore", params={"overlap": "allow"})
    assert response.status_code == 200, response.text


Change = Callable[[Client, Json], Awaitable[None]]
CHANGES: list[Change] = [turn, edit, delete_and_restore]


class Changes:
    """Changes a task between two queries, and counts how often."""

    def __init__(self, client: Client, task: Json, change: Change) -> None:
        self.count = 0
        self._client = client
        self._task = task
        self._change = change

    async def run(self) -> None:
        """Change the task."""
        self.count += 1
        await self._change(self._client, self._task)


async def list_all(client: Client, _task: Json) -> list[Json]:
    entries: list[Json] = (await client.get("/time-entries", params=RANGE)).json()["items"]
    return entries


async def list_of_task(client: Client, task: Json) -> list[Json]:
    entries: list[Json] = (await client.get(entries_path({"id": str(task["_id"])}))).json()["items"]
    return entries


async def newest_entries(client: Client, task: Json) -> list[Json]:
    entries: list[Json] = (await client.read({"id": str(task["_id"])}))["time_entries"]
    return entries


Read = Callable[[Client, Json], Awaitable[list[Json]]]


class TestListsOfEntries:
    @pytest.mark.parametrize("read", [list_all, list_of_task, newest_entries])
    @pytest.mark.parametrize("change", CHANGES)
    async def test_change_between_two_queries_is_read_wholly(
        self, alice: Client, interleaving: Interleaving, task: Json, read: Read, change: Change
    ) -> None:
        changes = Changes(alice, task, change)
        interleaving.run_before("task_pages", 1, changes.run)
        entries = await read(alice, task)
        assert changes.count == 1
        assert sorted(entry["id"] for entry in entries) == sorted(str(entry["id"]) for entry in task["entries"])
        assert entries == await read(alice, task)

    async def test_version_of_a_task_is_the_one_of_its_entries(
        self, alice: Client, interleaving: Interleaving, task: Json
    ) -> None:
        interleaving.run_before("task_pages", 1, Changes(alice, task, edit).run)
        body = await alice.read({"id": str(task["_id"])})
        assert [entry["note"] for entry in body["time_entries"]].count("edited") == 2
        assert body["version"] == task["version"] + 2

    @pytest.mark.parametrize("sort", ["started_at", "-started_at", None])
    async def test_page_turns_before_each_query_of_a_list(
        self, alice: Client, database: Database, interleaving: Interleaving, sort: str | None
    ) -> None:
        """Without a sort, it is the list of the entries of one task, newest first."""
        entries = [ended_entry(at=NINE + timedelta(minutes=number), minutes=1) for number in range(16)]
        task = await insert_paged(database, alice, entries[:4], entries[4:])
        turns = []

        async def turn_if_due() -> None:
            turns.append(await run_outside(turn_page(task["user_id"], task["_id"])))

        interleaving.run_before_each("task_pages", turn_if_due)
        if sort is None:
            ids = await read_all_pages(alice, entries_path({"id": str(task["_id"])}), {"limit": 2})
        else:
            ids = await read_all_pages(alice, "/time-entries", {**RANGE, "sort": sort, "limit": 2})
        assert ids == [str(entry["id"]) for entry in (entries if sort == "started_at" else reversed(entries))]
        assert turns.count(True) == 5


async def read_all_pages(client: Client, path: str, parameters: Json) -> list[str]:
    """Return the ids of the entries in all pages of a list."""
    ids: list[str] = []
    cursor: Json = {}
    while cursor.get("cursor", "") is not None:
        body = (await client.get(path, params={**parameters, **cursor})).json()
        ids += [entry["id"] for entry in body["items"]]
        cursor = {"cursor": body["next_cursor"]}
    return ids


class TestOverlapChecks:
    @pytest.fixture
    async def other(self, alice: Client, database: Database) -> Json:
        return await insert_hot(database, alice, [ended_entry(at=NINE - timedelta(days=1))])

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("target", ["other", "same"])
    async def test_entry_in_a_page_that_changes_is_reported(
        self, alice: Client, interleaving: Interleaving, task: Json, other: Json, change: Change, target: str
    ) -> None:
        changes = Changes(alice, task, change)
        interleaving.run_before("task_pages", 1, changes.run)
        path = entries_path({"id": str((task if target == "same" else other)["_id"])})
        response = await alice.post(path, json=PAGED, params={"overlap": "warn"})
        assert response.status_code == 201, response.text
        assert [overlap["entry_id"] for overlap in response.json()["overlaps"]] == [reference(task, 1)["id"]]
        assert changes.count == 1

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("target", ["other", "same"])
    async def test_overlap_with_a_page_that_changes_is_forbidden(
        self,
        alice: Client,
        database: Database,
        interleaving: Interleaving,
        task: Json,
        other: Json,
        change: Change,
        target: str,
    ) -> None:
        changes = Changes(alice, task, change)
        interleaving.run_before("task_pages", 1, changes.run)
        path = entries_path({"id": str((task if target == "same" else other)["_id"])})
        response = await alice.post(path, json=PAGED, params={"overlap": "forbid"})
        (overlap,) = problem(response, 409, "overlap")["overlaps"]
        assert overlap["entry_id"] == reference(task, 1)["id"]
        assert changes.count == 1
        assert len(await read_entries(database)) == 13

    @pytest.mark.parametrize("change", CHANGES)
    async def test_stopped_timer_that_overlaps_a_changed_page_needs_review(
        self, alice: Client, interleaving: Interleaving, task: Json, other: Json, change: Change
    ) -> None:
        await alice.set_preferences(overlap_policy="warn")
        await alice.start({"id": str(other["_id"])}, started_at=PAGED["started_at"])
        changes = Changes(alice, task, change)
        interleaving.run_before("task_pages", 1, changes.run)
        stopped = await alice.stop(ended_at=PAGED["ended_at"])
        assert stopped["entry"]["needs_review"] is True
        assert changes.count == 1


class TestBackup:
    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("changed_before", ["task_pages", "tasks", "deleted_entries"])
    async def test_change_between_two_collections_is_not_visible(
        self,
        alice: Client,
        database: Database,
        empty_database: Database,
        task: Json,
        change: Change,
        changed_before: str,
    ) -> None:
        before = await read_tasks(database)
        async with open_snapshot() as snapshot:
            # The first read determines the instant of the snapshot, so another collection comes first.
            for name in ("idempotency_keys", *(name for name in COLLECTIONS if name != "idempotency_keys")):
                if name == changed_before:
                    await change(alice, task)
                rows = [row async for batch in snapshot.documents(name) for row in decode_all(batch)]
                if rows:
                    await empty_database[name].insert_many(rows)
        assert await read_tasks(empty_database) == before
        assert await self.places(empty_database) == sorted(entry["id"] for entry in task["entries"])
        await assert_stored_time_is_consistent(empty_database)
        await assert_stored_time_is_consistent(database)
        assert await read_tasks(database) != before

    async def places(self, database: Database) -> list[ObjectId]:
        tasks: list[PagedTask] = await read_tasks(database)
        deleted = [row["_id"] async for row in database.deleted_entries.find()]
        return sorted([entry["id"] for stored in tasks for entry in stored.entries] + deleted)
