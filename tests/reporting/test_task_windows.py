"""Reports over years: the tasks are read in windows, and each task counts once."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.reporting.entry_reader import read_ended_entries
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.queries.paged_rows import MAX_INSTANT, MIN_INSTANT
from documents.tracking.queries.read_windows import (
    FIRST_WINDOW_LENGTH,
    MAX_CHANGE,
    MAX_WINDOW_LENGTH,
    MIN_WINDOW_LENGTH,
    next_length,
    read_in_windows,
)
from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import ended_entry, task_row, tracked

NOW = naive_utc(utc_now()).replace(microsecond=0)
DAYS = (-3, 0, 1, 20, 31, 32, 33, 60, 200, 201, 700, 3_000, 20_000)


async def insert_tasks(database: Database, client: Client) -> dict[int, Json]:
    """Insert a task for each of DAYS with an entry of a minute, that many days ago. Return them by the day."""
    rows = {
        day: task_row(client.user["_id"], **tracked(ended_entry(at=NOW - timedelta(days=day), minutes=1)))
        for day in DAYS
    }
    await database.tasks.insert_many([*rows.values()])
    return rows


def read(client: Client, **entry_filter: Any) -> Any:
    """Read the ended entries of a user."""
    return read_ended_entries(
        client.user["_id"], EntryFilter(**entry_filter), exclude_id=None, task_fields=(), entry_fields=()
    )


async def read_ids(client: Client, **entry_filter: Any) -> list[ObjectId]:
    """Return the ids of the tasks that have entries in the range, in the order in which they are read."""
    return [task["_id"] async for task in read(client, **entry_filter) if task["entries"]]


class TestWindows:
    @pytest.mark.parametrize("since", [MIN_INSTANT, *(NOW - timedelta(days=days) for days in (5_000, 250, 32, 31, 1))])
    @pytest.mark.parametrize("until", [MAX_INSTANT, *(NOW - timedelta(days=days) for days in (0, 32, 150, 650))])
    async def test_each_task_in_the_range_is_read_once(
        self, alice: Client, database: Database, since: Any, until: Any
    ) -> None:
        tasks = await insert_tasks(database, alice)
        expected = {
            task["_id"] for task in tasks.values() if task["last_ended_at"] > since and task["first_started_at"] < until
        }
        ids = await read_ids(alice, since=since, until=until)
        assert len(ids) == len(set(ids))
        assert set(ids) == expected

    async def test_task_that_extends_over_the_end_of_the_range_is_read(self, alice: Client, database: Database) -> None:
        entries = [ended_entry(at=NOW - timedelta(days=day), minutes=1) for day in (300, 10)]
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(*entries)))
        bounds = {"since": NOW - timedelta(days=350), "until": NOW - timedelta(days=250)}
        assert len(await read_ids(alice, **bounds)) == 1

    async def test_task_whose_end_moves_to_an_earlier_window_is_read(self, alice: Client, database: Database) -> None:
        tasks = await insert_tasks(database, alice)
        rows = read(alice)
        first = await anext(rows)
        moved = {"last_ended_at": NOW - timedelta(minutes=1), "updated_at": naive_utc(utc_now())}
        await database.tasks.update_one({"_id": tasks[700]["_id"]}, {"$set": moved})
        ids = [first["_id"], *[task["_id"] async for task in rows]]
        assert sorted(ids) == sorted(task["_id"] for task in tasks.values())

    async def test_task_that_is_moved_to_the_trash_before_its_window_is_left_out(
        self, alice: Client, database: Database
    ) -> None:
        tasks = await insert_tasks(database, alice)
        rows = read(alice)
        first = await anext(rows)
        await database.tasks.update_one({"_id": tasks[700]["_id"]}, {"$set": {"deleted_at": NOW}})
        ids = [first["_id"], *[task["_id"] async for task in rows]]
        assert sorted(ids) == sorted(task["_id"] for day, task in tasks.items() if day != 700)


class TestReadInWindows:
    @pytest.mark.parametrize("days", [0, 1, 32, 33, 1_000, 500_000])
    async def test_windows_cover_the_range_without_overlaps(self, days: int) -> None:
        since = NOW - timedelta(days=days)
        read: list[tuple[Any, Any]] = []

        async def read_window(low: Any, high: Any) -> list[int]:
            read.append((low, high))
            return [0] * (len(read) % 2)

        assert len([rows async for rows in read_in_windows(read_window, since, NOW, size=4)]) == len(read)
        assert read[0][1] is None
        assert read[-1][0] == since
        assert [high for _, high in read[1:]] == [low for low, _ in read[:-1]]
        assert all(low < high for low, high in read[1:])


class TestNextLength:
    @pytest.mark.parametrize(
        ("tasks", "factor"), [(0, MAX_CHANGE), (10, MAX_CHANGE), (50, 2), (100, 1), (200, 0.5), (5_000, 1 / MAX_CHANGE)]
    )
    def test_length_depends_on_the_number_of_tasks(self, tasks: int, factor: float) -> None:
        assert next_length(FIRST_WINDOW_LENGTH, tasks, size=100) == FIRST_WINDOW_LENGTH * factor

    def test_length_has_bounds(self) -> None:
        assert next_length(MIN_WINDOW_LENGTH, 1_000, size=100) == MIN_WINDOW_LENGTH
        assert next_length(MAX_WINDOW_LENGTH, 0, size=100) == MAX_WINDOW_LENGTH
