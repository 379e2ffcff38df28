"""Splitting an entry in two, and moving one to another task."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import httpx
import pytest
from bson import ObjectId

from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, at, clock, pointers, problem
from tests.support.pages.stored_tasks import read_entries

ALL_PLACES: list[Json] = [
    {"$lookup": {"from": "task_pages", "localField": "_id", "foreignField": "task_id", "as": "stored_pages"}},
    {
        "$project": {
            "entries": {
                "$concatArrays": [
                    "$time_entries",
                    {
                        "$reduce": {
                            "input": {
                                "$filter": {
                                    "input": "$stored_pages",
                                    "cond": {"$in": ["$$this._id", {"$ifNull": ["$pages", []]}]},
                                }
                            },
                            "initialValue": [],
                            "in": {"$concatArrays": ["$$value", "$$this.entries"]},
                        }
                    },
                ]
            }
        }
    },
    {"$unwind": "$entries"},
]
"""The stages that find all entries of tasks, hot and paged."""

MIDDLE: Json = {"at": clock("09:20")}


pytestmark = pytest.mark.usefixtures("consistent_counters", "entry_storage")


async def split(client: Client, entry: Json, **sent: Any) -> httpx.Response:
    return await client.request_until_available("POST", f"{at(entry)}/split", json={**MIDDLE, **sent})


async def move(client: Client, entry: Json, task: Json, **headers: str) -> httpx.Response:
    return await client.request_until_available(
        "POST", f"{at(entry)}/move", json={"task_id": task["id"]}, headers=headers
    )


class TestSplitEntry:
    async def test_parts_add_up_to_the_entry(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = await alice.write(task, note="n", tags=["t"], billable=True, timezone="Europe/Berlin")
        response = await split(alice, entry)
        assert (response.status_code, response.headers["etag"]) == (200, '"3"')
        parts = response.json()
        first, second = parts["first"], parts["second"]
        now = {"updated_at": first["updated_at"]}
        assert first == {**entry, **now, "ended_at": clock("09:20"), "duration_seconds": 1200}
        assert second == {
            **entry,
            **now,
            "id": second["id"],
            "started_at": clock("09:20"),
            "duration_seconds": 2400,
            "created_at": first["updated_at"],
        }
        assert second["id"] != first["id"]
        stored = await alice.read(task)
        assert stored["time_entries"] == [second, first]
        assert (stored["tracked_seconds"], stored["entry_count"]) == (3600, 2)
        assert [(await alice.get(at(half))).json() for half in (first, second)] == [first, second]

    async def test_only_the_first_part_of_an_imported_entry_stays_imported(
        self, alice: Client, database: Database
    ) -> None:
        batch = await alice.import_csv("2026-11-18 09:00,2026-11-18 10:00,Offer")
        (imported,) = (await alice.get("/time-entries", params={"from": clock("00:00"), "to": clock("23:00")})).json()[
            "items"
        ]
        assert (await split(alice, imported)).status_code == 200
        first, second = await read_entries(database)
        assert (str(first["import_id"]), "import_key" in first) == (batch["id"], True)
        assert not {"import_id", "import_key"} & second.keys()

    async def test_both_parts_keep_the_other_stored_fields(self, alice: Client, database: Database) -> None:
        entry = await alice.write(await alice.make_task(), billable=True)
        rate = {"amount": 9000, "currency": "EUR"}
        marked = {"time_entries.0.hourly_rate": rate, "time_entries.0.needs_review": True}
        await database.tasks.update_one({}, {"$set": marked})
        for half in (await split(alice, entry)).json().values():
            assert (half["hourly_rate"], half["needs_review"], half["source"]) == (rate, True, "manual")

    async def test_instant_with_any_offset_is_truncated_to_seconds(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task())
        parts = (await split(alice, entry, at="2026-11-18T10:20:00.9+01:00")).json()
        assert parts["first"]["ended_at"] == parts["second"]["started_at"] == clock("09:20")

    @pytest.mark.parametrize(
        "instant",
        [clock("09:00"), "2026-11-18T09:00:00.999Z", clock("10:00"), clock("08:59:59"), clock("10:00:01")],
    )
    async def test_instant_outside_the_entry_is_422(self, alice: Client, instant: str) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        assert pointers(await split(alice, entry, at=instant)) == {"#/at"}
        assert (await alice.read(task))["time_entries"] == [entry]

    async def test_parts_are_at_least_one_second_long(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task(), duration_seconds=2)
        parts = (await split(alice, entry, at=clock("09:00:01"))).json()
        assert [half["duration_seconds"] for half in parts.values()] == [1, 1]
        assert pointers(await split(alice, parts["first"], at=clock("09:00:01"))) == {"#/at"}

    async def test_concurrent_splits_at_one_instant_split_once(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        responses = await asyncio.gather(*(split(alice, entry) for _ in range(10)))
        assert Counter(response.status_code for response in responses) == {200: 1, 422: 9}
        assert (await alice.read(task))["tracked_seconds"] == 3600

    async def test_concurrent_splits_at_many_instants_lose_no_second(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        responses = await asyncio.gather(*(split(alice, entry, at=clock(f"09:{minute}")) for minute in range(10, 20)))
        done = [response for response in responses if response.status_code == 200]
        for response in responses:
            if response not in done:
                assert pointers(response) == {"#/at"}
        stored = await alice.read(task)
        assert (stored["tracked_seconds"], stored["entry_count"]) == (3600, 1 + len(done))
        parts = sorted(stored["time_entries"], key=lambda part: str(part["started_at"]))
        for earlier, later in pairwise(parts):
            assert earlier["ended_at"] == later["started_at"]

    async def test_stale_if_match_splits_nothing(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task())
        for version, status in (("1", 412), ("2", 200)):
            headers = {"If-Match": f'"{version}"'}
            response = await alice.post(f"{at(entry)}/split", json=MIDDLE, headers=headers)
            assert response.status_code == status

    async def test_split_of_a_missing_entry_is_404(self, alice: Client) -> None:
        task = await alice.make_task()
        for entry_id in ("nonsense", "0" * 24):
            problem(await split(alice, {"task_id": task["id"], "id": entry_id}), 404, "entry_not_found")
        entry = await alice.write(task)
        await alice.delete(f"/tasks/{task['id']}")
        problem(await split(alice, entry), 404, "task_not_found")


class TestMoveEntry:
    async def test_move_removes_the_entry_from_the_source_task(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        stays, goes = await alice.write(task, duration_seconds=60), await alice.write(task, note="n", billable=True)
        response = await move(alice, goes, other)
        assert (response.status_code, response.headers["etag"]) == (200, '"2"')
        moved = response.json()
        assert moved == {**goes, "task_id": other["id"], "updated_at": moved["updated_at"]}
        source, target = await alice.read(task), await alice.read(other)
        assert (source["time_entries"], source["tracked_seconds"], source["version"]) == ([stays], 60, 4)
        assert (target["time_entries"], target["tracked_seconds"], target["version"]) == ([moved], 3600, 2)
        problem(await alice.get(at(goes)), 404, "entry_not_found")

    async def test_moved_entry_keeps_its_rate(self, alice: Client, database: Database) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        entry = await alice.write(task, billable=True)
        rate = {"amount": 9000, "currency": "EUR"}
        await database.tasks.update_one({"entry_count": 1}, {"$set": {"time_entries.0.hourly_rate": rate}})
        assert (await move(alice, entry, other)).json()["hourly_rate"] == rate

    async def test_move_to_the_same_task_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        response = await move(alice, entry, task)
        assert (response.status_code, response.json(), response.headers["etag"]) == (200, entry, '"2"')

    async def test_move_succeeds_while_timers_run(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        entry = await alice.write(task)
        timer = await alice.start(other)
        assert (await move(alice, entry, other)).status_code == 200
        back = {**entry, "task_id": other["id"]}
        assert (await move(alice, back, task)).status_code == 200
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    @pytest.mark.parametrize("task_id", ["nonsense", "0" * 24])
    async def test_move_to_a_missing_task_is_404(self, alice: Client, task_id: str) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        problem(await move(alice, entry, {"id": task_id}), 404, "task_not_found")
        assert (await alice.read(task))["time_entries"] == [entry]

    async def test_move_to_a_trashed_or_foreign_task_is_404(self, alice: Client, bob: Client) -> None:
        task, other, his = await alice.make_task(), await alice.make_task(title="Other"), await bob.make_task()
        entry = await alice.write(task)
        await alice.delete(f"/tasks/{other['id']}")
        for target in (other, his):
            problem(await move(alice, entry, target), 404, "task_not_found")
        problem(await move(bob, entry, his), 404, "task_not_found")
        problem(await move(bob, {**entry, "task_id": his["id"]}, his), 404, "entry_not_found")
        assert (await alice.read(task))["time_entries"] == [entry]

    async def test_if_match_is_the_version_of_the_source_task(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        entry = await alice.write(task)
        problem(await move(alice, entry, other, **{"If-Match": '"1"'}), 412, "stale_version")
        assert (await move(alice, entry, other, **{"If-Match": '"2"'})).status_code == 200

    @pytest.mark.parametrize("body", [{}, {"task_id": None}, {"task_id": 1}, {"task_id": ["0" * 24]}])
    async def test_task_id_must_be_a_string(self, alice: Client, body: Json) -> None:
        entry = await alice.write(await alice.make_task())
        assert pointers(await alice.post(f"{at(entry)}/move", json=body)) == {"#/task_id"}


class TestConcurrentMoves:
    async def test_moves_to_many_tasks_leave_the_entry_in_one(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        targets = [await alice.make_task(title=str(number)) for number in range(8)]
        entry = await alice.write(task)
        responses = await asyncio.gather(*(move(alice, entry, target) for target in targets))
        assert Counter(response.status_code for response in responses) == {200: 1, 404: 7}
        assert [stored["entry_count"] async for stored in database.tasks.find({"entry_count": {"$gt": 0}})] == [1]

    async def test_entry_is_in_exactly_one_task_during_moves(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(title=title) for title in ("one", "other")]
        entry = await alice.write(tasks[0])
        over = asyncio.Event()

        async def keep_moving(start: int) -> None:
            for step in range(start, start + 6):
                here, there = tasks[step % 2], tasks[(step + 1) % 2]
                response = await move(alice, {**entry, "task_id": here["id"]}, there)
                assert response.status_code in {200, 404}, response.text

        async def watch() -> int:
            looks = 0
            # One aggregation sees both tasks in one document: in two reads the entry could slip by.
            stages: list[Json] = [
                {"$match": {"user_id": alice.user["_id"]}},
                *ALL_PLACES,
                {"$match": {"entries.id": ObjectId(entry["id"])}},
                {"$group": {"_id": None, "places": {"$sum": 1}}},
            ]
            while not over.is_set():
                async with database.client.start_session() as session, await session.start_transaction():
                    cursor = await database.tasks.aggregate(stages, session=session)
                    stored = await cursor.to_list(None)
                assert [row["places"] for row in stored] == [1]
                looks += 1
            return looks

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(keep_moving(start) for start in range(4)))
        over.set()
        assert await watching > 0
        seconds = [(await alice.read(task))["tracked_seconds"] for task in tasks]
        assert sorted(seconds) == [0, 3600]

    async def test_moves_with_updates_and_deletions_lose_nothing(self, alice: Client, database: Database) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        for _ in range(3):
            entry = await alice.write(task)
            moved, changed, deleted = await asyncio.gather(
                move(alice, entry, other),
                alice.request_until_available("PATCH", at(entry), json={"note": "changed"}),
                alice.request_until_available("DELETE", at(entry)),
            )
            assert {moved.status_code, changed.status_code} <= {200, 404}
            assert {moved.status_code, deleted.status_code} in ({200, 404}, {204, 404})
            restored = await alice.post(f"/time-entries/{entry['id']}/restore")
            assert (restored.json()["note"] == "changed") is (changed.status_code == 200)
            await assert_stored_time_is_consistent(database)
