"""Counts of tags that are kept in memory are right after every kind of change, and each reads only what has changed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.tracking import tag_counts
from documents.tracking.queries import sort_keys
from tests.conftest import Database
from tests.support.http import Client, Json, at
from tests.support.pages.entry_storage import lower_thresholds
from tests.support.pages.inserting import insert_paged
from tests.support.stored_documents import NINE, ended_entry, insert_rows, task_row, tracked

TASKS = 16
WINDOWS = 4

Counts = tuple[dict[str, int], dict[str, int]]
Steps = AsyncIterator[int]
Change = Callable[[Client, list[Json]], Steps]


async def listed(client: Client) -> Counts:
    """Return the number of tasks and that of entries by tag, as the service counts them."""
    response = await client.get("/tags", params={"limit": 200})
    assert response.status_code == 200, response.text
    tags = response.json()["items"]
    tasks, entries = ({tag["name"]: tag[f"{of}_count"] for tag in tags} for of in ("task", "entry"))
    return +Counter(tasks), +Counter(entries)


async def stored(database: Database, user_id: ObjectId) -> Counts:
    """Return the number of tasks and that of entries by tag, counted one by one."""
    tasks: Counter[str] = Counter()
    entries: Counter[str] = Counter()
    async for task in database.tasks.find({"user_id": user_id, "deleted_at": None}):
        tasks.update(task["tags"])
        pages = [page async for page in database.task_pages.find({"_id": {"$in": task.get("pages", [])}})]
        active = [task["active"]] if "active" in task else []
        for entry in [*task["time_entries"], *active, *(entry for page in pages for entry in page["entries"])]:
            entries.update(entry["tags"])
    return tasks, entries


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count tasks in windows of four, and assume that writes take no time. Returns how many windows were counted."""
    numbers: list[int] = []
    count_windows = tag_counts._count_windows

    async def count(user_id: ObjectId, windows: list[Json]) -> Any:
        numbers.append(len(windows))
        return await count_windows(user_id, windows)

    monkeypatch.setattr(tag_counts, "_count_windows", count)
    monkeypatch.setattr(tag_counts, "MAX_WRITE_DURATION", timedelta(0))
    for name in ("TASKS_PER_BOUND", "TASKS_PER_WINDOW"):
        monkeypatch.setattr(sort_keys, name, TASKS // WINDOWS)
    lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=4)
    return numbers


@pytest.fixture
async def tasks(alice: Client, database: Database, counted: list[int]) -> list[Json]:
    """Insert tasks that were created an hour apart, of which the last has pages, and count their tags."""
    rows = [
        task_row(
            alice.user["_id"],
            tags=["every", f"t{number % 3}"],
            created_at=NINE + timedelta(hours=number),
            **tracked(ended_entry(tags=["e", f"e{number % 2}"], created_at=NINE)),
        )
        for number in range(TASKS - 1)
    ]
    await insert_rows(database, "tasks", rows)
    paged = await insert_paged(
        database,
        alice,
        [ended_entry(at=NINE + timedelta(hours=1), tags=["paged"])],
        [ended_entry(at=NINE + timedelta(hours=2), tags=["hot"]) for _ in range(3)],
        created_at=NINE + timedelta(hours=TASKS - 1),
    )
    assert await listed(alice) == await stored(database, alice.user["_id"])
    assert counted == [WINDOWS]
    counted.clear()
    return [{"id": str(row["_id"]), "entries": row["time_entries"]} for row in (*rows, paged)]


def entry_of(task: Json) -> Json:
    """Return the first entry of a task."""
    return {"id": str(task["entries"][0]["id"]), "task_id": task["id"]}


# Each step is a change. A change yields after each of its steps the number of windows that have an updated task.


async def create(alice: Client, _tasks: list[Json]) -> Steps:
    await alice.make_task(tags=["new", "every"])
    yield 1


async def update(alice: Client, tasks: list[Json]) -> Steps:
    await alice.patch(f"/tasks/{tasks[5]['id']}", json={"tags": ["other"]})
    yield 1


async def delete_and_restore(alice: Client, tasks: list[Json]) -> Steps:
    await alice.delete(f"/tasks/{tasks[5]['id']}")
    yield 1
    await alice.post(f"/tasks/{tasks[5]['id']}/restore")
    yield 1


async def update_in_bulk(alice: Client, tasks: list[Json]) -> Steps:
    operations = [{"op": "update", "task_id": task["id"], "body": {"tags": ["bulk"]}} for task in tasks[:6]]
    await alice.post("/tasks/bulk", json={"operations": operations})
    yield 2


async def start_switch_and_discard(alice: Client, tasks: list[Json]) -> Steps:
    await alice.start(tasks[0], tags=["running"])
    yield 1
    await alice.post("/timer/switch", json={"task_id": tasks[9]["id"], "tags": ["running", "next"]})
    yield 2
    await alice.delete("/timer")
    yield 1


async def write_and_turn_a_page(alice: Client, tasks: list[Json]) -> Steps:
    for _ in range(4):
        await alice.write(tasks[-1], tags=["written"])
        yield 1


async def update_hot_entry(alice: Client, tasks: list[Json]) -> Steps:
    await alice.patch(at(entry_of(tasks[3])), json={"tags": ["changed"]})
    yield 1


async def update_paged_entry(alice: Client, tasks: list[Json]) -> Steps:
    entries = (await alice.get(f"/tasks/{tasks[-1]['id']}/time-entries")).json()["items"]
    await alice.patch(at(entries[-1]), json={"tags": ["changed"]})
    yield 1


async def delete_and_restore_entry(alice: Client, tasks: list[Json]) -> Steps:
    await alice.delete(at(entry_of(tasks[3])))
    yield 1
    await alice.post(f"/time-entries/{entry_of(tasks[3])['id']}/restore")
    yield 1


async def split_entry(alice: Client, tasks: list[Json]) -> Steps:
    await alice.post(f"{at(entry_of(tasks[3]))}/split", json={"at": "2026-11-18T09:10:00Z"})
    yield 1


async def move_entry_out_of_the_trash(alice: Client, tasks: list[Json]) -> Steps:
    await alice.post(f"{at(entry_of(tasks[3]))}/move", json={"task_id": tasks[10]["id"]})
    await alice.delete(f"/tasks/{tasks[3]['id']}")
    yield 2


async def rename(alice: Client, _tasks: list[Json]) -> Steps:
    await alice.post("/tags/rename", json={"from": "e", "to": "entry"})
    yield WINDOWS


async def import_and_undo(alice: Client, _tasks: list[Json]) -> Steps:
    content = "Start,End,Task,Tags\n2026-11-10 09:00,2026-11-10 10:00,Imported,imported"
    files = {"file": ("time.csv", content.encode(), "text/csv")}
    imported = (await alice.post("/imports", data={"format": "csv", "timezone": "UTC"}, files=files)).json()
    yield WINDOWS
    await alice.delete(f"/imports/{imported['id']}")
    yield WINDOWS


CHANGES = [
    *(create, update, delete_and_restore, update_in_bulk, start_switch_and_discard, write_and_turn_a_page),
    *(update_hot_entry, update_paged_entry, delete_and_restore_entry, split_entry, move_entry_out_of_the_trash),
    *(rename, import_and_undo),
]


class TestCachedCounts:
    @pytest.mark.parametrize("change", CHANGES)
    async def test_windows_with_updated_tasks_are_counted_again(
        self, alice: Client, database: Database, tasks: list[Json], counted: list[int], change: Change
    ) -> None:
        """Those of the previous step are counted, too, if it was in the same millisecond."""
        before = await stored(database, alice.user["_id"])
        async for windows in change(alice, tasks):
            after = await stored(database, alice.user["_id"])
            assert after != before
            assert await listed(alice) == after
            assert counted[-1] >= windows
            before = after
        await asyncio.sleep(0.002)
        await listed(alice)
        assert await listed(alice) == before
        assert counted[-1] == 0

    @pytest.mark.usefixtures("tasks")
    async def test_account_file_can_contain_tasks_that_were_updated_long_ago(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        rows = [task_row(bob.user["_id"], title=f"{number}", tags=["old"]) for number in range(3)]
        await insert_rows(database, "tasks", rows)
        content = (await bob.get("/exports/account.ndjson.gz")).content
        await alice.post("/imports", data={"format": "account"}, files={"file": ("a.gz", content)})
        imported = {"user_id": alice.user["_id"], "tags": "old", "updated_at": NINE}
        assert await database.tasks.count_documents(imported) == 3
        task_counts, _ = await listed(alice)
        assert task_counts["old"] == 3

    async def test_update_that_becomes_visible_later_is_counted(
        self, alice: Client, database: Database, tasks: list[Json], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its `updated_at` lies before the last count, and it was committed after it."""
        monkeypatch.undo()
        written_at = naive_utc(utc_now()) - timedelta(seconds=80)
        update = {"$set": {"tags": ["late"], "updated_at": written_at}}
        await database.tasks.update_one({"_id": ObjectId(tasks[2]["id"])}, update)
        assert await listed(alice) == await stored(database, alice.user["_id"])

    async def test_change_by_another_program_is_counted_after_an_hour(
        self, alice: Client, database: Database, tasks: list[Json], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However often the tags are listed meanwhile."""
        now = 0.0
        monkeypatch.setattr(tag_counts, "_cache", tag_counts._new_cache(1000, lambda: now))
        await listed(alice)
        await database.tasks.update_one({"_id": ObjectId(tasks[2]["id"])}, {"$set": {"tags": ["shell"]}})
        for number in range(4):
            now += 900
            await alice.patch(f"/tasks/{tasks[-1]['id']}", json={"tags": [f"{number}"]})
            counts = await listed(alice)
        assert counts == await stored(database, alice.user["_id"])

    async def test_all_is_counted_again_after_many_updates(
        self,
        alice: Client,
        database: Database,
        tasks: list[Json],
        counted: list[int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(tag_counts, "TASKS_PER_QUERY", 1)
        for task in tasks[:2]:
            await alice.patch(f"/tasks/{task['id']}", json={"tags": ["many"]})
        assert await listed(alice) == await stored(database, alice.user["_id"])
        assert counted == [WINDOWS]

    @pytest.mark.usefixtures("tasks")
    async def test_cache_has_a_maximum_size(
        self, alice: Client, counted: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tag_counts, "_cache", tag_counts._new_cache(5))
        monkeypatch.setattr(tag_counts, "MAX_CACHED_COUNTS", 5)
        for _ in range(2):
            await listed(alice)
        assert counted == [WINDOWS, WINDOWS]
