"""Reports of tasks with pages: each entry counts once, also while the pages change."""

from datetime import datetime, timedelta
from functools import partial

import pytest

from documents.reporting import entry_reader
from documents.reporting.entry_reader import read_ended_entries
from documents.tracking.page_turns import turn_page
from documents.tracking.pages import TaskPage
from documents.tracking.queries.entry_filter import EntryFilter
from tests.conftest import Database
from tests.reporting.report_requests import EURO, GROUPS, get_summary, get_timesheet, get_today, november_entry
from tests.support.http import Client, Json, at
from tests.support.pages.entry_storage import lower_thresholds
from tests.support.pages.inserting import insert_hot, insert_paged
from tests.support.pages.interleaving import Interleaving
from tests.support.stored_documents import ended_entry, page_row, project_row


def entries_of_two_weeks() -> list[Json]:
    """Return 42 entries from 9 to 23 November with different lengths, some of them across midnight."""
    fields: list[Json] = [
        {"tags": ["deep"], "billable": True, "hourly_rate": EURO},
        {"tags": []},
        {"tags": ["web", "deep"], "billable": True, "hourly_rate": EURO | {"currency": "USD"}},
    ]
    begin = datetime.fromisoformat("2026-11-09 07:00")
    entries = [
        ended_entry(at=begin + timedelta(hours=8) * number, minutes=11 + 17 * number, **fields[number % 3])
        for number in range(40)
    ]
    bounds = [november_entry(f"{day} 00:00", 0) for day in (16, 23)]
    return sorted([*entries, *bounds], key=lambda entry: (entry["started_at"], entry["id"]))


def without_ids(summary: Json) -> Json:
    """Return the summary with the keys of its rows, if they are ids, and the ids of its slices left out."""
    rows = [
        {
            **row,
            "key": None if row["label"] in {"A", "B", "Site A", "Site B"} else row["key"],
            "rows": [without_ids({"rows": [inner]})["rows"][0] for inner in row.get("rows", ())],
            "slices": [{"from": each["from"], "seconds": each["seconds"]} for each in row.get("slices", ())],
        }
        for row in summary["rows"]
    ]
    return {**summary, "rows": rows}


class TestPagedEntries:
    @pytest.fixture
    async def _same_entries(self, alice: Client, bob: Client, database: Database) -> None:
        """Give alice two tasks with pages, and bob the same entries without pages."""
        for title, tags, is_bounded in (("A", ["office"], True), ("B", [], False)):
            entries = entries_of_two_weeks()
            parts = [entries[:5], entries[5:20], entries[20:21], entries[21:39], entries[39:]]
            projects = [project_row(client.user["_id"], name=f"Site {title}") for client in (alice, bob)]
            await database.projects.insert_many(projects)
            fields = [{"title": title, "tags": tags, "project_id": project["_id"]} for project in projects]
            task = await insert_paged(database, alice, *parts, **fields[0])
            if not is_bounded:
                await database.tasks.update_one({"_id": task["_id"]}, {"$unset": {"paged_until": ""}})
            await database.task_pages.insert_one(page_row(task, *entries_of_two_weeks()[:7]))  # not listed
            await insert_hot(database, bob, entries, **fields[1])

    @pytest.mark.usefixtures("_same_entries")
    @pytest.mark.parametrize(
        "query",
        [
            *({"group_by": group} for group in GROUPS),
            {"group_by": "task,day", "explain": "true"},
            {"group_by": "tag,task", "rounding": "up:15"},
            {"group_by": "day,billable", "rounding": "up:15", "rounding_scope": "day"},
            {"group_by": "task,hour", "rounding": "nearest:30", "rounding_scope": "total"},
            {"group_by": "day", "tag": "deep"},
            {"group_by": "task", "tag": "office"},
            {"group_by": "task", "tag": ["office", "web"]},
            {"group_by": "tag", "billable": "false"},
            {"group_by": "day", "from": "2026-11-01", "to": "2026-12-01"},
            {"group_by": "day", "from": "2026-11-17T10:20:30Z", "to": "2026-11-17T10:20:31Z"},
            {"group_by": "day", "from": "1970-01-01", "to": "2026-11-12"},
        ],
    )
    async def test_summary_is_the_same_as_without_pages(self, alice: Client, bob: Client, query: Json) -> None:
        paged, hot = await get_summary(alice, **query), await get_summary(bob, **query)
        assert without_ids(paged) == without_ids(hot)
        assert paged["total_seconds"] == hot["total_seconds"]

    @pytest.mark.usefixtures("_same_entries")
    async def test_timesheet_is_the_same_as_without_pages(self, alice: Client, bob: Client) -> None:
        sheets = [await get_timesheet(client, date="2026-11-18") for client in (alice, bob)]
        for sheet in sheets:
            for row in sheet["rows"]:
                row["task_id"] = row["project_id"] = None
        assert sheets[0] == sheets[1]
        assert sheets[0]["total"] > 0

    async def test_only_listed_pages_count(self, alice: Client, database: Database) -> None:
        task = await insert_paged(database, alice, [november_entry("17 09:00", 7)], [november_entry("18 09:00", 11)])
        await database.task_pages.insert_one(page_row(task, november_entry("17 09:00", 100)))
        assert (await get_summary(alice))["total_seconds"] == 18 * 60

    async def test_task_whose_hot_entries_are_outside_of_the_range_counts(
        self, alice: Client, database: Database
    ) -> None:
        await insert_paged(database, alice, [november_entry("17 09:00", 7)], [november_entry("25 09:00", 11)])
        assert (await get_summary(alice, group_by="task"))["rows"][0]["seconds"] == 7 * 60

    async def test_task_in_the_trash_does_not_count(self, alice: Client, database: Database) -> None:
        entry = november_entry("17 09:00", 7)
        await insert_paged(database, alice, [entry], [november_entry("18 09:00")], deleted_at=entry["ended_at"])
        assert (await get_summary(alice))["total_seconds"] == 0

    async def test_page_of_another_user_does_not_count(self, alice: Client, bob: Client, database: Database) -> None:
        theirs = await insert_paged(database, bob, [november_entry("17 09:00", 7)], [november_entry("18 09:00")])
        mine = await insert_paged(database, alice, [november_entry("17 09:00", 5)], [november_entry("18 09:00", 5)])
        await database.tasks.update_one({"_id": mine["_id"]}, {"$set": {"pages": theirs["pages"]}})
        assert (await get_summary(alice))["total_seconds"] == 5 * 60

    async def test_excluded_entry_is_left_out_of_a_page(self, alice: Client, database: Database) -> None:
        paged = [november_entry("17 09:00", 7), november_entry("17 10:00", 5)]
        await insert_paged(database, alice, paged, [november_entry("18 09:00", 3)])
        rows = read_ended_entries(
            alice.user["_id"], EntryFilter(), exclude_id=paged[0]["id"], task_fields=(), entry_fields=("id",)
        )
        ids = [entry["id"] async for row in rows for entry in row["entries"]]
        assert sorted(ids)[:1] == [paged[1]["id"]]
        assert len(ids) == 2

    async def test_page_that_extends_over_a_bound_is_read_partly(self, alice: Client, database: Database) -> None:
        days = (16, 17, 18, 20, 21, 25, 26)
        entries = [november_entry(f"{day} 09:00", 7) for day in days]
        await insert_paged(database, alice, entries[:2], entries[2:4], entries[4:6], entries[6:])
        bounds = {"since": entries[1]["started_at"], "until": entries[5]["started_at"]}
        rows = read_ended_entries(
            alice.user["_id"], EntryFilter(**bounds), exclude_id=None, task_fields=(), entry_fields=("id",)
        )
        ids = [entry["id"] async for row in rows for entry in row["entries"]]
        assert sorted(ids) == [entry["id"] for entry in entries[1:5]]

    async def test_today_counts_paged_entries(self, alice: Client, database: Database) -> None:
        midnight = datetime.fromisoformat((await get_today(alice))["date"])
        paged = [ended_entry(at=midnight, minutes=1), ended_entry(at=midnight + timedelta(minutes=1), minutes=3)]
        await insert_paged(database, alice, paged, [ended_entry(at=midnight + timedelta(minutes=4), minutes=7)])
        body = await get_today(alice)
        assert (body["today_seconds"], body["week_seconds"]) == (11 * 60, 11 * 60)
        assert [task["tracked_seconds"] for task in body["recent_tasks"]] == [11 * 60]


class TestManyPages:
    @pytest.mark.parametrize("size", [1, 3, 10])
    async def test_pages_of_many_tasks_are_read_in_groups(
        self, alice: Client, database: Database, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        monkeypatch.setattr(entry_reader, "PAGE_BATCH_SIZE", size)
        expected = {}
        for number in range(5):
            parts = [[november_entry(f"17 {hour:02}:00", 1 + number + hour)] for hour in range(2 * number + 2)]
            task = await insert_paged(database, alice, *parts, title=str(number))
            expected[str(task["_id"])] = sum(1 + number + hour for hour in range(2 * number + 2)) * 60
        rows = (await get_summary(alice, group_by="task"))["rows"]
        assert {row["key"]: row["seconds"] for row in rows} == expected

    async def test_range_of_earlier_years_contains_paged_entries(self, alice: Client, database: Database) -> None:
        for year in (2021, 2023):
            parts = [[ended_entry(at=datetime(year, month, 5, 9), minutes=month)] for month in range(1, 13)]  # noqa: DTZ001
            await insert_paged(database, alice, *parts)
        query = {"from": "2021-03-01", "to": "2021-06-01"}
        assert (await get_summary(alice, **query))["total_seconds"] == (3 + 4 + 5) * 60
        whole = {"from": "2021-03-01", "to": "2026-06-01"}
        assert (await get_summary(alice, **whole))["total_seconds"] == (sum(range(3, 13)) + sum(range(1, 13))) * 60


class TestQueries:
    async def test_month_of_a_user_without_pages_costs_one_query(
        self, alice: Client, database: Database, interleaving: Interleaving
    ) -> None:
        await insert_hot(database, alice, [november_entry("17 09:00", 7)])
        interleaving.counts.clear()
        assert (await get_summary(alice))["total_seconds"] == 7 * 60
        # The second query of tasks is that for a running timer.
        assert interleaving.counts == {"refresh_tokens by id": 1, "users": 1, "tasks": 2}

    async def test_pages_that_end_before_the_range_cost_no_query(
        self, alice: Client, database: Database, interleaving: Interleaving
    ) -> None:
        await insert_paged(database, alice, [november_entry("10 09:00", 7)], [november_entry("18 09:00", 11)])
        interleaving.counts.clear()
        assert (await get_summary(alice))["total_seconds"] == 11 * 60
        assert interleaving.counts == {"refresh_tokens by id": 1, "users": 1, "tasks": 2}


async def split_entry(client: Client, task: Json, *, minute: int) -> None:
    """Split the entry in the second page that starts at 13:00."""
    page = await TaskPage.find_by_page_id(task["user_id"], task["pages"][1])
    assert page is not None
    entry = {"id": str(page["entries"][1]["id"]), "task_id": str(task["_id"])}
    response = await client.post(f"{at(entry)}/split", json={"at": f"2026-11-17T13:{minute:02}:00Z"})
    assert response.status_code == 200, response.text


class TestChangesDuringReport:
    @pytest.fixture(autouse=True)
    def _lower_thresholds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        lower_thresholds(monkeypatch, hot_entries=4, paged_at_once=2, page_entries=4)

    @pytest.fixture
    async def task(self, alice: Client, database: Database) -> Json:
        """Insert a task with three pages, the last of which has room, and enough hot entries for the next turn."""
        hours = range(8, 22)
        entries = [november_entry(f"17 {hour:02}:00", 2 + hour) for hour in hours]
        return await insert_paged(database, alice, entries[:4], entries[4:8], entries[8:10], entries[10:])

    TOTAL = sum(2 + hour for hour in range(8, 22)) * 60

    @pytest.mark.parametrize("query", range(1, 4))
    async def test_page_that_turns_between_two_queries_counts_once(
        self, alice: Client, interleaving: Interleaving, task: Json, query: int
    ) -> None:
        turned = []

        async def turn() -> None:
            turned.append(await turn_page(task["user_id"], task["_id"]))

        interleaving.run_before("task_pages", query, turn) if query < 3 else interleaving.run_before("tasks", 3, turn)
        summary = await get_summary(alice, group_by="task,day")
        assert turned == [True]
        assert summary["total_seconds"] == self.TOTAL
        assert [row["entry_count"] for row in summary["rows"]] == [14]

    @pytest.mark.parametrize("query", [1, 2])
    async def test_page_that_turns_between_two_queries_of_today_counts_once(
        self, alice: Client, database: Database, interleaving: Interleaving, query: int
    ) -> None:
        midnight = datetime.fromisoformat((await get_today(alice))["date"])
        entries = [ended_entry(at=midnight + timedelta(minutes=number), minutes=2 + number) for number in range(14)]
        task = await insert_paged(database, alice, entries[:4], entries[4:8], entries[8:10], entries[10:])
        turned = []

        async def turn() -> None:
            turned.append(await turn_page(task["user_id"], task["_id"]))

        interleaving.run_before("task_pages", query, turn)
        assert (await get_today(alice))["week_seconds"] == sum(2 + number for number in range(14)) * 60
        assert turned == [True]

    @pytest.mark.parametrize("query", [1, 2])
    async def test_entry_that_is_split_between_two_queries_counts_whole(
        self, alice: Client, interleaving: Interleaving, task: Json, query: int
    ) -> None:
        """The first part stays in the page that is read next. The second part goes to the task that was read before."""
        interleaving.run_before("task_pages", query, partial(split_entry, alice, task, minute=5))
        summary = await get_summary(alice, group_by="task")
        assert summary["total_seconds"] == self.TOTAL
        assert [row["entry_count"] for row in summary["rows"]] == [15]

    async def test_task_that_changes_at_each_query_is_read_in_a_transaction(
        self, alice: Client, interleaving: Interleaving, task: Json
    ) -> None:
        minutes = iter(range(14, 0, -1))

        async def split() -> None:
            await split_entry(alice, task, minute=next(minutes))

        interleaving.run_before_each("task_pages", split)
        assert (await get_summary(alice))["total_seconds"] == self.TOTAL
        assert next(minutes) == 10  # split before each of the four queries

    async def test_other_tasks_count_once_when_a_task_has_changed(
        self, alice: Client, database: Database, interleaving: Interleaving, task: Json
    ) -> None:
        other = await insert_paged(database, alice, [november_entry("18 09:00", 7)], [november_entry("18 10:00", 11)])

        async def turn() -> None:
            await turn_page(task["user_id"], task["_id"])

        interleaving.run_before("task_pages", 2, turn)
        rows = (await get_summary(alice, group_by="task"))["rows"]
        assert {row["key"]: row["seconds"] for row in rows} == {
            str(task["_id"]): self.TOTAL,
            str(other["_id"]): 18 * 60,
        }

    async def test_task_that_is_deleted_between_two_queries_does_not_count(
        self, alice: Client, interleaving: Interleaving, task: Json
    ) -> None:
        async def delete() -> None:
            assert (await alice.delete(f"/tasks/{task['_id']}")).status_code == 204

        interleaving.run_before("task_pages", 2, delete)
        assert (await get_summary(alice))["total_seconds"] == 0
