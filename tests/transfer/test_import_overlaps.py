"""Rows of a file beside time that is tracked already: allowed, marked, or refused."""

import asyncio
from itertools import pairwise

import pytest

from tests.conftest import Database
from tests.races.stored_time import balance
from tests.support.http import Client, Json, problem
from tests.transfer.uploads import kept, read_in, row, send

MORNING = row(2, "09:00", "10:00") + row(2, "09:30", "11:00", task="Mail") + row(2, "11:00", "12:00", task="Call")


async def reviewed(client: Client) -> dict[str, bool]:
    """Whether the entry of each task needs a review, by the title of the task."""
    tasks = [await client.read(task) for task in (await client.list())["items"]]
    return {task["title"]: entry["needs_review"] for task in tasks for entry in task["time_entries"]}


async def an_hour(client: Client, start: str) -> Json:
    """An hour that is tracked already, from this time of the second on."""
    return await client.write(await client.make_task(title="Mine"), started_at=f"2026-11-02T{start}:00Z")


class TestWhereTheyAreAllowed:
    async def test_nothing_is_said_of_them(self, alice: Client) -> None:
        made = await read_in(alice, MORNING)
        assert made["created"]["entries"] == 3
        assert "overlaps" not in made
        assert await reviewed(alice) == {"Offer": False, "Mail": False, "Call": False}


class TestWhereTheyAreForbidden:
    async def test_a_row_is_refused_beside_an_earlier_one(self, alice: Client, database: Database) -> None:
        made = await read_in(alice, MORNING, overlap="forbid")
        assert made["created"] == {"projects": 1, "tasks": 2, "entries": 2}
        assert made["errors"] == [{"row": 2, "column": None, "message": "overlaps row 1 of the file"}]
        assert made["duplicates"] == 0
        await balance(database)

    async def test_a_row_is_refused_beside_time_that_is_there(self, alice: Client) -> None:
        await an_hour(alice, "09:30")
        await alice.prefer(overlap_policy="forbid")
        made = await read_in(alice, MORNING)
        says = "overlaps an existing entry from 2026-11-02T09:30:00Z to 2026-11-02T10:30:00Z"
        assert made["errors"] == [{"row": row, "column": None, "message": says} for row in (2, 3)]

    async def test_a_row_is_refused_beside_the_running_timer(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), started_at="2026-11-02T10:30:00Z")
        made = await read_in(alice, MORNING, overlap="forbid")
        assert made["errors"][-1] == {
            "row": 3,
            "column": None,
            "message": "overlaps the running timer, which started at 2026-11-02T10:30:00Z",
        }

    async def test_rows_that_meet_go_in(self, alice: Client) -> None:
        await an_hour(alice, "07:00")
        lines = row(2, "10:00", "11:00") + row(2, "09:00", "10:00", task="Mail")
        assert (await read_in(alice, lines, overlap="forbid"))["created"]["entries"] == 2

    async def test_a_dry_run_says_the_same(self, alice: Client) -> None:
        await an_hour(alice, "09:30")
        dry = (await send(alice, MORNING, overlap="forbid", dry_run="true")).json()
        made = await read_in(alice, MORNING, overlap="forbid")
        assert (dry["created"], dry["errors"]) == (made["created"], made["errors"])

    async def test_a_strict_import_writes_nothing(self, alice: Client, database: Database) -> None:
        response = await send(alice, MORNING, overlap="forbid", strict="true")
        (wrong,) = problem(response, 422, "invalid_request")["errors"]
        assert wrong == {"pointer": "#/file", "detail": "row 2: overlaps row 1 of the file"}
        assert await kept(database) == []

    async def test_of_an_import_and_writes_at_once_no_two_overlap(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(6)]
        lines = "".join(row(2, f"{hour:02}:00", f"{hour:02}:50") for hour in range(8, 20))
        writes = [
            alice.insist(
                "POST",
                f"/tasks/{task['id']}/time-entries",
                json={"started_at": f"2026-11-02T{number + 8:02}:20:00Z", "duration_seconds": 3600},
                params={"overlap": "forbid"},
            )
            for number, task in enumerate(tasks)
        ]
        made = (await asyncio.gather(send(alice, lines, overlap="forbid"), *writes))[0].json()
        assert made["created"]["entries"] + len(made["errors"]) == 12
        entries = [entry async for task in database.tasks.find() for entry in task["time_entries"]]
        entries.sort(key=lambda entry: entry["started_at"])
        assert all(before["ended_at"] <= after["started_at"] for before, after in pairwise(entries))
        await balance(database)


class TestWhereTheyAreListed:
    async def test_rows_go_in_and_are_marked(self, alice: Client) -> None:
        mine = await an_hour(alice, "10:30")
        made = await read_in(alice, MORNING, overlap="warn")
        assert made["created"]["entries"] == 3
        assert made["overlaps"] == [
            {
                "task_id": mine["task_id"],
                "entry_id": mine["id"],
                "started_at": "2026-11-02T10:30:00Z",
                "ended_at": "2026-11-02T11:30:00Z",
                "overlap_seconds": 1800,
            }
        ]
        assert await reviewed(alice) == {"Mine": False, "Offer": False, "Mail": True, "Call": True}

    async def test_a_hundred_are_listed_of_much_at_the_same_time(self, alice: Client) -> None:
        await read_in(alice, "".join(row(2, "09:00", "17:00", note=f"{number}") for number in range(150)))
        made = await read_in(
            alice, "".join(row(2, "08:00", "12:00", note=f"{number}") for number in range(40)), overlap="warn"
        )
        assert (made["created"]["entries"], len(made["overlaps"])) == (40, 100)

    async def test_an_empty_list_says_that_there_is_none(self, alice: Client) -> None:
        assert (await read_in(alice, row(2, "09:00", "10:00"), overlap="warn"))["overlaps"] == []


class TestALongRow:
    @pytest.mark.parametrize(("day", "doubtful"), [("2026-10-03 09:00", False), ("2026-10-03 09:01", True)])
    async def test_of_more_than_31_days_is_marked(self, day: str, doubtful: bool, alice: Client) -> None:
        await read_in(alice, f"2026-09-02 09:00,{day},,Long,,,,\n")
        assert await reviewed(alice) == {"Long": doubtful}


class TestAStrictImport:
    async def test_is_taken_back_when_time_is_tracked_after_its_rehearsal(
        self, alice: Client, database: Database
    ) -> None:
        """However the two meet: all rows go in, or none."""
        task = await alice.make_task(title="Mine")
        lines = "".join(row(2, f"{hour:02}:00", f"{hour:02}:50") for hour in range(8, 20))
        span = {"started_at": "2026-11-02T15:20:00Z", "duration_seconds": 600}
        writing = alice.insist("POST", f"/tasks/{task['id']}/time-entries", json=span, params={"overlap": "forbid"})
        sent, written = await asyncio.gather(send(alice, lines, overlap="forbid", strict="true"), writing)
        assert sorted((sent.status_code, written.status_code)) in ([201, 409], [201, 422])
        count = sum([found["entry_count"] async for found in database.tasks.find()])
        assert count == (12 if sent.status_code == 201 else 1)
        await balance(database)
