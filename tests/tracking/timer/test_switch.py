"""Switching the timer to another task, and discarding it."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.conftest import Database
from tests.support.http import Client, Json, ago, at, clock, pointers, problem
from tests.support.pages.entry_storage import hot_only
from tests.support.pages.stored_tasks import read_entries

pytestmark = pytest.mark.usefixtures("consistent_counters", "entry_storage")


async def switch(client: Client, task: Json, **sent: Any) -> httpx.Response:
    return await client.request_until_available("POST", "/timer/switch", json={"task_id": task["id"], **sent})


async def switched(client: Client, task: Json, **sent: Any) -> Json:
    response = await switch(client, task, **sent)
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


async def two_tasks(client: Client) -> tuple[Json, Json]:
    return await client.make_task(title="One"), await client.make_task(title="Other")


class TestSwitchTimer:
    async def test_switch_stops_and_starts_at_the_same_instant(self, alice: Client) -> None:
        one, other = await two_tasks(alice)
        timer = await alice.start(one, started_at=clock("09:00"), note="n")
        response = await switch(alice, other, note="next")
        assert (response.status_code, response.headers["etag"]) == (200, '"2"')
        stopped, started = response.json()["stopped"], response.json()["started"]
        assert (stopped["task_id"], stopped["task_title"]) == (one["id"], "One")
        assert (stopped["entry"]["id"], stopped["entry"]["note"]) == (timer["entry"]["id"], "n")
        assert stopped["entry"]["ended_at"] == started["entry"]["started_at"]
        assert stopped["tracked_seconds"] == stopped["entry"]["duration_seconds"]
        assert (started["task_id"], started["entry"]["note"]) == (other["id"], "next")
        assert (await alice.get("/timer")).json()["entry"] == started["entry"]
        assert (await alice.read(one))["time_entries"] == [stopped["entry"]]

    async def test_switch_reopens_the_task_and_uses_its_billable_flag(self, alice: Client) -> None:
        one = await alice.make_task()
        other = await alice.make_task(title="Other", status="completed", billable=True)
        await alice.start(one, tags=["t"])
        entry = (await switched(alice, other))["started"]["entry"]
        assert (entry["billable"], entry["tags"], entry["source"]) == (True, [], "timer")
        stored = await alice.read(other)
        assert (stored["status"], stored["completed_at"]) == ("in_progress", None)

    async def test_switch_without_a_running_timer_starts_one(self, alice: Client) -> None:
        task = await alice.make_task()
        body = await switched(alice, task, at=clock("09:00"))
        assert body["stopped"] is None
        assert body["started"]["entry"]["started_at"] == clock("09:00")

    async def test_switch_to_the_running_task_changes_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        for sent in ({}, {"note": "n"}, {"at": clock("09:00")}):
            body = await switched(alice, task, **sent)
            assert (body["stopped"], body["started"]["entry"]) == (None, timer["entry"])
        assert (await alice.read(task))["version"] == 2

    async def test_switch_at_any_instant_since_the_start_is_accepted(self, alice: Client) -> None:
        one, other = await two_tasks(alice)
        await alice.start(one, started_at=clock("09:00"))
        body = await switched(alice, other, at="2026-11-18T10:30:00.900+01:00")
        assert (body["stopped"]["entry"]["duration_seconds"], body["stopped"]["tracked_seconds"]) == (1800, 1800)
        assert body["started"]["entry"]["started_at"] == clock("09:30")
        body = await switched(alice, one, at=clock("09:30"))
        assert body["stopped"]["entry"]["duration_seconds"] == 0
        assert (await alice.read(other))["entry_count"] == 1

    async def test_switch_before_the_start_is_422_and_timer_keeps_running(self, alice: Client) -> None:
        one, other = await two_tasks(alice)
        timer = await alice.start(one, started_at=clock("09:00"))
        assert pointers(await switch(alice, other, at=clock("08:59:59"))) == {"#/at"}
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    async def test_switch_in_the_future_is_422_and_timer_keeps_running(self, alice: Client) -> None:
        one, other = await two_tasks(alice)
        timer = await alice.start(one)
        assert pointers(await switch(alice, other, at=ago(seconds=-90)), "in_the_future") == {"#/at"}
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    async def test_instant_up_to_60_seconds_ahead_counts_as_now(self, alice: Client) -> None:
        one, other = await two_tasks(alice)
        await alice.start(one)
        body = await switched(alice, other, at=ago(seconds=-50))
        instant = body["started"]["entry"]["started_at"]
        assert body["stopped"]["entry"]["ended_at"] == instant
        assert datetime.fromisoformat(instant) <= datetime.now(UTC)

    async def test_switch_to_a_missing_task_leaves_the_timer_running(self, alice: Client, bob: Client) -> None:
        one, other = await two_tasks(alice)
        timer = await alice.start(one)
        await alice.delete(f"/tasks/{other['id']}")
        for target in ({"id": "nonsense"}, {"id": "0" * 24}, other, await bob.make_task()):
            problem(await switch(alice, target), 404, "task_not_found")
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    async def test_entry_over_the_cap_is_marked_for_review(self, alice: Client) -> None:
        one, other = await two_tasks(alice)
        await alice.start(one, started_at="2026-01-01T00:00:00Z")
        stopped = (await switched(alice, other, at=clock("09:00")))["stopped"]
        assert stopped["entry"]["needs_review"] is True

    async def test_if_match_is_the_version_of_the_source_task(self, alice: Client) -> None:
        one, other = await two_tasks(alice)
        await alice.start(one)
        body = {"task_id": other["id"]}
        stale = await alice.post("/timer/switch", json=body, headers={"If-Match": '"1"'})
        problem(stale, 412, "stale_version")
        etag = (await alice.get("/timer")).headers["etag"]
        assert (await alice.post("/timer/switch", json=body, headers={"If-Match": etag})).status_code == 200

    @hot_only
    @pytest.mark.parametrize(
        ("sent", "pointer"),
        [
            ({"at": "2026-11-18T09:00:00"}, "#/at"),
            ({"task_id": 1}, "#/task_id"),
            ({"note": "n" * 5001}, "#/note"),
            ({"tags": "t"}, "#/tags"),
            ({"title": "Both"}, "#"),
        ],
    )
    async def test_invalid_input_is_422_with_pointer(self, alice: Client, sent: Json, pointer: str) -> None:
        one, other = await two_tasks(alice)
        timer = await alice.start(one)
        assert pointers(await switch(alice, other, **sent)) == {pointer}
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]


class TestConcurrentSwitches:
    async def test_switches_among_five_tasks_leave_one_timer_and_no_gap(
        self, alice: Client, database: Database
    ) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(5)]
        began = ago(hours=1)
        await alice.start(tasks[0], started_at=began)
        responses = await asyncio.gather(*(switch(alice, tasks[number % 5]) for number in range(12)))
        assert Counter(response.status_code for response in responses) == {200: 12}
        timer = (await alice.get("/timer")).json()
        assert await database.tasks.count_documents({"active": {"$exists": True}}) == 1
        chain = await read_entries(database)
        answered = [response.json()["stopped"] for response in responses if response.json()["stopped"]]
        assert {str(entry["id"]) for entry in chain} == {stopped["entry"]["id"] for stopped in answered}
        spans = sorted((entry["started_at"], entry["ended_at"]) for entry in chain)
        assert all(earlier[1] == later[0] for earlier, later in pairwise(spans))
        assert f"{spans[-1][1].isoformat()}Z" == timer["entry"]["started_at"]

    @hot_only
    async def test_switches_without_a_running_timer_start_one(self, alice: Client, database: Database) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(5)]
        responses = await asyncio.gather(*(switch(alice, task) for task in tasks))
        bodies = [response.json() for response in responses]
        assert {response.status_code for response in responses} == {200}
        assert [body["stopped"] for body in bodies].count(None) == 1
        assert await database.tasks.count_documents({"active": {"$exists": True}}) == 1

    async def test_switches_with_starts_stops_and_discards_lose_no_entry(
        self, alice: Client, database: Database
    ) -> None:
        tasks = [await alice.make_task(title=str(number)) for number in range(3)]
        known: set[str] = set()
        for number in range(4):
            responses = await asyncio.gather(
                switch(alice, tasks[number % 3]),
                alice.post("/timer/start", json={"task_id": tasks[(number + 1) % 3]["id"]}),
                switch(alice, tasks[(number + 2) % 3]),
                alice.post("/timer/stop"),
                alice.request_until_available("DELETE", "/timer"),
            )
            assert {response.status_code for response in responses} <= {200, 201, 204, 404, 409}
            for response in responses:
                known |= set(ids_of(response))
        await alice.post("/timer/stop")
        stored_ids = {str(entry["id"]) for entry in await read_entries(database)}
        thrown_away = {str(deleted["_id"]) async for deleted in database.deleted_entries.find()}
        assert known == stored_ids | thrown_away


def ids_of(response: httpx.Response) -> list[str]:
    """Return the ids of the entries in a response about the timer."""
    if response.status_code not in {200, 201}:
        return []
    body = response.json()
    parts = [body["stopped"], body["started"]] if "started" in body else [body]
    return [part["entry"]["id"] for part in parts if part]


class TestDiscardTimer:
    async def test_discard_removes_the_timer_and_counts_no_time(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, started_at=ago(minutes=5))
        response = await alice.delete("/timer")
        assert (response.status_code, response.content) == (204, b"")
        assert (await alice.get("/timer")).status_code == 204
        stored = await alice.read(task)
        assert (stored["active"], stored["entry_count"], stored["tracked_seconds"]) == (None, 0, 0)
        assert (stored["status"], stored["version"]) == ("in_progress", 3)
        problem(await alice.get(at(timer["entry"])), 404, "entry_not_found")
        (deleted,) = [document async for document in database.deleted_entries.find()]
        assert (str(deleted["_id"]), str(deleted["task_id"])) == (timer["entry"]["id"], task["id"])
        assert 300 <= deleted["entry"]["duration_seconds"] <= 360

    async def test_discard_without_a_running_timer_is_404(self, alice: Client, bob: Client) -> None:
        await bob.start(await bob.make_task())
        problem(await alice.delete("/timer"), 404, "no_running_timer")
        assert (await bob.get("/timer")).status_code == 200

    async def test_discarded_timer_is_restored_as_an_ended_entry(self, alice: Client) -> None:
        one, other = await two_tasks(alice)
        timer = await alice.start(one, started_at=ago(minutes=5), note="n", tags=["t"], billable=True)
        await alice.delete("/timer")
        next_timer = await alice.start(other)
        back = (await alice.post(f"/time-entries/{timer['entry']['id']}/restore")).json()
        same = ("id", "task_id", "started_at", "note", "tags", "billable", "source", "timezone", "created_at")
        assert {field: back[field] for field in same} == {field: timer["entry"][field] for field in same}
        assert back["ended_at"] is not None
        assert 300 <= back["duration_seconds"] <= 360
        assert (await alice.read(one))["tracked_seconds"] == back["duration_seconds"]
        assert (await alice.get("/timer")).json()["entry"] == next_timer["entry"]
        await alice.delete("/timer")
        assert (await alice.post("/timer/resume")).json()["entry"]["note"] == "n"

    async def test_stale_if_match_discards_nothing(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        problem(await alice.delete("/timer", headers={"If-Match": '"1"'}), 412, "stale_version")
        etag = (await alice.get("/timer")).headers["etag"]
        assert (await alice.delete("/timer", headers={"If-Match": etag})).status_code == 204

    @hot_only
    async def test_twenty_concurrent_discards_discard_once(self, alice: Client, database: Database) -> None:
        await alice.start(await alice.make_task())
        responses = await asyncio.gather(*(alice.request_until_available("DELETE", "/timer") for _ in range(20)))
        assert Counter(response.status_code for response in responses) == {204: 1, 404: 19}
        assert await database.deleted_entries.count_documents({}) == 1

    async def test_concurrent_discard_and_stop_let_one_succeed(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        for _ in range(8):
            await alice.start(task)
            stopped, discarded = await asyncio.gather(
                alice.post("/timer/stop"), alice.request_until_available("DELETE", "/timer")
            )
            assert (stopped.status_code, discarded.status_code) in {(200, 404), (404, 204)}
        count = (await alice.read(task))["entry_count"]
        assert count + await database.deleted_entries.count_documents({}) == 8
