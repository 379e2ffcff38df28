"""Many clients, and several processes, that change one task at once: each change is made once, with few attempts."""

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import chain

import httpx
import pytest
from bson import ObjectId

from documents.common.outbox import no_changes
from documents.tracking.tasks import Task
from services.common import concurrency
from services.maintenance.doctor import examine
from services.transfer.imports.lease import lease_for_upload, write_part
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.feed.relays import relays_paused
from tests.support.http import Client, Json, ago, at
from tests.support.pages.inserting import insert_paged
from tests.support.pages.interleaving import Interleaving
from tests.support.pages.stored_tasks import read_task
from tests.support.stored_documents import NINE, ended_entry

PAGES, PAGE_ENTRIES = 8, 8


@pytest.fixture(autouse=True)
async def _open_connections(alice: Client) -> None:
    """Open the connections of the client and to the database before the requests that must be concurrent."""
    await asyncio.gather(*(alice.get("/tasks") for _ in range(50)))


@pytest.fixture(autouse=True)
def _no_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no request be refused because the machine is busy."""
    monkeypatch.setattr(concurrency, "TURN_SECONDS", 300.0)
    monkeypatch.setattr(concurrency, "CONTENTION_SECONDS", 300.0)


@pytest.fixture
async def paged(alice: Client, database: Database) -> list[Json]:
    """Insert a task with pages and a hot entry. Return its entries in the pages, as the API shows their ids."""
    entries = [ended_entry(at=NINE + timedelta(hours=number)) for number in range(PAGES * PAGE_ENTRIES + 1)]
    pages = [entries[first : first + PAGE_ENTRIES] for first in range(0, len(entries), PAGE_ENTRIES)]
    task = await insert_paged(database, alice, *pages)
    return [{**entry, "id": str(entry["id"]), "task_id": str(task["_id"])} for entry in entries[:-1]]


class TestSixteenClients:
    async def test_changes_in_pages_take_one_attempt_each(
        self, alice: Client, paged: list[Json], interleaving: Interleaving
    ) -> None:
        """An attempt searches for the page of the entry once. A machine that stalls may repeat one now and then."""

        async def change(number: int) -> list[int]:
            entries = paged[number::16]
            return [(await alice.patch(at(entry), json={"note": "new"})).status_code for entry in entries * 2]

        async with relays_paused():
            statuses = await asyncio.gather(*(change(number) for number in range(16)))
        assert Counter(chain.from_iterable(statuses)) == {200: 2 * len(paged)}
        changes = 2 * len(paged)
        assert changes <= interleaving.counts["task_pages"] <= 1.1 * changes


class TestFiftyChangesAtOnce:
    async def test_each_is_stored_once(self, alice: Client, paged: list[Json], database: Database) -> None:
        task = {"id": paged[0]["task_id"]}
        before = (await read_task(database, task)).row
        entries = f"/tasks/{task['id']}/time-entries"
        edited, deleted, divided = paged[0:30:3], paged[1:30:3], paged[2:30:3]
        seconds = [60 + number for number in range(10)]
        requests = [
            *(alice.patch(at(entry), json={"duration_seconds": 60}) for entry in edited),
            *(alice.delete(at(entry)) for entry in deleted),
            *(alice.post(f"{at(entry)}/split", json={"at": _middle(entry)}) for entry in divided),
            *(alice.post(entries, json={"started_at": "2026-01-05T09:00:00Z", "duration_seconds": s}) for s in seconds),
            *(alice.patch(f"/tasks/{task['id']}", json={"title": str(number)}) for number in range(10)),
        ]
        responses: list[httpx.Response] = await asyncio.gather(*requests)
        assert Counter(response.status_code for response in responses) == {200: 30, 204: 10, 201: 10}
        await assert_stored_time_is_consistent(database)
        stored = await read_task(database, task)
        lengths = {str(entry["id"]): entry["duration_seconds"] for entry in stored.entries}
        expected = {entry["id"]: entry["duration_seconds"] for entry in paged}
        expected |= {str(entry["id"]): entry["duration_seconds"] for entry in before["time_entries"]}
        expected |= {entry["id"]: 60 for entry in edited}
        for entry in deleted:
            del expected[entry["id"]]
        for response in responses[20:30]:
            expected |= {part["id"]: part["duration_seconds"] for part in response.json().values()}
        expected |= {response.json()["id"]: response.json()["duration_seconds"] for response in responses[30:40]}
        assert lengths == expected
        assert stored.row["entry_count"] == len(paged) + 1 + 10
        assert stored.row["version"] == before["version"] + 50
        assert (await examine()).findings == []


class TestImportBesideAnotherProcess:
    async def test_second_attempt_makes_updates_wait_for_it(self, alice: Client, database: Database) -> None:
        """Each attempt gives an update the time to change the task that was read."""
        user_id, task_id = alice.user["_id"], ObjectId((await alice.make_task())["id"])
        updates = []

        async def attempt() -> Json | None:
            task = await Task.find_live(user_id, task_id)
            assert task is not None
            updates.append(asyncio.ensure_future(database.tasks.update_one({"_id": task_id}, {"$inc": {"version": 1}})))
            await asyncio.wait(updates[-1:], timeout=0.5)
            return await Task.update_at_version(task, {"title": "Imported"}, no_changes)

        async with lease_for_upload(user_id, format="csv", digest="of a file") as batch:
            assert await write_part(batch, attempt, task_ids=[task_id])
        await asyncio.gather(*updates)
        assert len(updates) == 2
        assert (await alice.read({"id": str(task_id)}))["version"] == 1 + 2 + 1


class TestAtomicBulkBesideAnotherProcess:
    async def test_second_attempt_locks_the_user(
        self, alice: Client, database: Database, interleaving: Interleaving
    ) -> None:
        first, second = [await alice.make_task(title=title) for title in ("first", "second")]
        await alice.start(first, started_at=ago(hours=1))
        before = (await database.users.find_one({"_id": alice.user["_id"]}) or {})["timeline_version"]

        async def change_second() -> None:
            await database.tasks.update_one({"_id": ObjectId(second["id"])}, {"$inc": {"version": 1}})

        # The first query reads the sizes of the tasks, the second one, in the transaction, the overlaps of the timer.
        interleaving.run_before("tasks", 2, change_second)
        operations = [
            {"op": "update", "task_id": first["id"], "body": {"status": "completed"}},
            {"op": "update", "task_id": second["id"], "body": {"title": "new"}},
        ]
        body = {"operations": operations, "atomic": True}
        response = await alice.post("/tasks/bulk", json=body, params={"overlap": "warn"})
        assert response.status_code == 200, response.text
        assert [result["status"] for result in response.json()["results"]] == [200, 200]
        assert (await alice.read(second))["version"] == 1 + 1 + 1
        after = (await database.users.find_one({"_id": alice.user["_id"]}) or {})["timeline_version"]
        assert after == before + 1


def _middle(entry: Json) -> str:
    middle = entry["started_at"] + (entry["ended_at"] - entry["started_at"]) / 2
    return f"{middle:%Y-%m-%dT%H:%M:%SZ}"
