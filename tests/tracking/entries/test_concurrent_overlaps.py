"""Concurrent writes of the same time under the policy `forbid`."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.conftest import Database
from tests.support.http import LONG, Client, at, clock, problem
from tests.support.pages.entry_storage import hot_only
from tests.support.pages.stored_tasks import read_entries

pytestmark = pytest.mark.usefixtures("consistent_counters", "entry_storage")
HALF_PAST = {"started_at": clock("09:30"), "duration_seconds": 3600}
UPDATES = 20 if LONG else 8


class TestConcurrentOverlaps:
    @pytest.fixture(autouse=True)
    async def _forbidding(self, alice: Client) -> None:
        await alice.set_preferences(overlap_policy="forbid")
        await asyncio.gather(*(alice.get("/tasks") for _ in range(20)))

    def outcome(self, responses: list[httpx.Response], good: int) -> None:
        """Check that exactly one write succeeded and the others were refused."""
        assert Counter(response.status_code for response in responses) == {good: 1, 409: len(responses) - 1}
        for response in responses:
            if response.status_code == 409:
                assert problem(response, 409, "overlap")["overlaps"]

    async def test_twenty_writes_on_one_task_store_one(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        address = f"/tasks/{task['id']}/time-entries"
        responses = await asyncio.gather(
            *(alice.request_until_available("POST", address, json=HALF_PAST) for _ in range(20))
        )
        self.outcome(list(responses), 201)
        assert (await alice.read(task))["entry_count"] == 1
        user = await database.users.find_one({"_id": alice.user["_id"]})
        assert user is not None
        assert user["timeline_version"] == 1

    @hot_only
    async def test_twenty_writes_on_twenty_tasks_store_one(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(20)]
        responses = await asyncio.gather(
            *(
                alice.request_until_available("POST", f"/tasks/{task['id']}/time-entries", json=HALF_PAST)
                for task in tasks
            )
        )
        self.outcome(list(responses), 201)
        assert await database.tasks.count_documents({"entry_count": 1}) == 1

    async def test_updates_into_the_same_hour_let_one_succeed(self, alice: Client, database: Database) -> None:
        requests: list[Any] = []
        for number in range(UPDATES):
            task = await alice.make_task(title=str(number))
            day = f"2026-10-{number + 1:02}T"
            entry = await alice.write(task, started_at=f"{day}09:00:00Z", duration_seconds=60)
            requests.append(alice.request_until_available("PATCH", at(entry), json=HALF_PAST))
        self.outcome(list(await asyncio.gather(*requests)), 200)
        lengths = [entry["duration_seconds"] for entry in await read_entries(database)]
        assert sorted(lengths) == [60] * (UPDATES - 1) + [3600]

    async def test_writes_of_every_kind_into_the_same_hour_let_one_succeed(
        self, alice: Client, database: Database
    ) -> None:
        """Creates, updates, restores, and starts in the past, which count up to now."""
        for round_number in range(3 if LONG else 2):
            tasks = [await alice.make_task(title=f"{round_number}/{number}") for number in range(5)]
            minute = {"started_at": clock("07:00"), "duration_seconds": 60}
            changed = await alice.write(tasks[0], **minute)
            deleted = await alice.write(tasks[1], **HALF_PAST)
            await alice.delete(at(deleted))
            responses = await asyncio.gather(
                alice.request_until_available("PATCH", at(changed), json=HALF_PAST),
                alice.request_until_available("POST", f"/time-entries/{deleted['id']}/restore"),
                alice.request_until_available(
                    "POST", "/timer/start", json={"task_id": tasks[2]["id"], "started_at": clock("09:45")}
                ),
                *(
                    alice.request_until_available("POST", f"/tasks/{task['id']}/time-entries", json=HALF_PAST)
                    for task in tasks
                ),
            )
            good = [response for response in responses if response.status_code in {200, 201}]
            assert len(good) == 1, [response.text for response in responses]
            for response in responses:
                if response not in good:
                    problem(response, 409, "overlap")
            for task in tasks:
                assert (await alice.delete(f"/tasks/{task['id']}")).status_code == 204
            assert await database.tasks.count_documents({"active": {"$exists": True}}) == 0
