"""A mixed load: many clients send random requests about the same few tasks at once."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import httpx

from app.clock import truncate_to_seconds, utc_now
from tests.races.ledger import EntryState, Ledger, SentRequest
from tests.support.http import Client, Json

CHANGED_BY_ID = ("delete", "split", "move", "patch", "restore")
OF_TASKS = ("make", "complete", "rename", "trash", "untrash")


class Hand:
    """Sends random requests one after another."""

    def __init__(self, client: Client, tasks: list[str], ledger: Ledger, seed: str) -> None:
        self._client = client
        self._tasks = tasks
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._name = seed
        self._steps = 0
        self._began = truncate_to_seconds(utc_now()) - timedelta(days=9)
        self._kinds: dict[str, Callable[[], tuple[SentRequest, str, str]]] = {
            kind: getattr(self, f"_{kind}") for kind in WEIGHTS
        }

    async def work(self, steps: int, go_on: Callable[[], bool]) -> None:
        """Send `steps` requests. Stops when the service dies, or when `go_on` returns False before a request."""
        for _ in range(steps):
            if not go_on() or not await self._step():
                return

    async def _step(self) -> bool:
        self._steps += 1
        (kind,) = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if kind in CHANGED_BY_ID and not self._ledger.told:
            kind = "create"
        sent, method, path = self._kinds[kind]()
        if kind not in OF_TASKS:
            path += f"?overlap={self._chance.choice(['allow', 'warn', 'forbid'])}"
        self._ledger.send(sent)
        try:
            answer = await self._client.request(method, path, json=sent.body or None)
        except httpx.TransportError:
            self._ledger.miss(sent)
            return False
        self._ledger.keep(sent, answer)
        return True

    def _task(self) -> str:
        return self._chance.choice(self._tasks)

    def _note(self) -> str:
        return f"{self._name}, {self._steps}"

    def _instant(self, most_minutes: int = 6 * 24 * 60) -> datetime:
        return self._began + timedelta(minutes=self._chance.randrange(most_minutes))

    def _entry(self) -> tuple[str, str, EntryState]:
        """An entry, a task that it may well be in, and what was told of it last."""
        entry_id = self._chance.choice(list(self._ledger.told))
        told = max(self._ledger.told[entry_id], key=lambda told: told.changed_at)
        return entry_id, told.task_id, told

    def _span(self) -> Json:
        start = self._instant()
        return {"started_at": text(start), "ended_at": text(start + timedelta(minutes=self._chance.randint(1, 200)))}

    def _create(self) -> tuple[SentRequest, str, str]:
        body = {**self._span(), "note": self._note()}
        return SentRequest("create", body), "POST", f"/tasks/{self._task()}/time-entries"

    def _start(self) -> tuple[SentRequest, str, str]:
        body: Json = {"task_id": self._task(), "note": self._note()}
        if self._chance.random() < 0.7:
            body["started_at"] = text(self._instant())
        return SentRequest("start", body), "POST", "/timer/start"

    def _stop(self) -> tuple[SentRequest, str, str]:
        body = {"ended_at": text(self._instant(9 * 24 * 60))} if self._chance.random() < 0.5 else {}
        return SentRequest("stop", body), "POST", "/timer/stop"

    def _switch(self) -> tuple[SentRequest, str, str]:
        body: Json = {"task_id": self._task(), "note": self._note()}
        if self._chance.random() < 0.5:
            body["at"] = text(self._instant(9 * 24 * 60))
        return SentRequest("switch", body), "POST", "/timer/switch"

    def _resume(self) -> tuple[SentRequest, str, str]:
        return SentRequest("resume", {}), "POST", "/timer/resume"

    def _correct(self) -> tuple[SentRequest, str, str]:
        return SentRequest("correct", {"note": self._note()}), "PATCH", "/timer"

    def _discard(self) -> tuple[SentRequest, str, str]:
        return SentRequest("discard", {}), "DELETE", "/timer"

    def _patch(self) -> tuple[SentRequest, str, str]:
        entry_id, task_id, _ = self._entry()
        body = {**self._span(), "note": self._note()}
        return SentRequest("patch", body, entry_id), "PATCH", f"/tasks/{task_id}/time-entries/{entry_id}"

    def _delete(self) -> tuple[SentRequest, str, str]:
        entry_id, task_id, _ = self._entry()
        return SentRequest("delete", {}, entry_id), "DELETE", f"/tasks/{task_id}/time-entries/{entry_id}"

    def _restore(self) -> tuple[SentRequest, str, str]:
        entry_id, _, _ = self._entry()
        return SentRequest("restore", {}, entry_id), "POST", f"/time-entries/{entry_id}/restore"

    def _split(self) -> tuple[SentRequest, str, str]:
        entry_id, task_id, told = self._entry()
        at = datetime.fromisoformat(told.started_at) + timedelta(seconds=self._chance.randint(1, 600))
        path = f"/tasks/{task_id}/time-entries/{entry_id}/split"
        return SentRequest("split", {"at": text(at)}, entry_id), "POST", path

    def _move(self) -> tuple[SentRequest, str, str]:
        entry_id, task_id, _ = self._entry()
        path = f"/tasks/{task_id}/time-entries/{entry_id}/move"
        return SentRequest("move", {"task_id": self._task()}, entry_id), "POST", path

    def _make(self) -> tuple[SentRequest, str, str]:
        return SentRequest("make", {"title": self._note()}), "POST", "/tasks"

    def _complete(self) -> tuple[SentRequest, str, str]:
        return SentRequest("complete", {"status": "completed"}), "PATCH", f"/tasks/{self._task()}"

    def _rename(self) -> tuple[SentRequest, str, str]:
        return SentRequest("rename", {"title": self._note()}), "PATCH", f"/tasks/{self._task()}"

    def _trash(self) -> tuple[SentRequest, str, str]:
        return SentRequest("trash", {}), "DELETE", f"/tasks/{self._task()}"

    def _untrash(self) -> tuple[SentRequest, str, str]:
        return SentRequest("untrash", {}), "POST", f"/tasks/{self._task()}/restore"


WEIGHTS = {
    "create": 8,
    "start": 10,
    "stop": 8,
    "switch": 8,
    "resume": 3,
    "correct": 3,
    "discard": 3,
    "patch": 10,
    "delete": 6,
    "restore": 8,
    "split": 10,
    "move": 10,
    "make": 2,
    "complete": 2,
    "rename": 2,
    "trash": 1,
    "untrash": 6,
}
"""The relative frequency of each request. More tasks are restored than moved to the trash."""


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def always() -> bool:
    """Return True."""
    return True


async def mix(
    clients: Sequence[Client],
    tasks: list[str],
    ledger: Ledger,
    *,
    seed: str,
    hands: int,
    steps: int,
    go_on: Callable[[], bool] = always,
) -> None:
    """Run `hands` concurrent senders with `steps` requests each, which share the clients."""
    workers = [Hand(clients[number % len(clients)], tasks, ledger, f"{seed}.{number}") for number in range(hands)]
    await asyncio.gather(*(worker.work(steps, go_on) for worker in workers))
