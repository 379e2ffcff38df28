"""Exports of tasks with pages: each entry once and in order, also while the pages change."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from bson import ObjectId

from documents.tracking.page_turns import turn_page
from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task
from documents.transfer import entry_stream
from tests.conftest import Database
from tests.support.http import Client, Json, at, problem
from tests.support.pages.entry_storage import lower_thresholds
from tests.support.pages.inserting import insert_hot, insert_paged
from tests.support.pages.interleaving import Interleaving
from tests.support.stored_documents import NINE, ended_entry, page_row, project_row, short_entries
from tests.transfer.exports.files import NOVEMBER, events, lines, sheet, table


def half_hours(count: int, first: int = 0, step: int = 1) -> list[Json]:
    """Return entries that start every half hour from 09:00 on 18 November, with different lengths and tags."""
    return [
        ended_entry(
            at=NINE + timedelta(minutes=30 * (first + step * number)),
            minutes=first + number,
            tags=[["deep"], [], ["web", "deep"]][number % 3],
            billable=number % 2 == 0,
            note=f"note {number}",
        )
        for number in range(count)
    ]


async def insert_interleaved(database: Database, paged: Client, hot: Client) -> None:
    """Insert three tasks for each user, whose entries alternate. Those of the first user are in pages."""
    for number in range(3):
        entries = half_hours(20, first=number, step=3)
        parts = [entries[:7], entries[7:8], entries[8:17], entries[17:]]
        projects = [project_row(client.user["_id"], name=f"Site {number}") for client in (paged, hot)]
        await database.projects.insert_many(projects)
        fields = [
            {"title": f"Task {number}", "tags": ["office"] if number else [], "project_id": project["_id"]}
            for project in projects
        ]
        task = await insert_paged(database, paged, *parts, **fields[0])
        if number == 2:
            await database.tasks.update_one({"_id": task["_id"]}, {"$unset": {"paged_until": ""}})
        await database.task_pages.insert_one(page_row(task, *half_hours(7)))  # not listed
        await insert_hot(database, hot, entries, **fields[1])


async def ids(client: Client, **query: Any) -> list[str]:
    return [line["id"] for line in await lines(client, **query)]


class TestPagedEntries:
    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"cut": "true", "from": "2026-11-18T12:00:00Z", "to": "2026-11-19T10:10:00Z"},
            {"tag": "deep"},
            {"tag": "office"},
            {"tag": ["web", "office"], "billable": "false"},
            {"status": "in_progress", "project_id": "none"},
            {"to": "2026-11-18T13:45:00Z"},
            {"from": "2026-11-19T13:45:00Z"},
            {"from": "1970-01-01", "to": "2100-01-01"},
        ],
    )
    async def test_rows_are_the_same_as_without_pages(
        self, alice: Client, bob: Client, database: Database, query: Json
    ) -> None:
        await insert_interleaved(database, alice, bob)
        paged, hot = await table(alice, **query), await table(bob, **query)
        for row in (*paged, *hot):
            row["entry_id"] = row["task_id"] = ""
        assert paged == hot
        starts = [row["start"] for row in paged]
        assert starts == sorted(starts)

    async def test_other_formats_contain_all_entries(self, alice: Client, bob: Client, database: Database) -> None:
        await insert_interleaved(database, alice, bob)
        assert len(set(await ids(alice))) == 60
        assert len(await sheet(alice)) == len(await sheet(bob)) >= 60
        assert len(await events(alice)) == 60

    async def test_task_filter_applies_to_pages(self, alice: Client, database: Database) -> None:
        entries = half_hours(6)
        task = await insert_paged(database, alice, entries[:2], entries[2:4], entries[4:])
        await insert_paged(database, alice, half_hours(3), half_hours(1))
        assert await ids(alice, task_id=str(task["_id"])) == [str(entry["id"]) for entry in entries]

    async def test_pages_of_other_users_and_of_the_trash_are_left_out(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        theirs = await insert_paged(database, bob, half_hours(3), half_hours(1))
        trash = await insert_paged(database, alice, half_hours(3), half_hours(1), deleted_at=NINE)
        mine = await insert_paged(database, alice, half_hours(2), half_hours(1))
        pages = [*mine["pages"], *theirs["pages"], *trash["pages"]]
        await database.tasks.update_one({"_id": mine["_id"]}, {"$set": {"pages": pages}})
        assert len(await ids(alice)) == 3

    async def test_entries_of_many_batches_are_complete(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(entry_stream, "ENTRIES_PER_BATCH", 3)
        entries = short_entries(90)
        for number in range(9):
            mine = entries[number::9]
            await insert_paged(database, alice, mine[:2], mine[2:6], mine[6 : 7 + number % 3], mine[7 + number % 3 :])
        assert await ids(alice) == [str(entry["id"]) for entry in entries]

    async def test_task_without_hot_entries_in_the_range_is_exported(self, alice: Client, database: Database) -> None:
        entries = half_hours(4)
        later = ended_entry(at=NINE + timedelta(days=60))
        await insert_paged(database, alice, entries, [later])
        assert await ids(alice) == [str(entry["id"]) for entry in entries]


def entry_queries(interleaving: Interleaving) -> dict[str, int]:
    """Return the numbers of commands on tasks and their pages. Background tasks query other collections."""
    return {name: count for name, count in interleaving.counts.items() if name in {"tasks", "task_pages"}}


class TestQueries:
    async def test_user_without_pages_costs_one_query_of_entries(
        self, alice: Client, database: Database, interleaving: Interleaving
    ) -> None:
        entries = half_hours(3)
        await insert_hot(database, alice, entries)
        interleaving.counts.clear()
        assert len(await ids(alice)) == 3
        assert entry_queries(interleaving) == {"tasks": 1}

    async def test_pages_that_end_before_the_range_cost_no_query(
        self, alice: Client, database: Database, interleaving: Interleaving
    ) -> None:
        await insert_paged(database, alice, half_hours(2), [ended_entry(at=NINE + timedelta(days=60))])
        interleaving.counts.clear()
        assert len(await ids(alice, **{"from": "2026-12-15", "to": "2027-02-01"})) == 1
        assert entry_queries(interleaving) == {"tasks": 1}


class TestChangesDuringExport:
    ENTRIES = 14
    SECONDS = sum(range(14)) * 60

    @pytest.fixture(autouse=True)
    def _lower_thresholds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=4)

    @pytest.fixture
    async def task(self, alice: Client, database: Database) -> Json:
        """Insert a task with three pages, the last of which has room, and enough hot entries for the next turn."""
        entries = half_hours(self.ENTRIES)
        return await insert_paged(database, alice, entries[:4], entries[4:8], entries[8:10], entries[10:])

    def expect_all(self, task: Json, exported: list[Json], parts: int = 0) -> None:
        """Check that each entry is exported once and in order; `parts` more are split from others."""
        mine = [line for line in exported if line["task_id"] == str(task["_id"])]
        assert len({line["id"] for line in mine}) == len(mine) == self.ENTRIES + parts
        assert sum(line["duration_seconds"] for line in mine) == self.SECONDS
        starts = [line["started_at"] for line in exported]
        assert starts == sorted(starts)

    @pytest.mark.parametrize(
        ("collection", "number"),
        [("task_pages", 1), ("tasks", 2), ("task_pages", 2), ("task_pages", 3), ("task_pages", 4)],
    )
    async def test_page_that_turns_between_two_queries_is_exported_once(
        self, alice: Client, interleaving: Interleaving, task: Json, collection: str, number: int
    ) -> None:
        turned = []

        async def turn() -> None:
            turned.append(await turn_page(task["user_id"], task["_id"]))

        interleaving.run_before(collection, number, turn)
        self.expect_all(task, await lines(alice))
        assert turned == [True]

    @pytest.mark.parametrize("number", [1, 2, 3])
    async def test_entry_that_is_split_between_two_queries_is_exported_whole(
        self, alice: Client, database: Database, interleaving: Interleaving, task: Json, number: int
    ) -> None:
        """The first part stays in a page that is read later. The second part goes to the task that was read before."""
        other = await insert_paged(database, alice, half_hours(6, first=2), half_hours(6, first=20))
        interleaving.run_before("task_pages", number, partial(split_entry, alice, task, minute=3))
        exported = await lines(alice)
        self.expect_all(task, exported, parts=1)
        assert len([line for line in exported if line["task_id"] == str(other["_id"])]) == 12

    async def test_task_that_changes_at_each_query_is_exported_whole(
        self, alice: Client, interleaving: Interleaving, task: Json
    ) -> None:
        minutes = iter(range(4, 0, -1))

        async def split() -> None:
            if minute := next(minutes, None):
                await split_entry(alice, task, minute=minute)

        interleaving.run_before_each("task_pages", split)
        self.expect_all(task, await lines(alice), parts=4)

    async def test_page_that_always_changes_is_read_in_a_transaction(
        self, alice: Client, database: Database, interleaving: Interleaving, task: Json
    ) -> None:
        async def change() -> None:
            await database.task_pages.update_one({"_id": task["pages"][1]}, {"$inc": {"version": 1}})
            await database.tasks.update_one({"_id": task["_id"]}, {"$inc": {"version": 1}})

        interleaving.run_before_each("task_pages", change)
        self.expect_all(task, await lines(alice))

    async def test_task_that_is_deleted_after_the_first_batch_is_exported(
        self, alice: Client, interleaving: Interleaving, task: Json
    ) -> None:
        async def delete() -> None:
            assert (await alice.delete(f"/tasks/{task['_id']}")).status_code == 204

        interleaving.run_before("task_pages", 3, delete)
        self.expect_all(task, await lines(alice))

    @pytest.mark.parametrize("number", [2, 3])
    async def test_missing_page_aborts_the_export(
        self, alice: Client, database: Database, interleaving: Interleaving, task: Json, number: int
    ) -> None:
        async def remove() -> None:
            await database.task_pages.delete_one({"_id": task["pages"][number - 2]})

        interleaving.run_before("task_pages", number, remove)
        problem(await alice.get("/exports/time-entries.ndjson", params=NOVEMBER), 500, "internal_error")

    async def test_replaced_page_that_has_expired_is_found_in_its_successor(
        self, alice: Client, database: Database, interleaving: Interleaving, task: Json
    ) -> None:
        async def turn_and_expire() -> None:
            assert await turn_page(task["user_id"], task["_id"])
            result = await database.task_pages.delete_one({"_id": task["pages"][2], "replaced_at": {"$exists": True}})
            assert result.deleted_count == 1

        interleaving.run_before("task_pages", 3, turn_and_expire)
        self.expect_all(task, await lines(alice))

    async def test_stopped_timer_that_moves_to_a_page_is_exported_once(
        self,
        alice: Client,
        database: Database,
        interleaving: Interleaving,
        task: Json,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        started_at = (NINE - timedelta(days=1)).isoformat() + "Z"
        timer = await alice.start({"id": str(task["_id"])}, started_at=started_at)
        monkeypatch.setattr(Task, "hot_entries", 3)

        async def stop_and_turn() -> None:
            await alice.stop()
            assert await turn_page(task["user_id"], task["_id"])
            page = await database.task_pages.find_one({"entries.id": ObjectId(timer["entry"]["id"])})
            assert page is not None

        interleaving.run_before("tasks", 2, stop_and_turn)
        found = await ids(alice, include_running="true")
        assert found[0] == timer["entry"]["id"]
        assert len(found) == len(set(found)) == self.ENTRIES + 1


async def split_entry(client: Client, task: Json, *, minute: int) -> None:
    """Split the second entry of the second page, which starts at 11:30 and has five minutes."""
    page = await TaskPage.find_by_page_id(task["user_id"], task["pages"][1])
    assert page is not None
    entry = {"id": str(page["entries"][1]["id"]), "task_id": str(task["_id"])}
    response = await client.post(f"{at(entry)}/split", json={"at": f"2026-11-18T11:{30 + minute}:00Z"})
    assert response.status_code == 200, response.text
