"""Many users at work on large tasks at once: the store bears it, and nothing that was acknowledged is lost."""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo import MongoClient

from app.embedded.endpoint_file import running_endpoint
from tests.support.http import API, LONG, PASSWORD, Client, Json
from tests.support.large_tasks import NOTE, many_entries
from tests.support.processes import free_port, outcome, running

USERS, SECONDS, MEGABYTES = (12, 600, 2.4) if LONG else (4, 2, 1.0)
TASKS_OF_EACH = 3
REFUSALS = {404, 409, 422, 503}
SEED = os.environ.get("TEST_SEED", "large tasks")


class User:
    """One of them: what they do next is chance, what they were told is kept."""

    def __init__(self, client: Client, tasks: list[Json], seed: str) -> None:
        self.client = client
        self.tasks = tasks
        self.kept: set[str] = set()
        """The ids of the entries that were acknowledged."""

        self.answers: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._day = 0

    @property
    def deeds(self) -> list[Callable[[], Awaitable[None]]]:
        return [self.write, self.switch, self.switch, self.move, self.bulk, self.read_in, self.look]

    async def work(self, until: float) -> None:
        while time.monotonic() < until:
            await self._chance.choice(self.deeds)()

    async def switch(self) -> None:
        answer = await self._ask("POST", "/timer/switch", json={"task_id": self._task()["id"], "note": NOTE})
        if answer and answer["stopped"]:
            self.kept.add(answer["stopped"]["entry"]["id"])

    async def write(self) -> None:
        body = {"started_at": self._instant(), "duration_seconds": 60, "note": NOTE}
        answer = await self._ask("POST", f"/tasks/{self._task()['id']}/time-entries", json=body)
        if answer:
            self.kept.add(answer["id"])

    async def move(self) -> None:
        source, target = self._chance.sample(self.tasks, 2)
        page = await self._ask("GET", f"/tasks/{source['id']}/time-entries", params={"limit": 2})
        ended = [entry["id"] for entry in page["items"] if entry["ended_at"]] if page else []
        if ended:
            path = f"/tasks/{source['id']}/time-entries/{ended[0]}/move"
            await self._ask("POST", path, json={"task_id": target["id"]})

    async def bulk(self) -> None:
        change = [{"op": "update", "task_id": task["id"], "body": {"tags": [NOTE[:40]]}} for task in self.tasks]
        times = self._chance.choice((1, 2, 10))
        await self._ask("POST", "/tasks/bulk", json={"operations": change * times, "atomic": True})

    async def read_in(self) -> None:
        rows = [f"{self._instant()},{{}},{task['title']}" for task in self.tasks for _ in range(5)]
        lines = [
            row.format((datetime.fromisoformat(row.split(",")[0]) + timedelta(minutes=1)).isoformat()) for row in rows
        ]
        file = "\n".join(("Start,End,Task", *lines))
        await self._ask(
            "POST",
            "/imports",
            data={"format": "csv", "timezone": "UTC"},
            files={"file": ("time.csv", file.encode(), "text/csv")},
        )

    async def look(self) -> None:
        span = {"from": "2026-01-01", "to": "2027-01-01", "group_by": "task"}
        await self._ask("GET", "/reports/summary", params=span)

    def _task(self) -> Json:
        return self._chance.choice(self.tasks)

    def _instant(self) -> str:
        self._day += 1
        return (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(hours=self._day)).isoformat()

    async def _ask(self, method: str, path: str, **sent: object) -> Json | None:
        answer = await self.client.request(method, path, **sent)  # type: ignore[arg-type]
        self.answers[f"{path.rpartition('/')[2][:10]} {answer.status_code}"] += 1
        if answer.status_code in REFUSALS:
            return None
        assert answer.is_success, answer.text
        found: Json = answer.json()
        return found


async def _new_user(stack: AsyncExitStack, base_url: str, tasks: MongoClient[Json], number: int) -> User:
    client = await stack.enter_async_context(Client(base_url=base_url + API, timeout=300))
    account = {"email": f"user-{number}@example.com", "password": PASSWORD}
    assert (await client.post("/users", json=account)).status_code == 201
    form = {"username": account["email"], "password": PASSWORD}
    client.headers["Authorization"] = "Bearer " + (await client.post("/auth/token", data=form)).json()["access_token"]
    made = [await client.make_task(title=f"Large {index}") for index in range(TASKS_OF_EACH)]
    for task in made:
        large = {"$set": many_entries(MEGABYTES)}
        await asyncio.to_thread(tasks.task_timer_db.tasks.update_one, {"_id": ObjectId(task["id"])}, large)
    return User(client, made, f"{SEED} {number}")


@pytest.mark.time_limit(SECONDS + 600)
async def test_lose_nothing_and_do_not_stop_the_store(tmp_path: Path) -> None:
    settings = {"MONGOD_BINARY": "/nowhere", "RATE_LIMITS_ENABLED": "false", "ACCESS_TOKEN_EXPIRE_MINUTES": 1440}
    with running("serve", folder=tmp_path, PORT=free_port(), **settings) as service:
        await asyncio.to_thread(service.wait_until_ready)
        url = running_endpoint(tmp_path / "data")
        assert url is not None
        async with AsyncExitStack() as stack:
            store = stack.enter_context(MongoClient[Json](url))
            users = [await _new_user(stack, service.base_url, store, number) for number in range(USERS)]
            for deeds in zip(*(user.deeds for user in users), strict=True):
                await asyncio.gather(*(deed() for deed in deeds))  # the same by all of them
            until = time.monotonic() + SECONDS
            await asyncio.gather(*(user.work(until) for user in users))
            rows = store.task_timer_db.tasks.find({}, {"time_entries.id": 1})
            stored = Counter(str(entry["id"]) for task in rows for entry in task["time_entries"])
        answers = sum((user.answers for user in users), Counter())
        assert "was restarted" not in service.output, answers
        kept = {entry for user in users for entry in user.kept}
        assert kept <= stored.keys(), answers
        assert set(stored.values()) == {1}, answers
        checked = await asyncio.to_thread(outcome, "doctor", folder=tmp_path, **settings)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        refused = sum(count for what, count in answers.items() if what.endswith(" 503"))
        print(f"\n{USERS} users, {answers.total()} requests, {refused} with 503: {dict(sorted(answers.items()))}")  # noqa: T201
