"""Races: many at once, and exactly one wins. Each promise here is kept by a filter or an index, not by luck."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Database
from tests.support.http import Client, Json, problem


@pytest.fixture(autouse=True)
async def _open_connections(alice: Client, bob: Client) -> None:
    """Connections on both sides of the service, so that in a race nobody has to wait for one."""
    await asyncio.gather(*(client.get("/tasks") for client in (alice, bob) for _ in range(50)))


async def at_once(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


def statuses(responses: list[httpx.Response]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


class TestFiftyStartsAtOnce:
    async def test_on_fifty_tasks_start_one_timer(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(50)]
        responses = await at_once(*(alice.post("/timer/start", json={"task_id": task["id"]}) for task in tasks))
        assert statuses(responses) == {201: 1, 409: 49}
        (started,) = [response.json() for response in responses if response.status_code == 201]
        for response in responses:
            if response.status_code == 409:
                running = problem(response, 409, "timer_already_running")["running"]
                assert running["entry"] == started["entry"]
        assert await database.tasks.count_documents({"active": {"$exists": True}}) == 1

    async def test_on_one_task_start_one_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        body = {"task_id": task["id"]}
        responses = await at_once(*(alice.post("/timer/start", json=body) for _ in range(50)))
        assert statuses(responses) == {201: 1, 200: 49}
        assert len({response.json()["entry"]["id"] for response in responses}) == 1
        assert (await alice.read(task))["version"] == 2

    async def test_of_two_users_start_one_timer_each(self, alice: Client, bob: Client) -> None:
        tasks = [(client, await client.make_task()) for client in (alice, bob) for _ in range(10)]
        responses = await at_once(
            *(client.post("/timer/start", json={"task_id": task["id"]}) for client, task in tasks)
        )
        assert statuses(responses[:10]) == {201: 1, 409: 9}
        assert statuses(responses[10:]) == {201: 1, 409: 9}


class TestTwentyStopsAtOnce:
    async def test_give_one_entry_and_answer_it(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, started_at="2026-11-18T09:00:00Z")
        responses = await at_once(*(alice.post("/timer/stop") for _ in range(20)))
        stopped = [response.json() for response in responses if response.status_code == 200]
        assert stopped
        assert all(answer["entry"] == stopped[0]["entry"] for answer in stopped)
        for response in responses:
            if response.status_code != 200:
                problem(response, 404, "no_running_timer")
        found = await alice.read(task)
        assert found["time_entries"] == [stopped[0]["entry"]]
        assert stopped[0]["entry"]["id"] == timer["entry"]["id"]
        assert found["tracked_seconds"] == stopped[0]["entry"]["duration_seconds"]

    async def test_by_entry_all_answer_it(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        body = {"entry_id": timer["entry"]["id"]}
        responses = await at_once(*(alice.post("/timer/stop", json=body) for _ in range(20)))
        assert statuses(responses) == {200: 20}
        first = responses[0].json()["entry"]
        assert all(response.json()["entry"] == first for response in responses)
        assert (await alice.read(task))["entry_count"] == 1

    async def test_beside_completing_and_deleting_count_once(self, alice: Client, database: Database) -> None:
        for _ in range(5):
            task = await alice.make_task()
            await alice.start(task, started_at="2026-11-18T09:00:00Z")
            address = f"/tasks/{task['id']}"
            await at_once(
                alice.post("/timer/stop"),
                alice.patch(address, json={"status": "completed"}),
                alice.delete(address),
                alice.post("/timer/stop"),
                alice.patch(address, json={"status": "pending"}),
            )
        async for stored in database.tasks.find():
            assert "active" not in stored
            assert stored["entry_count"] == len(stored["time_entries"]) == 1
            assert stored["tracked_seconds"] == stored["time_entries"][0]["duration_seconds"]


class TestChangesAtOnce:
    async def test_of_different_fields_lose_nothing(self, alice: Client) -> None:
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
        responses = await at_once(*(alice.patch(f"/tasks/{task['id']}", json=change) for change in changes))
        assert statuses(responses) == {200: len(changes)}
        found = await alice.read(task)
        for change in changes:
            assert {**found, **change} == found
        assert found["version"] == 1 + len(changes)

    async def test_beside_a_timer_lose_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        address = f"/tasks/{task['id']}"
        for number in range(5):
            requests = [
                alice.patch(address, json={"title": f"Title {number}"}),
                alice.post("/timer/start", json={"task_id": task["id"], "started_at": "2026-11-18T09:00:00Z"}),
                alice.patch(address, json={"priority": number % 5}),
            ]
            assert statuses(await at_once(*requests)) == {200: 2, 201: 1}
            requests = [
                alice.patch(address, json={"description": f"Description {number}"}),
                alice.post("/timer/stop", json={"ended_at": "2026-11-18T10:00:00Z"}),
                alice.patch(address, json={"tags": [f"tag {number}"]}),
            ]
            assert statuses(await at_once(*requests)) == {200: 3}
            found = await alice.read(task)
            assert (found["title"], found["priority"]) == (f"Title {number}", number % 5)
            assert (found["description"], found["tags"]) == (f"Description {number}", [f"tag {number}"])
            assert (found["entry_count"], found["tracked_seconds"]) == (number + 1, 3600 * (number + 1))
        assert found["version"] == 1 + 5 * 6

    async def test_with_one_if_match_admit_one(self, alice: Client) -> None:
        task = await alice.make_task()
        responses = await at_once(
            *(
                alice.patch(f"/tasks/{task['id']}", json={"title": str(number)}, headers={"If-Match": '"1"'})
                for number in range(20)
            )
        )
        assert statuses(responses) == {200: 1, 412: 19}
        (changed,) = [response.json() for response in responses if response.status_code == 200]
        found = await alice.read(task)
        assert (found["title"], found["version"]) == (changed["title"], 2)

    async def test_of_the_profile_lose_nothing(self, alice: Client) -> None:
        changes: list[Json] = [
            {"full_name": "Alice"},
            {"timezone": "Europe/Berlin"},
            {"week_start": 6},
            {"preferences": {"overlap_policy": "warn"}},
            {"preferences": {"timer_cap_hours": 5}},
        ]
        responses = await at_once(*(alice.patch("/users/me", json=change) for change in changes))
        assert statuses(responses) == {200: len(changes)}
        me = (await alice.get("/users/me")).json()
        assert (me["full_name"], me["timezone"], me["week_start"]) == ("Alice", "Europe/Berlin", 6)
        assert me["preferences"] == {"overlap_policy": "warn", "timer_cap_hours": 5}


class TestTheTrashAtOnce:
    async def test_deleting_twenty_times_deletes_once(self, alice: Client) -> None:
        task = await alice.make_task()
        responses = await at_once(*(alice.delete(f"/tasks/{task['id']}") for _ in range(20)))
        assert statuses(responses) == {204: 1, 404: 19}

    async def test_restoring_twenty_times_restores_once(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        responses = await at_once(*(alice.post(f"/tasks/{task['id']}/restore") for _ in range(20)))
        assert statuses(responses) == {200: 20}
        assert (await alice.read(task))["version"] == 3


class TestAMixOnAFewTasks:
    async def test_loses_no_second_and_counts_none_twice(self, alice: Client, database: Database) -> None:
        stopped = await self.mix(alice)
        await alice.post("/timer/stop")
        kept: list[Json] = []
        async for stored in database.tasks.find():
            assert "active" not in stored
            assert stored["entry_count"] == len(stored["time_entries"])
            assert stored["tracked_seconds"] == sum(entry["duration_seconds"] for entry in stored["time_entries"])
            starts = [entry["started_at"] for entry in stored["time_entries"]]
            assert starts == sorted(starts)
            assert stored["first_started_at"] == min(starts, default=None)
            ends = [entry["ended_at"] for entry in stored["time_entries"]]
            assert stored["last_ended_at"] == max(ends, default=None)
            kept += stored["time_entries"]
        ids = [str(entry["id"]) for entry in kept]
        assert len(ids) == len(set(ids))
        assert stopped <= set(ids)

    async def mix(self, alice: Client) -> set[str]:
        """Ten hands on three tasks; answers the entries that a stop answered."""
        tasks = [await alice.make_task(title=str(number)) for number in range(3)]
        stopped: dict[str, Json] = {}

        async def work(seed: int) -> None:
            for step in range(12):
                task = tasks[(seed + step) % 3]
                start = (datetime(2026, 11, 18, tzinfo=UTC) + timedelta(minutes=step)).isoformat()
                action = (seed * 7 + step * 3) % 5
                if action <= 1:
                    answer = await alice.post("/timer/start", json={"task_id": task["id"], "started_at": start})
                    assert answer.status_code in {200, 201, 409}, answer.text
                elif action == 2:
                    answer = await alice.patch(f"/tasks/{task['id']}", json={"status": "completed"})
                    assert answer.status_code == 200, answer.text
                elif action == 3:
                    answer = await alice.patch(f"/tasks/{task['id']}", json={"priority": step % 5})
                    assert answer.status_code == 200, answer.text
                else:
                    answer = await alice.post("/timer/stop")
                    assert answer.status_code in {200, 404}, answer.text
                    if answer.status_code == 200:
                        entry = answer.json()["entry"]
                        assert stopped.setdefault(entry["id"], entry) == entry

        await asyncio.gather(*(work(seed) for seed in range(10)))
        return set(stopped)
