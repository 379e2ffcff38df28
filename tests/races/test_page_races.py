"""Concurrent changes of one task while its pages turn: each change is stored once, and none is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import timedelta
from itertools import count

import httpx
import pytest

from documents.common.outbox import no_changes
from documents.tracking.page_turns import turn_page
from documents.tracking.stored_entries import find_anywhere, remove_entry
from services.maintenance.doctor import examine
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, at, clock, problem
from tests.support.pages.entry_storage import lower_thresholds
from tests.support.pages.inserting import insert_hot, insert_paged
from tests.support.pages.interleaving import Interleaving
from tests.support.pages.stored_tasks import PagedTask, read_entries, read_task, read_tasks
from tests.support.stored_documents import NINE, ended_entry
from tests.tracking.entries.requests import entries_path

EARLIER = NINE - timedelta(days=3)


@pytest.fixture(autouse=True)
def _lower_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=5)


@pytest.fixture(autouse=True)
async def _open_connections(alice: Client) -> None:
    """Open the connections of the client and to the database before the requests that must be concurrent."""
    await asyncio.gather(*(alice.get("/tasks") for _ in range(20)))


def quarters(number: int, first: int = 0) -> list[Json]:
    """Return adjacent entries of 15 minutes each."""
    return [
        ended_entry(at=EARLIER + timedelta(minutes=15 * index), minutes=15) for index in range(first, first + number)
    ]


def reference(task: Json, entry: Json) -> Json:
    """Return the ids of a stored entry as a response contains them."""
    return {"id": str(entry["id"]), "task_id": str(task["_id"])}


async def require_consistency(database: Database) -> list[PagedTask]:
    """Check all stored time, and return the tasks."""
    await assert_stored_time_is_consistent(database)
    assert (await examine()).findings == []
    return await read_tasks(database)


class Writers:
    """Concurrent writers on one task. They collect the entries that the service has acknowledged."""

    def __init__(self, client: Client, task: Json) -> None:
        self.seconds: dict[str, int] = {}
        """The length of each acknowledged entry."""
        self._client = client
        self._task = task
        self._path = entries_path({"id": str(task["_id"])})
        self._minutes = count()

    async def use_timer(self) -> None:
        """Start and stop the timer three times."""
        for hour in range(9, 12):
            body = {"task_id": str(self._task["_id"]), "started_at": clock(f"{hour:02}:00")}
            await self._send("/timer/start", body, 201)
            stopped = await self._send("/timer/stop", {"ended_at": clock(f"{hour:02}:10")}, 200)
            self._add(stopped["entry"])

    async def create(self) -> None:
        """Create two entries, the second of which is older than most others."""
        for start in (NINE, EARLIER):
            started_at = (start + timedelta(minutes=next(self._minutes))).isoformat() + "Z"
            self._add(await self._send(self._path, {"started_at": started_at, "duration_seconds": 60}, 201))

    async def split(self, entry: Json) -> None:
        """Split an entry after five minutes."""
        instant = (entry["started_at"] + timedelta(minutes=5)).isoformat() + "Z"
        parts = await self._send(f"{at(reference(self._task, entry))}/split", {"at": instant}, 200)
        self._add(parts["first"])
        self._add(parts["second"])

    async def move_in(self, source: Json, entry: Json) -> None:
        """Move an entry of another task into this one."""
        path = f"{at(reference(source, entry))}/move"
        self._add(await self._send(path, {"task_id": str(self._task["_id"])}, 200))

    async def _send(self, path: str, body: Json, status: int) -> Json:
        response = await self._client.request_until_available("POST", path, json=body)
        assert response.status_code == status, response.text
        result: Json = response.json()
        return result

    def _add(self, entry: Json) -> None:
        self.seconds[entry["id"]] = entry["duration_seconds"]


class TestTwentyWriters:
    async def test_each_entry_is_stored_once(self, alice: Client, database: Database) -> None:
        entries = quarters(9)
        task = await insert_paged(database, alice, entries[:5], entries[5:])
        moved = quarters(6, 20)
        sources = [await insert_hot(database, alice, [entry]) for entry in moved]
        writers = Writers(alice, task)
        writers.seconds |= {str(entry["id"]): entry["duration_seconds"] for entry in entries}
        await asyncio.gather(
            writers.use_timer(),
            *(writers.create() for _ in range(7)),
            *(writers.split(entry) for entry in (*entries[1:4], *entries[5:8])),
            *map(writers.move_in, sources, moved),
        )
        await require_consistency(database)
        stored = await read_task(database, {"id": str(task["_id"])})
        assert {str(entry["id"]): entry["duration_seconds"] for entry in stored.entries} == writers.seconds
        assert stored.row["entry_count"] == 9 + 3 + 7 * 2 + 6 + 6
        assert stored.row["tracked_seconds"] == (9 * 15 + 3 * 10 + 7 * 2 + 6 * 15) * 60
        assert len(stored.pages) > 5
        listed = (await alice.get(entries_path({"id": str(task["_id"])}), params={"limit": 100})).json()["items"]
        assert sorted(entry["id"] for entry in listed) == sorted(writers.seconds)


Send = Callable[[Client, Json, Json], Awaitable[httpx.Response]]


async def edit(client: Client, entry: Json, _other: Json) -> httpx.Response:
    fields = {"started_at": "2026-11-15T09:05:00Z", "note": "edited"}
    return await client.patch(at(entry), json=fields, params={"overlap": "allow"})


async def edit_with_overlap_check(client: Client, entry: Json, _other: Json) -> httpx.Response:
    fields = {"started_at": "2026-11-15T09:05:00Z", "note": "edited"}
    return await client.patch(at(entry), json=fields, params={"overlap": "forbid"})


async def split(client: Client, entry: Json, _other: Json) -> httpx.Response:
    return await client.post(f"{at(entry)}/split", json={"at": "2026-11-15T09:05:00Z"}, params={"overlap": "forbid"})


async def move(client: Client, entry: Json, other: Json) -> httpx.Response:
    return await client.post(f"{at(entry)}/move", json={"task_id": str(other["_id"])})


async def delete(client: Client, entry: Json, _other: Json) -> httpx.Response:
    return await client.delete(at(entry))


class TestChangeOfEntryThatIsBeingPaged:
    """The page turns between the read of the entry and the write. The oldest entry of the task is changed."""

    # A split of a hot entry turns the page itself before it reads the entry.
    @pytest.mark.parametrize(
        ("send", "storage"),
        [
            *((send, "hot") for send in (edit, edit_with_overlap_check, move, delete)),
            *((send, "paged") for send in (edit, edit_with_overlap_check, split, move, delete)),
        ],
    )
    async def test_change_is_retried_and_stored_once(
        self, alice: Client, database: Database, interleaving: Interleaving, send: Send, storage: str
    ) -> None:
        entries = quarters(8)
        oldest, others = entries[0], entries[1:]
        parts = [others[:3], [oldest, *others[3:]]] if storage == "hot" else [entries[:3], entries[3:]]
        task = await insert_paged(database, alice, *parts)
        other = await insert_hot(database, alice, quarters(1, 50))
        turned = []

        async def turn() -> None:
            work = turn_page(task["user_id"], task["_id"])
            # In a context of its own, because the service may be in a transaction here.
            turned.append(await asyncio.create_task(work, context=Context()))

        interleaving.run_before("tasks by id" if storage == "hot" else "task_pages", 1, turn)
        response = await send(alice, reference(task, oldest), other)
        assert response.is_success, response.text
        assert turned == [True]
        await self.expect_stored_once(database, send, oldest, len(entries))

    async def expect_stored_once(self, database: Database, send: Send, oldest: Json, entry_count: int) -> None:
        tasks = await require_consistency(database)
        counts = [task.row["entry_count"] for task in tasks if task.pages]
        assert counts == [entry_count + (send is split) - (send in {move, delete})]
        stored = [entry for task in tasks for entry in task.entries if entry["id"] == oldest["id"]]
        assert len(stored) == (send is not delete)
        assert await database.deleted_entries.count_documents({}) == (send is delete)
        if send in {edit, edit_with_overlap_check}:
            assert (stored[0]["note"], stored[0]["duration_seconds"]) == ("edited", 600)


class TestConcurrentChangesInOnePage:
    @pytest.fixture
    def entries(self) -> list[Json]:
        return quarters(9)

    @pytest.fixture
    async def task(self, alice: Client, database: Database, entries: list[Json]) -> Json:
        return await insert_paged(database, alice, entries[:5], entries[5:])

    async def test_edits_of_all_entries_are_stored(
        self, alice: Client, database: Database, task: Json, entries: list[Json]
    ) -> None:
        notes = {entry["id"]: f"note {number}" for number, entry in enumerate(entries[:5])}
        responses = await asyncio.gather(
            *(
                alice.request_until_available("PATCH", at(reference(task, entry)), json={"note": notes[entry["id"]]})
                for entry in entries[:5]
            )
        )
        assert [response.status_code for response in responses] == [200] * 5
        (stored,) = await require_consistency(database)
        assert {entry["id"]: entry["note"] for entry in stored.pages[0]["entries"]} == notes

    async def test_edits_of_different_fields_of_one_entry_are_stored(
        self, alice: Client, database: Database, task: Json, entries: list[Json]
    ) -> None:
        path = at(reference(task, entries[2]))
        ended_at = "2026-11-15T09:50:00Z"
        changes: list[Json] = [{"note": "new"}, {"tags": ["new"]}, {"billable": True}, {"ended_at": ended_at}]
        responses = await asyncio.gather(
            *(alice.request_until_available("PATCH", path, json=change) for change in changes)
        )
        assert [response.status_code for response in responses] == [200] * 4
        await require_consistency(database)
        body = (await alice.get(path)).json()
        for change in changes:
            assert {**body, **change} == body

    async def test_entry_whose_page_was_deleted_meanwhile_is_not_changed(
        self, alice: Client, database: Database, task: Json, entries: list[Json]
    ) -> None:
        """The undo of an import deletes pages."""
        stored = await find_anywhere(alice.user["_id"], entries[0]["id"])
        assert stored is not None
        await database.task_pages.delete_one({"_id": stored.page_id})
        assert not await remove_entry(stored, no_changes)
        assert await database.tasks.find_one({}) == task

    async def test_removals_of_all_entries_remove_the_page(
        self, alice: Client, database: Database, task: Json, entries: list[Json]
    ) -> None:
        responses = await asyncio.gather(
            *(alice.request_until_available("DELETE", at(reference(task, entry))) for entry in entries[:5])
        )
        assert [response.status_code for response in responses] == [204] * 5
        (stored,) = await require_consistency(database)
        assert stored.sizes == ([], 4)
        assert await database.deleted_entries.count_documents({}) == 5


class TestDeletionAndMoveOfOneEntry:
    async def test_entry_is_in_one_place(self, alice: Client, database: Database) -> None:
        entries = quarters(9)
        task = await insert_paged(database, alice, entries[:5], entries[5:])
        other = await insert_paged(database, alice, quarters(3, 30), quarters(4, 40))
        for entry in entries[:5]:
            await asyncio.gather(self.delete_and_restore(alice, task, entry), self.move(alice, task, entry, other))
            places = [row["id"] for row in await read_entries(database) if row["id"] == entry["id"]]
            assert places == [entry["id"]]
            assert await database.deleted_entries.count_documents({}) == 0
        tasks = await require_consistency(database)
        assert sum(task.row["entry_count"] for task in tasks) == 9 + 7

    async def delete_and_restore(self, client: Client, task: Json, entry: Json) -> None:
        response = await client.request_until_available("DELETE", at(reference(task, entry)))
        if response.status_code != 204:
            problem(response, 404, "entry_not_found")
            return
        response = await client.request_until_available("POST", f"/time-entries/{entry['id']}/restore")
        assert response.status_code == 200, response.text

    async def move(self, client: Client, task: Json, entry: Json, other: Json) -> None:
        path, body = f"{at(reference(task, entry))}/move", {"task_id": str(other["_id"])}
        response = await client.request_until_available("POST", path, json=body)
        if response.status_code != 200:
            problem(response, 404, "entry_not_found")
