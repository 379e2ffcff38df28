"""Concurrent requests that conflict: exactly one succeeds, or all are applied without a lost update."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Database
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, problem
from tests.support.pages.entry_storage import hot_only
from tests.support.pages.stored_tasks import read_tasks

pytestmark = pytest.mark.usefixtures("entry_storage")


@pytest.fixture(autouse=True)
async def _open_connections(alice: Client) -> None:
    """Open the connections of the client and to the database before the requests that must be concurrent."""
    await open_connections(alice, 20)


async def open_connections(client: Client, count: int) -> None:
    await asyncio.gather(*(client.get("/tasks") for _ in range(count)))


async def gather(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


def statuses(responses: list[httpx.Response]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


async def start(client: Client, task: Json) -> httpx.Response:
    """Start the timer on this task. On a busy machine, the service may answer 503 to some of many requests."""
    return await client.request_until_available("POST", "/timer/start", json={"task_id": task["id"]})


class TestConcurrentStarts:
    @hot_only
    async def test_fifty_starts_on_fifty_tasks_start_one_timer(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(50)]
        await open_connections(alice, 50)
        responses = await gather(*(start(alice, task) for task in tasks))
        assert statuses(responses) == {201: 1, 409: 49}
        (started,) = [response.json() for response in responses if response.status_code == 201]
        for response in responses:
            if response.status_code == 409:
                running = problem(response, 409, "timer_already_running")["running"]
                assert running["entry"] == started["entry"]
        assert await database.tasks.count_documents({"active": {"$exists": True}}) == 1

    @hot_only
    async def test_fifty_starts_on_one_task_start_one_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        await open_connections(alice, 50)
        responses = await gather(*(start(alice, task) for _ in range(50)))
        assert statuses(responses) == {201: 1, 200: 49}
        assert len({response.json()["entry"]["id"] for response in responses}) == 1
        assert (await alice.read(task))["version"] == 2

    @hot_only
    async def test_starts_of_two_users_start_one_timer_each(self, alice: Client, bob: Client) -> None:
        tasks = [(client, await client.make_task()) for client in (alice, bob) for _ in range(10)]
        await open_connections(bob, 10)
        responses = await gather(*(start(client, task) for client, task in tasks))
        assert statuses(responses[:10]) == {201: 1, 409: 9}
        assert statuses(responses[10:]) == {201: 1, 409: 9}


class TestConcurrentStops:
    async def test_twenty_stops_create_one_entry(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, started_at="2026-11-18T09:00:00Z")
        responses = await gather(*(alice.post("/timer/stop") for _ in range(20)))
        stopped = [response.json() for response in responses if response.status_code == 200]
        assert stopped
        assert all(response["entry"] == stopped[0]["entry"] for response in stopped)
        for response in responses:
            if response.status_code != 200:
                problem(response, 404, "no_running_timer")
        stored_task = await alice.read(task)
        assert stored_task["time_entries"] == [stopped[0]["entry"]]
        assert stopped[0]["entry"]["id"] == timer["entry"]["id"]
        assert stored_task["tracked_seconds"] == stopped[0]["entry"]["duration_seconds"]

    async def test_twenty_stops_of_an_entry_return_the_same_entry(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        body = {"entry_id": timer["entry"]["id"]}
        responses = await gather(*(alice.post("/timer/stop", json=body) for _ in range(20)))
        assert statuses(responses) == {200: 20}
        first = responses[0].json()["entry"]
        assert all(response.json()["entry"] == first for response in responses)
        assert (await alice.read(task))["entry_count"] == 1

    async def test_concurrent_completion_and_deletion_create_one_entry(self, alice: Client, database: Database) -> None:
        for _ in range(5):
            task = await alice.make_task()
            await alice.start(task, started_at="2026-11-18T09:00:00Z")
            path = f"/tasks/{task['id']}"
            await gather(
                alice.post("/timer/stop"),
                alice.patch(path, json={"status": "completed"}),
                alice.delete(path),
                alice.post("/timer/stop"),
                alice.patch(path, json={"status": "pending"}),
            )
        for stored in await read_tasks(database):
            (entry,) = stored.entries
            assert "active" not in stored.row
            assert (stored.row["entry_count"], stored.row["tracked_seconds"]) == (1, entry["duration_seconds"])


class TestConcurrentUpdates:
    @hot_only
    async def test_updates_of_different_fields_are_all_applied(self, alice: Client) -> None:
        task = await alice.make_task()
        changes: list[Json] = [
            {"title": "New"},
            {"description": "New"},
            {"priority": 4},
            {"tags": ["new"]},
            {"due_at": "2026-11-30T00:00:00Z"},
            {"estimate_seconds": 60},
            {"billable": True},
            {"status": "completed"},
        ]
        responses = await gather(*(alice.patch(f"/tasks/{task['id']}", json=change) for change in changes))
        assert statuses(responses) == {200: len(changes)}
        stored_task = await alice.read(task)
        for change in changes:
            assert {**stored_task, **change} == stored_task
        assert stored_task["version"] == 1 + len(changes)

    async def test_updates_and_timer_changes_are_all_applied(self, alice: Client) -> None:
        task = await alice.make_task()
        path = f"/tasks/{task['id']}"
        for number in range(5):
            requests = [
                alice.patch(path, json={"title": f"Title {number}"}),
                alice.post("/timer/start", json={"task_id": task["id"], "started_at": "2026-11-18T09:00:00Z"}),
                alice.patch(path, json={"priority": number % 5}),
            ]
            assert statuses(await gather(*requests)) == {200: 2, 201: 1}
            requests = [
                alice.patch(path, json={"description": f"Description {number}"}),
                alice.post("/timer/stop", json={"ended_at": "2026-11-18T10:00:00Z"}),
                alice.patch(path, json={"tags": [f"tag {number}"]}),
            ]
            assert statuses(await gather(*requests)) == {200: 3}
            stored_task = await alice.read(task)
            assert (stored_task["title"], stored_task["priority"]) == (f"Title {number}", number % 5)
            assert (stored_task["description"], stored_task["tags"]) == (f"Description {number}", [f"tag {number}"])
            assert (stored_task["entry_count"], stored_task["tracked_seconds"]) == (number + 1, 3600 * (number + 1))
        assert stored_task["version"] == 1 + 5 * 6

    @hot_only
    async def test_one_of_twenty_updates_with_the_same_if_match_succeeds(self, alice: Client) -> None:
        task = await alice.make_task()
        responses = await gather(
            *(
                alice.patch(f"/tasks/{task['id']}", json={"title": str(number)}, headers={"If-Match": '"1"'})
                for number in range(20)
            )
        )
        assert statuses(responses) == {200: 1, 412: 19}
        (changed,) = [response.json() for response in responses if response.status_code == 200]
        stored_task = await alice.read(task)
        assert (stored_task["title"], stored_task["version"]) == (changed["title"], 2)

    @hot_only
    async def test_updates_of_the_profile_are_all_applied(self, alice: Client) -> None:
        changes: list[Json] = [
            {"full_name": "Alice"},
            {"timezone": "Europe/Berlin"},
            {"week_start": 6},
            {"preferences": {"overlap_policy": "warn"}},
            {"preferences": {"timer_cap_hours": 5}},
        ]
        responses = await gather(*(alice.patch("/users/me", json=change) for change in changes))
        assert statuses(responses) == {200: len(changes)}
        me = (await alice.get("/users/me")).json()
        assert (me["full_name"], me["timezone"], me["week_start"]) == ("Alice", "Europe/Berlin", 6)
        assert me["preferences"]["overlap_policy"] == "warn"
        assert me["preferences"]["timer_cap_hours"] == 5


class TestConcurrentDeletions:
    @hot_only
    async def test_one_of_twenty_deletions_succeeds(self, alice: Client) -> None:
        task = await alice.make_task()
        responses = await gather(*(alice.delete(f"/tasks/{task['id']}") for _ in range(20)))
        assert statuses(responses) == {204: 1, 404: 19}

    @hot_only
    async def test_twenty_restorations_change_the_task_once(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        responses = await gather(*(alice.post(f"/tasks/{task['id']}/restore") for _ in range(20)))
        assert statuses(responses) == {200: 20}
        assert (await alice.read(task))["version"] == 3


class TestMixedLoadOnAFewTasks:
    @hot_only  # test_mixed_load.py turns pages meanwhile
    async def test_no_second_is_lost_or_counted_twice(self, alice: Client, database: Database) -> None:
        stopped = await self.run_mixed_load(alice)
        await alice.post("/timer/stop")
        await assert_stored_time_is_consistent(database)
        tasks = await read_tasks(database)
        assert not any("active" in task.row for task in tasks)
        assert stopped <= {str(entry["id"]) for task in tasks for entry in task.entries}

    async def run_mixed_load(self, alice: Client) -> set[str]:
        """Send concurrent requests about three tasks. Returns the ids of the entries in responses to a stop."""
        tasks = [await alice.make_task(title=str(number)) for number in range(3)]
        stopped: dict[str, Json] = {}

        async def work(seed: int) -> None:
            for step in range(12):
                task = tasks[(seed + step) % 3]
                start = (datetime(2026, 11, 18, tzinfo=UTC) + timedelta(minutes=step)).isoformat()
                action = (seed * 7 + step * 3) % 5
                if action <= 1:
                    response = await alice.post("/timer/start", json={"task_id": task["id"], "started_at": start})
                    assert response.status_code in {200, 201, 409}, response.text
                elif action == 2:
                    response = await alice.patch(f"/tasks/{task['id']}", json={"status": "completed"})
                    assert response.status_code == 200, response.text
                elif action == 3:
                    response = await alice.patch(f"/tasks/{task['id']}", json={"priority": step % 5})
                    assert response.status_code == 200, response.text
                else:
                    response = await alice.post("/timer/stop")
                    assert response.status_code in {200, 404}, response.text
                    if response.status_code == 200:
                        entry = response.json()["entry"]
                        assert stopped.setdefault(entry["id"], entry) == entry

        await asyncio.gather(*(work(seed) for seed in range(10)))
        return set(stopped)
