"""Concurrent users with large tasks: the store keeps running, and no acknowledged write is lost."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.synchronous.database import Database

from app.embedded.endpoint_file import running_endpoint
from tests.support.http import API, LONG, PASSWORD, Client, Json
from tests.support.large_tasks import NOTE, many_entries
from tests.support.processes import free_port, run_command, running

USERS, SECONDS, MEGABYTES = (12, 600, 2.4) if LONG else (4, 2, 1.0)
TASKS_PER_USER = 3
EXPECTED_ERRORS = {404, 409, 422, 503}
SEED = os.environ.get("TEST_SEED", "large tasks")


class User:
    """A user who sends random requests, with the ids of all acknowledged entries."""

    def __init__(self, client: Client, tasks: list[Json], seed: str) -> None:
        self.client = client
        self.tasks = tasks
        self.acknowledged_ids: set[str] = set()
        """The ids of the entries in responses."""

        self.response_counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._day = 0

    @property
    def requests(self) -> list[Callable[[], Awaitable[None]]]:
        return [self.create_entry, self.switch, self.switch, self.move, self.bulk, self.import_rows, self.read_report]

    async def work(self, until: float) -> None:
        while time.monotonic() < until:
            await self._random.choice(self.requests)()

    async def switch(self) -> None:
        response = await self._send("POST", "/timer/switch", json={"task_id": self._task()["id"], "note": NOTE})
        if response and response["stopped"]:
            self.acknowledged_ids.add(response["stopped"]["entry"]["id"])

    async def create_entry(self) -> None:
        body = {"started_at": self._instant(), "duration_seconds": 60, "note": NOTE}
        response = await self._send("POST", f"/tasks/{self._task()['id']}/time-entries", json=body)
        if response:
            self.acknowledged_ids.add(response["id"])

    async def move(self) -> None:
        source, target = self._random.sample(self.tasks, 2)
        page = await self._send("GET", f"/tasks/{source['id']}/time-entries", params={"limit": 2})
        ended = [entry["id"] for entry in page["items"] if entry["ended_at"]] if page else []
        if ended:
            path = f"/tasks/{source['id']}/time-entries/{ended[0]}/move"
            await self._send("POST", path, json={"task_id": target["id"]})

    async def bulk(self) -> None:
        change = [{"op": "update", "task_id": task["id"], "body": {"tags": [NOTE[:40]]}} for task in self.tasks]
        times = self._random.choice((1, 2, 10))
        await self._send("POST", "/tasks/bulk", json={"operations": change * times, "atomic": True})

    async def import_rows(self) -> None:
        rows = [f"{self._instant()},{{}},{task['title']}" for task in self.tasks for _ in range(5)]
        lines = [
            row.format((datetime.fromisoformat(row.split(",")[0]) + timedelta(minutes=1)).isoformat()) for row in rows
        ]
        file = "\n".join(("Start,End,Task", *lines))
        await self._send(
            "POST",
            "/imports",
            data={"format": "csv", "timezone": "UTC"},
            files={"file": ("time.csv", file.encode(), "text/csv")},
        )

    async def read_report(self) -> None:
        span = {"from": "2026-01-01", "to": "2027-01-01", "group_by": "task"}
        await self._send("GET", "/reports/summary", params=span)

    def _task(self) -> Json:
        return self._random.choice(self.tasks)

    def _instant(self) -> str:
        self._day += 1
        return (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=self._day)).isoformat()

    async def _send(self, method: str, path: str, **sent: object) -> Json | None:
        response = await self.client.request(method, path, **sent)  # type: ignore[arg-type]
        self.response_counts[f"{path.rpartition('/')[2][:10]} {response.status_code}"] += 1
        if response.status_code in EXPECTED_ERRORS:
            return None
        assert response.is_success, response.text
        body: Json = response.json()
        return body


async def _new_user(stack: AsyncExitStack, base_url: str, tasks: MongoClient[Json], number: int) -> User:
    client = await stack.enter_async_context(Client(base_url=base_url + API, timeout=300))
    account = {"email": f"user-{number}@example.com", "password": PASSWORD}
    assert (await client.post("/users", json=account)).status_code == 201
    form = {"username": account["email"], "password": PASSWORD}
    client.headers["Authorization"] = "Bearer " + (await client.post("/auth/token", data=form)).json()["access_token"]
    tasks_of_user = [await client.make_task(title=f"Large {index}") for index in range(TASKS_PER_USER)]
    for task in tasks_of_user:
        large = {"$set": many_entries(MEGABYTES)}
        await asyncio.to_thread(tasks.task_timer_db.tasks.update_one, {"_id": ObjectId(task["id"])}, large)
    return User(client, tasks_of_user, f"{SEED} {number}")


def stored_entry_ids(database: Database[Json]) -> Iterator[str]:
    """Yield the ids of all ended entries: those in tasks, and those in the pages that tasks list."""
    tasks = list(database.tasks.find({}, {"time_entries.id": 1, "pages": 1}))
    listed = {page_id for task in tasks for page_id in task.get("pages", ())}
    for page in database.task_pages.find({}, {"entries.id": 1}):
        if page["_id"] in listed:
            yield from (str(entry["id"]) for entry in page["entries"])
    for task in tasks:
        yield from (str(entry["id"]) for entry in task["time_entries"])


@pytest.mark.time_limit(SECONDS + 600)
async def test_no_entry_is_lost_and_the_store_keeps_running(tmp_path: Path) -> None:
    settings = {"MONGOD_BINARY": "/nowhere", "RATE_LIMITS_ENABLED": "false", "ACCESS_TOKEN_EXPIRE_MINUTES": 1440}
    with running("serve", folder=tmp_path, PORT=free_port(), **settings) as service:
        await asyncio.to_thread(service.wait_until_ready)
        url = running_endpoint(tmp_path / "data")
        assert url is not None
        async with AsyncExitStack() as stack:
            store = stack.enter_context(MongoClient[Json](url))
            users = [await _new_user(stack, service.base_url, store, number) for number in range(USERS)]
            for requests in zip(*(user.requests for user in users), strict=True):
                await asyncio.gather(*(send_request() for send_request in requests))  # the same request of each user
            until = time.monotonic() + SECONDS
            await asyncio.gather(*(user.work(until) for user in users))
            stored = Counter(stored_entry_ids(store.task_timer_db))
        responses = sum((user.response_counts for user in users), Counter())
        assert "was restarted" not in service.output, responses
        acknowledged = {entry for user in users for entry in user.acknowledged_ids}
        assert acknowledged <= stored.keys(), responses
        assert set(stored.values()) == {1}, responses
        doctor = await asyncio.to_thread(run_command, "doctor", folder=tmp_path, **settings)
        assert doctor.returncode == 0, doctor.stdout + doctor.stderr
        unavailable = sum(count for request, count in responses.items() if request.endswith(" 503"))
        counts = dict(sorted(responses.items()))
        print(f"\n{USERS} users, {responses.total()} requests, {unavailable} with 503: {counts}")  # noqa: T201
