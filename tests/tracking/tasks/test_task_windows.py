"""Lists of tasks that are read in windows have the same pages as a plain sort."""

import random
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from documents.tracking.queries import sort_keys, task_list
from documents.tracking.queries.sort_keys import TASK_SORT_KEYS, KeyBounds
from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import insert_rows, task_row

NOW = datetime(2026, 11, 18, 9)  # noqa: DTZ001 -- as it is stored
TASKS = 90
TITLES = ("a", "aa", "a\u0101", "Z", "z", "\ue000", "\U0010ffff", "b" * 300, " ", "Écrire")


def instants(source: random.Random) -> datetime:
    """Return an instant that is near, tied with others, or far away."""
    far = [datetime(1970, 1, 1), datetime(9998, 12, 31, 23, 59, 59, 999000)]  # noqa: DTZ001 -- as they are stored
    near = NOW - timedelta(milliseconds=source.randrange(3), hours=source.randrange(2000))
    return source.choice([*far, NOW, NOW, *[near] * 12])


def random_fields(source: random.Random) -> Json:
    """Return the fields by which tasks are sorted and filtered, many of them equal to those of other tasks."""
    projects = [ObjectId(f"{number:024x}") for number in (1, 2, 2**64, 2**96 - 1)]
    return {
        "created_at": instants(source),
        "updated_at": instants(source),
        "due_at": source.choice([None, instants(source)]),
        "title": source.choice([*TITLES, f"Write chapter {source.randrange(40)}"]),
        "project_id": source.choice([None, *projects]),
        "tracked_seconds": source.choice([0, 0, source.randrange(10_000)]),
        "status": source.choice(["pending", "completed", "completed", "completed"]),
    }


def expected_order(rows: list[Json], sort: str) -> list[str]:
    """Return the ids of the rows in the order of the list: by value and id, null last."""
    field, descending = sort.removeprefix("-"), sort.startswith("-")
    with_value = [row for row in rows if row[field] is not None]
    without = [row for row in rows if row[field] is None]
    with_value.sort(key=lambda row: (row[field], row["_id"]), reverse=descending)
    without.sort(key=lambda row: row["_id"], reverse=descending)
    return [str(row["_id"]) for row in (*with_value, *without)]


async def listed(client: Client, **query: Any) -> list[str]:
    """Return the ids of the tasks on all pages."""
    ids: list[str] = []
    cursor = None
    while True:
        page = await client.list(**query, **({} if cursor is None else {"cursor": cursor}))
        ids += [task["id"] for task in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids


@pytest.fixture
async def rows(alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """Insert random tasks, which need many windows."""
    monkeypatch.setattr(task_list, "MAX_SINGLE_WINDOW_TASKS", 0)
    for module in (sort_keys, task_list):
        monkeypatch.setattr(module, "TASKS_PER_BOUND", 4)
    source = random.Random(5)
    rows = [{**task_row(alice.user["_id"]), **random_fields(source)} for _ in range(TASKS)]
    await insert_rows(database, "tasks", rows)
    return rows


SORTS = [f"{sign}{field}" for field in TASK_SORT_KEYS for sign in ("", "-")]


class TestWindows:
    @pytest.mark.parametrize("sort", SORTS)
    async def test_pages_are_those_of_a_plain_sort(self, alice: Client, rows: list[Json], sort: str) -> None:
        assert await listed(alice, sort=sort, limit=17) == expected_order(rows, sort)
        pending = [row for row in rows if row["status"] == "pending"]
        assert await listed(alice, sort=sort, limit=7, status="pending") == expected_order(pending, sort)

    @pytest.mark.parametrize("sort", SORTS)
    async def test_other_bounds_do_not_change_the_pages(
        self, alice: Client, rows: list[Json], monkeypatch: pytest.MonkeyPatch, sort: str
    ) -> None:
        """The bounds are an estimate: tasks may have changed since they were read."""
        key = TASK_SORT_KEYS[sort.removeprefix("-")]
        values = sorted({row[key.field] for row in rows if row[key.field] is not None})
        wrong = KeyBounds(tuple(values[::13]), len(rows))
        monkeypatch.setattr(task_list, "cached_bounds", lambda *_: wrong)
        assert await listed(alice, sort=sort, limit=19) == expected_order(rows, sort)

    @pytest.mark.parametrize("sort", ["due_at", "-due_at", "-created_at", "title"])
    async def test_range_of_due_dates_is_exact(self, alice: Client, rows: list[Json], sort: str) -> None:
        low, high = NOW - timedelta(hours=900), NOW
        due = [row for row in rows if row["due_at"] is not None and low <= row["due_at"] < high]
        query = {"due_after": f"{low.isoformat()}Z", "due_before": f"{high.isoformat()}Z"}
        assert await listed(alice, sort=sort, limit=7, **query) == expected_order(due, sort)
        overdue = [row for row in rows if row["due_at"] is not None and row["due_at"] < high]
        assert await listed(alice, sort=sort, limit=7, due_before=query["due_before"]) == expected_order(overdue, sort)

    @pytest.mark.parametrize("sort", ["updated_at", "-updated_at", "title"])
    async def test_time_of_the_last_update_is_exact(self, alice: Client, rows: list[Json], sort: str) -> None:
        since = rows[3]["updated_at"]
        updated = [row for row in rows if row["updated_at"] >= since]
        listed_ids = await listed(alice, sort=sort, limit=7, updated_since=f"{since.isoformat()}Z")
        assert listed_ids == expected_order(updated, sort)

    @pytest.mark.parametrize("sort", ["project_id", "-title", "due_at"])
    async def test_project_is_exact(self, alice: Client, rows: list[Json], sort: str) -> None:
        for project_id in {row["project_id"] for row in rows}:
            tasks = [row for row in rows if row["project_id"] == project_id]
            found = await listed(alice, sort=sort, limit=7, project_id=str(project_id or "none"))
            assert found == expected_order(tasks, sort)


class TestBounds:
    @pytest.mark.parametrize("field", TASK_SORT_KEYS)
    async def test_bounds_are_those_of_all_tasks_whenever_they_were_created(
        self, alice: Client, rows: list[Json], database: Database, monkeypatch: pytest.MonkeyPatch, field: str
    ) -> None:
        monkeypatch.setattr(sort_keys, "TASKS_PER_QUERY", 5)
        early = {**rows[0], "_id": ObjectId(), "created_at": datetime(1969, 12, 31)}  # noqa: DTZ001 -- as it is stored
        await database.tasks.insert_one(early)
        values = sorted(row[field] for row in (*rows, early) if row[field] is not None)
        bounds = await sort_keys.read_bounds(alice.user["_id"], TASK_SORT_KEYS[field])
        assert bounds == KeyBounds(tuple(dict.fromkeys(values[4::4])), len(rows) + 1)

    async def test_oldest_bounds_are_removed_from_the_cache(
        self, alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sort_keys, "_MAX_CACHED", 1)
        monkeypatch.setattr(sort_keys, "_cache", OrderedDict())
        key, (first, second) = TASK_SORT_KEYS["title"], (client.user["_id"] for client in (alice, bob))
        for user_id in (first, second):
            assert await sort_keys.read_bounds(user_id, key) == sort_keys.cached_bounds(user_id, key)
        assert sort_keys.cached_bounds(first, key) is None


class TestNumberOfQueries:
    async def test_bounds_are_read_once_and_a_page_of_a_small_account_is_one_query(
        self, alice: Client, database: Database, interleaving: Any
    ) -> None:
        await database.tasks.insert_many([task_row(alice.user["_id"]) for _ in range(60)])
        await alice.list(sort="title")
        interleaving.counts.clear()
        assert len((await alice.list(sort="title"))["items"]) == 50
        assert interleaving.counts == {"tasks": 1}
