"""Page turns: a request that adds an entry to a task with 200 hot entries moves the oldest 100 to a page."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection

from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from services.tracking.rules.capacity import EntryRoom, PageDueError
from tests.conftest import Database
from tests.support.http import Client, Json, at, clock, problem
from tests.support.pages.stored_tasks import PagedTask, insert_task_with_entries, read_task
from tests.support.stored_documents import NINE, running_entry, short_entries, tracked
from tests.tracking.entries.requests import entries_path

pytestmark = pytest.mark.usefixtures("consistent_counters")

HOUR: Json = {"started_at": clock("09:00"), "ended_at": clock("10:00")}


async def start(client: Client, task: Json) -> httpx.Response:
    return await client.post("/timer/start", json={"task_id": task["id"]})


async def switch(client: Client, task: Json) -> httpx.Response:
    await client.start(await client.make_task(title="Before"))
    return await client.post("/timer/switch", json={"task_id": task["id"]})


async def switch_without_timer(client: Client, task: Json) -> httpx.Response:
    return await client.post("/timer/switch", json={"task_id": task["id"]})


async def resume(client: Client, _task: Json) -> httpx.Response:
    return await client.post("/timer/resume")


async def stop(client: Client, _task: Json) -> httpx.Response:
    return await client.post("/timer/stop")


async def create(client: Client, task: Json) -> httpx.Response:
    return await client.post(entries_path(task), json=HOUR)


async def restore(client: Client, task: Json) -> httpx.Response:
    entry = (await client.read(task))["time_entries"][0]
    assert (await client.delete(at(entry))).status_code == 204
    return await client.post(f"/time-entries/{entry['id']}/restore")


async def split(client: Client, task: Json) -> httpx.Response:
    entry = next(entry for entry in (await client.read(task))["time_entries"] if entry["duration_seconds"] == 60)
    return await client.post(f"{at(entry)}/split", json={"at": entry["started_at"].replace("00Z", "30Z")})


async def move_in(client: Client, task: Json) -> httpx.Response:
    entry = await client.write(await client.make_task(title="Source"))
    return await client.post(f"{at(entry)}/move", json={"task_id": task["id"]})


Send = Callable[[Client, Json], Awaitable[httpx.Response]]
ADDING: list[tuple[Send, int, int]] = [
    (start, 200, 0),
    (switch, 200, 0),
    (resume, 200, 0),
    (create, 200, 1),
    (restore, 201, 0),
    (split, 200, 1),
    (move_in, 200, 1),
]
"""Each request that adds an entry, the hot entries before it, and the ended entries that it adds."""


def oldest_ids(task: PagedTask, count: int) -> list[ObjectId]:
    return [entry["id"] for entry in task.hot[:count]]


class TestTurnPage:
    @pytest.mark.parametrize(("send", "count", "added"), ADDING)
    async def test_oldest_hundred_entries_move_to_a_page(
        self, alice: Client, database: Database, send: Send, count: int, added: int
    ) -> None:
        task = await insert_task_with_entries(alice, database, count)
        before = await read_task(database, task)
        assert (await send(alice, task)).is_success
        after = await read_task(database, task)
        assert after.sizes == ([100], count - 100 + added)
        (page,) = after.pages
        assert page["entries"] == before.hot[:100]
        assert after.row["paged_until"] == before.hot[99]["ended_at"]
        assert after.row["entry_count"] == count + added
        assert set(oldest_ids(before, count)) <= {entry["id"] for entry in after.entries}

    @pytest.mark.parametrize(("send", "count", "added"), ADDING)
    async def test_page_is_not_due_below_two_hundred_entries(
        self, alice: Client, database: Database, send: Send, count: int, added: int
    ) -> None:
        task = await insert_task_with_entries(alice, database, count - 1)
        assert (await send(alice, task)).is_success
        after = await read_task(database, task)
        assert after.sizes == ([], count - 1 + added)
        assert "pages" not in after.row

    async def test_stop_turns_no_page(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 300, active=running_entry())
        stopped = await alice.stop()
        assert stopped["entry"]["started_at"] == clock("09:00")
        assert (await read_task(database, task)).sizes == ([], 301)

    async def test_switch_turns_no_page_of_the_task_that_it_stops(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 300, active=running_entry())
        other = await alice.make_task()
        assert (await alice.post("/timer/switch", json={"task_id": other["id"]})).status_code == 200
        assert (await read_task(database, task)).sizes == ([], 301)

    async def test_change_and_removal_of_entries_turn_no_page(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 300)
        changed, deleted, moved = (await alice.read(task))["time_entries"][:3]
        other = await alice.make_task()
        assert (await alice.patch(at(changed), json={"note": "changed"})).status_code == 200
        assert (await alice.delete(at(deleted))).status_code == 204
        assert (await alice.post(f"{at(moved)}/move", json={"task_id": other["id"]})).status_code == 200
        assert (await read_task(database, task)).sizes == ([], 298)

    async def test_refused_request_adds_no_entry(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 200)
        response = await alice.post(entries_path(task), json=HOUR, headers={"If-Match": '"7"'})
        problem(response, 412, "stale_version")
        assert (await read_task(database, task)).sizes == ([], 200)

    @pytest.mark.parametrize("send", [start, switch_without_timer, create, restore, split])
    async def test_if_match_is_the_version_before_the_page_was_turned(
        self, alice: Client, database: Database, send: Send
    ) -> None:
        task = await insert_task_with_entries(alice, database, 201 if send is restore else 200)
        await database.tasks.update_one({"_id": ObjectId(task["id"])}, {"$set": {"version": 7}})
        alice.headers["If-Match"] = '"7", "8"' if send is restore else '"7"'  # the deletion before has the version 7
        response = await send(alice, task)
        assert response.is_success, response.text
        assert len((await read_task(database, task)).pages) == 1

    async def test_version_increases_once_for_the_page_and_once_for_the_entry(
        self, alice: Client, database: Database
    ) -> None:
        task = await insert_task_with_entries(alice, database, 200)
        assert (await create(alice, task)).headers["etag"] == '"3"'


class TestTaskThatChangesBeforeItsPageTurns:
    async def test_nothing_moves_and_the_attempt_counts_as_a_conflict(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 200)
        stored, attempts = (await read_task(database, task)).row, 0

        async def attempt() -> bool:
            nonlocal attempts
            attempts += 1
            raise PageDueError(stored)

        assert (await alice.patch(f"/tasks/{task['id']}", json={"title": "New"})).status_code == 200
        assert await EntryRoom().run(attempt) is None
        assert attempts == 1
        assert (await read_task(database, task)).sizes == ([], 200)


class TestNextPage:
    @pytest.fixture
    async def task(self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch) -> Json:
        """A task of five entries. Each entry that is added to four or more moves two to a page of at most five."""
        monkeypatch.setattr(Task, "hot_entries", 4)
        monkeypatch.setattr(Task, "paged_at_once", 2)
        monkeypatch.setattr(TaskPage, "capacity", 5)
        return await insert_task_with_entries(alice, database, 5)

    async def test_page_with_room_is_replaced_by_a_larger_one(
        self, alice: Client, database: Database, task: Json
    ) -> None:
        await create(alice, task)
        first = await read_task(database, task)
        await create(alice, task)
        second = await read_task(database, task)
        assert (first.sizes, second.sizes) == (([2], 4), ([4], 3))
        assert second.pages[0]["entries"] == [*first.pages[0]["entries"], *first.hot[:2]]
        assert second.pages[0]["_id"] != first.pages[0]["_id"]

    async def test_replaced_page_remains_for_an_hour(self, alice: Client, database: Database, task: Json) -> None:
        await create(alice, task)
        (page,) = (await read_task(database, task)).pages
        await create(alice, task)
        replaced = await database.task_pages.find_one({"_id": page["_id"]})
        assert replaced is not None
        assert replaced.pop("replaced_at") >= page["updated_at"]
        assert replaced == page
        indexes = await database.task_pages.index_information()
        assert indexes["replaced_expire"]["expireAfterSeconds"] == 3600

    async def test_full_page_is_followed_by_another_one(self, alice: Client, database: Database, task: Json) -> None:
        sizes = []
        for _ in range(8):
            await create(alice, task)
            sizes.append((await read_task(database, task)).sizes)
        assert sizes == [
            ([2], 4),
            ([4], 3),
            ([4], 4),
            ([4, 2], 3),
            ([4, 2], 4),
            ([4, 4], 3),
            ([4, 4], 4),
            ([4, 4, 2], 3),
        ]

    async def test_paged_until_is_the_last_end_in_all_pages(
        self, alice: Client, database: Database, task: Json
    ) -> None:
        await database.tasks.update_one({}, {"$set": tracked(*self._entries_with_a_long_one())})
        await create(alice, task)
        first = await read_task(database, task)
        await create(alice, task)
        second = await read_task(database, task)
        assert first.row["paged_until"] == second.row["paged_until"] == NINE + timedelta(hours=1)

    def _entries_with_a_long_one(self) -> list[Json]:
        """Five entries, of which the oldest ends last."""
        oldest, *others = short_entries(5)
        ended_at = NINE + timedelta(hours=1)
        seconds = int((ended_at - oldest["started_at"]).total_seconds())
        return [{**oldest, "ended_at": ended_at, "duration_seconds": seconds}, *others]


class TestRepeatedCommand:
    async def test_page_stays_when_the_server_executes_the_turn_twice(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of two executions, the second one changes nothing, and the client only learns that."""
        original: Any = AsyncCollection.update_one

        async def update_twice(collection: Any, query: Json, update: Any, **options: Any) -> Any:
            if "$push" in update and "pages" in update["$push"]:
                await original(collection, query, update, **options)
            return await original(collection, query, update, **options)

        task = await insert_task_with_entries(alice, database, 200)
        before = await read_task(database, task)
        monkeypatch.setattr(AsyncCollection, "update_one", update_twice)
        assert (await create(alice, task)).status_code == 201
        after = await read_task(database, task)
        assert after.sizes == ([100], 101)
        assert set(oldest_ids(before, 200)) <= {entry["id"] for entry in after.entries}


class TestLargeTaskOfAnEarlierVersion:
    async def test_each_request_turns_one_page(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 700)
        sizes = []
        for send in (start, stop, create, split, move_in, create):
            assert (await send(alice, task)).is_success
            sizes.append((await read_task(database, task)).sizes)
        assert sizes == [
            ([100], 600),
            ([100], 601),
            ([200], 502),
            ([300], 403),
            ([400], 304),
            ([500], 205),
        ]
        assert (await create(alice, task)).status_code == 201
        after = await read_task(database, task)
        assert after.sizes == ([500, 100], 106)
        assert after.row["entry_count"] == 706

    async def test_concurrent_requests_are_all_accepted(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 1999)
        responses = await asyncio.gather(
            *(alice.request_until_available("POST", entries_path(task), json=HOUR) for _ in range(3))
        )
        assert [response.status_code for response in responses] == [201] * 3
        after = await read_task(database, task)
        assert after.row["entry_count"] == 2002
        assert 1 <= sum(len(page["entries"]) for page in after.pages) // 100 <= 3

    async def test_running_timer_can_use_the_last_place(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 1999, active=running_entry())
        await alice.stop()
        assert (await read_task(database, task)).sizes == ([], 2000)

    async def test_switch_can_use_the_last_place_of_the_source_task(self, alice: Client, database: Database) -> None:
        task = await insert_task_with_entries(alice, database, 1999, active=running_entry())
        other = await alice.make_task()
        assert (await alice.post("/timer/switch", json={"task_id": other["id"]})).status_code == 200
        assert (await read_task(database, task)).sizes == ([], 2000)


class TestFullTask:
    """With pages of one entry, a turn leaves a task of 2,000 entries only the place of the timer."""

    @pytest.fixture
    async def task(self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch) -> Json:
        monkeypatch.setattr(Task, "paged_at_once", 1)
        return await insert_task_with_entries(alice, database, 2000)

    @pytest.mark.parametrize("send", [create, split, move_in])
    async def test_entry_is_refused(self, alice: Client, database: Database, task: Json, send: Send) -> None:
        problem(await send(alice, task), 409, "task_full")
        assert (await read_task(database, task)).sizes == ([1], 1999)

    async def test_restored_entry_is_refused(self, alice: Client, database: Database, task: Json) -> None:
        entry = (await alice.read(task))["time_entries"][0]
        await alice.delete(at(entry))
        await database.tasks.update_one({}, {"$set": tracked(*short_entries(2000))})
        problem(await alice.post(f"/time-entries/{entry['id']}/restore"), 409, "task_full")
        assert await database.deleted_entries.count_documents({}) == 1

    async def test_timer_is_accepted(self, alice: Client, database: Database, task: Json) -> None:
        await alice.start(task)
        await alice.stop()
        assert (await read_task(database, task)).sizes == ([1], 2000)
