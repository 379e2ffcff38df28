"""Rows that overlap existing time are allowed, marked for review, or refused."""

import asyncio
from itertools import pairwise

import pytest

from services.transfer.imports import plan
from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, problem
from tests.transfer.test_background_imports import leased_by_another
from tests.transfer.uploads import import_rows, row, stored_items, upload

pytestmark = pytest.mark.usefixtures("entry_storage")

MORNING = row(2, "09:00", "10:00") + row(2, "09:30", "11:00", task="Mail") + row(2, "11:00", "12:00", task="Call")


async def reviewed(client: Client) -> dict[str, bool]:
    """Return whether the entry of each task needs a review, by the title of the task."""
    tasks = [await client.read(task) for task in (await client.list())["items"]]
    return {task["title"]: entry["needs_review"] for task in tasks for entry in task["time_entries"]}


async def create_hour(client: Client, start: str) -> Json:
    """Create an entry of one hour on the 2nd."""
    return await client.write(await client.make_task(title="Mine"), started_at=f"2026-11-02T{start}:00Z")


class TestAllow:
    async def test_overlaps_are_imported_without_a_remark(self, alice: Client) -> None:
        result = await import_rows(alice, MORNING)
        assert result["created"]["entries"] == 3
        assert "overlaps" not in result
        assert await reviewed(alice) == {"Offer": False, "Mail": False, "Call": False}


class TestForbid:
    async def test_row_that_overlaps_an_earlier_row_is_an_error(self, alice: Client, database: Database) -> None:
        result = await import_rows(alice, MORNING, overlap="forbid")
        assert result["created"] == {"projects": 1, "tasks": 2, "entries": 2}
        assert result["errors"] == [{"row": 2, "column": None, "message": "overlaps row 1 of the file"}]
        assert result["duplicates"] == 0
        await assert_stored_time_is_consistent(database)

    async def test_continued_import_has_an_error_for_the_same_row(self, alice: Client, database: Database) -> None:
        first = await import_rows(alice, MORNING, overlap="forbid")
        await database.import_batches.update_one({}, {"$set": {"state": "interrupted"}})
        continued = await import_rows(alice, MORNING, overlap="forbid")
        assert (continued["id"], continued["created"]) == (first["id"], first["created"])
        says = "overlaps an existing entry from 2026-11-02T08:00:00Z to 2026-11-02T09:00:00Z"
        assert continued["errors"] == [{"row": 2, "column": None, "message": says}]

    async def test_row_that_overlaps_an_entry_is_an_error(self, alice: Client) -> None:
        await create_hour(alice, "09:30")
        await alice.set_preferences(overlap_policy="forbid")
        result = await import_rows(alice, MORNING)
        says = "overlaps an existing entry from 2026-11-02T09:30:00Z to 2026-11-02T10:30:00Z"
        assert result["errors"] == [{"row": row, "column": None, "message": says} for row in (2, 3)]

    async def test_row_that_overlaps_the_timer_is_an_error(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), started_at="2026-11-02T10:30:00Z")
        result = await import_rows(alice, MORNING, overlap="forbid")
        assert result["errors"][-1] == {
            "row": 3,
            "column": None,
            "message": "overlaps the running timer, which started at 2026-11-02T10:30:00Z",
        }

    async def test_adjacent_rows_are_imported(self, alice: Client) -> None:
        await create_hour(alice, "07:00")
        lines = row(2, "10:00", "11:00") + row(2, "09:00", "10:00", task="Mail")
        assert (await import_rows(alice, lines, overlap="forbid"))["created"]["entries"] == 2

    async def test_dry_run_has_the_same_errors(self, alice: Client) -> None:
        await create_hour(alice, "09:30")
        dry = (await upload(alice, MORNING, overlap="forbid", dry_run="true")).json()
        result = await import_rows(alice, MORNING, overlap="forbid")
        assert (dry["created"], dry["errors"]) == (result["created"], result["errors"])

    async def test_strict_import_writes_nothing(self, alice: Client, database: Database) -> None:
        response = await upload(alice, MORNING, overlap="forbid", strict="true")
        (wrong,) = problem(response, 422, "invalid_request")["errors"]
        assert wrong == {"pointer": "#/file", "detail": "row 2: overlaps row 1 of the file"}
        assert await stored_items(database) == []

    async def test_import_and_concurrent_writes_do_not_overlap(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(6)]
        lines = "".join(row(2, f"{hour:02}:00", f"{hour:02}:50") for hour in range(8, 20))
        writes = [
            alice.request_until_available(
                "POST",
                f"/tasks/{task['id']}/time-entries",
                json={"started_at": f"2026-11-02T{number + 8:02}:20:00Z", "duration_seconds": 3600},
                params={"overlap": "forbid"},
            )
            for number, task in enumerate(tasks)
        ]
        result = (await asyncio.gather(upload(alice, lines, overlap="forbid"), *writes))[0].json()
        assert result["created"]["entries"] + len(result["errors"]) == 12
        entries = [entry async for task in database.tasks.find() for entry in task["time_entries"]]
        entries.sort(key=lambda entry: entry["started_at"])
        assert all(before["ended_at"] <= after["started_at"] for before, after in pairwise(entries))
        await assert_stored_time_is_consistent(database)


class TestWarn:
    async def test_long_row_overlaps_rows_after_a_short_one(self, alice: Client) -> None:
        lines = row(2, "09:00", "12:00") + row(2, "09:30", "10:00", task="Mail") + row(2, "11:00", "11:30", task="Call")
        await import_rows(alice, lines, overlap="warn")
        assert await reviewed(alice) == {"Offer": False, "Mail": True, "Call": True}

    async def test_rows_are_imported_and_marked_for_review(self, alice: Client) -> None:
        mine = await create_hour(alice, "10:30")
        result = await import_rows(alice, MORNING, overlap="warn")
        assert result["created"]["entries"] == 3
        assert result["overlaps"] == [
            {
                "task_id": mine["task_id"],
                "entry_id": mine["id"],
                "started_at": "2026-11-02T10:30:00Z",
                "ended_at": "2026-11-02T11:30:00Z",
                "overlap_seconds": 1800,
            }
        ]
        assert await reviewed(alice) == {"Mine": False, "Offer": False, "Mail": True, "Call": True}

    async def test_dry_run_lists_the_same_overlaps(self, alice: Client) -> None:
        await create_hour(alice, "10:30")
        dry = (await upload(alice, MORNING, overlap="warn", dry_run="true")).json()
        result = await import_rows(alice, MORNING, overlap="warn")
        assert dry["overlaps"] == result["overlaps"] != []

    async def test_at_most_100_overlaps_are_listed(self, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        await import_rows(alice, "".join(row(2, "09:00", "17:00", note=f"{number}") for number in range(150)))
        monkeypatch.setattr(plan, "MAX_ROWS_PER_BATCH", 20)
        result = await import_rows(
            alice, "".join(row(2, "08:00", "12:00", note=f"{number}") for number in range(40)), overlap="warn"
        )
        assert (result["created"]["entries"], len(result["overlaps"])) == (40, 100)

    async def test_list_is_empty_without_overlaps(self, alice: Client) -> None:
        assert (await import_rows(alice, row(2, "09:00", "10:00"), overlap="warn"))["overlaps"] == []


class TestLongRow:
    @pytest.mark.parametrize(("day", "doubtful"), [("2026-10-03 09:00", False), ("2026-10-03 09:01", True)])
    async def test_row_of_more_than_31_days_is_marked_for_review(self, day: str, doubtful: bool, alice: Client) -> None:
        await import_rows(alice, f"2026-09-02 09:00,{day},,Long,,,,\n")
        assert await reviewed(alice) == {"Long": doubtful}


class TestStrictImport:
    async def test_is_undone_when_an_entry_is_created_while_it_waits_for_another_import(
        self, alice: Client, database: Database
    ) -> None:
        """If the entry is created before the dry run, that finds the error. The result is the same."""
        other = await import_rows(alice, row(28, "09:00", "10:00"))
        lines = row(2, "09:00", "10:00", task="Mail") + row(3, "09:00", "10:00", task="Call")
        async with leased_by_another(database, other):
            sending = asyncio.create_task(upload(alice, lines, overlap="forbid", strict="true"))
            await asyncio.sleep(0.5)
            await create_hour(alice, "08:30")
        problem(await sending, 422, "invalid_request")
        assert sorted(task["title"] for task in (await alice.list())["items"]) == ["Mine", "Offer"]

    async def test_is_undone_when_an_entry_is_created_after_the_dry_run(
        self, alice: Client, database: Database
    ) -> None:
        """Either all rows are imported or none, whichever request comes first."""
        task = await alice.make_task(title="Mine")
        lines = "".join(row(2, f"{hour:02}:00", f"{hour:02}:50") for hour in range(8, 20))
        span = {"started_at": "2026-11-02T15:20:00Z", "duration_seconds": 600}
        writing = alice.request_until_available(
            "POST", f"/tasks/{task['id']}/time-entries", json=span, params={"overlap": "forbid"}
        )
        sent, written = await asyncio.gather(upload(alice, lines, overlap="forbid", strict="true"), writing)
        assert sorted((sent.status_code, written.status_code)) in ([201, 409], [201, 422])
        count = sum([found["entry_count"] async for found in database.tasks.find()])
        assert count == (12 if sent.status_code == 201 else 1)
        await assert_stored_time_is_consistent(database)
