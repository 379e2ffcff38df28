"""A mixed load: many clients send random requests about the same few tasks at once."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import httpx

from app.clock import truncate_to_seconds, utc_now
from tests.races.ledger import EntryState, Ledger, SentRequest
from tests.support.http import Client, Json

ENTRY_REQUESTS = ("delete", "split", "move", "patch", "restore")
TASK_REQUESTS = ("create_task", "complete_task", "rename_task", "delete_task", "restore_task")


class Sender:
    """Sends random requests one after another."""

    def __init__(self, client: Client, tasks: list[str], ledger: Ledger, seed: str) -> None:
        self._client = client
        self._tasks = tasks
        self._ledger = ledger
        self._random = random.Random(seed)
        self._name = seed
        self._steps = 0
        self._began = truncate_to_seconds(utc_now()) - timedelta(days=9)
        self._kinds: dict[str, Callable[[], tuple[SentRequest, str, str]]] = {
            kind: getattr(self, f"_{kind}") for kind in WEIGHTS
        }

    async def work(self, steps: int, should_continue: Callable[[], bool]) -> None:
        """Send `steps` requests. Stop early when the connection breaks or `should_continue` returns False."""
        for _ in range(steps):
            if not should_continue() or not await self._step():
                return

    async def _step(self) -> bool:
        self._steps += 1
        (kind,) = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if kind in ENTRY_REQUESTS and not self._ledger.entries:
            kind = "create"
        request, method, path = self._kinds[kind]()
        if kind not in TASK_REQUESTS:
            path += f"?overlap={self._random.choice(['allow', 'warn', 'forbid'])}"
        self._ledger.record_request(request)
        try:
            response = await self._client.request(method, path, json=request.body or None)
        except httpx.TransportError:
            self._ledger.record_broken_connection(request)
            return False
        self._ledger.record_response(request, response)
        return True

    def _task(self) -> str:
        return self._random.choice(self._tasks)

    def _note(self) -> str:
        return f"{self._name}, {self._steps}"

    def _instant(self, max_minutes: int = 6 * 24 * 60) -> datetime:
        return self._began + timedelta(minutes=self._random.randrange(max_minutes))

    def _entry(self) -> tuple[str, str, EntryState]:
        """Return the id of an entry, the task of its last response, and its state in that response."""
        entry_id = self._random.choice(list(self._ledger.entries))
        state = max(self._ledger.entries[entry_id], key=lambda state: state.changed_at)
        return entry_id, state.task_id, state

    def _time_range(self) -> Json:
        start = self._instant()
        return {
            "started_at": to_text(start),
            "ended_at": to_text(start + timedelta(minutes=self._random.randint(1, 200))),
        }

    def _create(self) -> tuple[SentRequest, str, str]:
        body = {**self._time_range(), "note": self._note()}
        return SentRequest("create", body), "POST", f"/tasks/{self._task()}/time-entries"

    def _start(self) -> tuple[SentRequest, str, str]:
        body: Json = {"task_id": self._task(), "note": self._note()}
        if self._random.random() < 0.7:
            body["started_at"] = to_text(self._instant())
        return SentRequest("start", body), "POST", "/timer/start"

    def _stop(self) -> tuple[SentRequest, str, str]:
        body = {"ended_at": to_text(self._instant(9 * 24 * 60))} if self._random.random() < 0.5 else {}
        return SentRequest("stop", body), "POST", "/timer/stop"

    def _switch(self) -> tuple[SentRequest, str, str]:
        body: Json = {"task_id": self._task(), "note": self._note()}
        if self._random.random() < 0.5:
            body["at"] = to_text(self._instant(9 * 24 * 60))
        return SentRequest("switch", body), "POST", "/timer/switch"

    def _resume(self) -> tuple[SentRequest, str, str]:
        return SentRequest("resume", {}), "POST", "/timer/resume"

    def _correct(self) -> tuple[SentRequest, str, str]:
        return SentRequest("correct", {"note": self._note()}), "PATCH", "/timer"

    def _discard(self) -> tuple[SentRequest, str, str]:
        return SentRequest("discard", {}), "DELETE", "/timer"

    def _patch(self) -> tuple[SentRequest, str, str]:
        entry_id, task_id, _ = self._entry()
        body = {**self._time_range(), "note": self._note()}
        return SentRequest("patch", body, entry_id), "PATCH", f"/tasks/{task_id}/time-entries/{entry_id}"

    def _delete(self) -> tuple[SentRequest, str, str]:
        entry_id, task_id, _ = self._entry()
        return SentRequest("delete", {}, entry_id), "DELETE", f"/tasks/{task_id}/time-entries/{entry_id}"

    def _restore(self) -> tuple[SentRequest, str, str]:
        entry_id, _, _ = self._entry()
        return SentRequest("restore", {}, entry_id), "POST", f"/time-entries/{entry_id}/restore"

    def _split(self) -> tuple[SentRequest, str, str]:
        entry_id, task_id, state = self._entry()
        at = datetime.fromisoformat(state.started_at) + timedelta(seconds=self._random.randint(1, 600))
        path = f"/tasks/{task_id}/time-entries/{entry_id}/split"
        return SentRequest("split", {"at": to_text(at)}, entry_id), "POST", path

    def _move(self) -> tuple[SentRequest, str, str]:
        entry_id, task_id, _ = self._entry()
        path = f"/tasks/{task_id}/time-entries/{entry_id}/move"
        return SentRequest("move", {"task_id": self._task()}, entry_id), "POST", path

    def _create_task(self) -> tuple[SentRequest, str, str]:
        return SentRequest("create_task", {"title": self._note()}), "POST", "/tasks"

    def _complete_task(self) -> tuple[SentRequest, str, str]:
        return SentRequest("complete_task", {"status": "completed"}), "PATCH", f"/tasks/{self._task()}"

    def _rename_task(self) -> tuple[SentRequest, str, str]:
        return SentRequest("rename_task", {"title": self._note()}), "PATCH", f"/tasks/{self._task()}"

    def _delete_task(self) -> tuple[SentRequest, str, str]:
        return SentRequest("delete_task", {}), "DELETE", f"/tasks/{self._task()}"

    def _restore_task(self) -> tuple[SentRequest, str, str]:
        return SentRequest("restore_task", {}), "POST", f"/tasks/{self._task()}/restore"


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
    "create_task": 2,
    "complete_task": 2,
    "rename_task": 2,
    "delete_task": 1,
    "restore_task": 6,
}
"""The relative frequency of each request. More tasks are restored than moved to the trash."""


def to_text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def always() -> bool:
    """Return True."""
    return True


async def run_mixed_load(
    clients: Sequence[Client],
    tasks: list[str],
    ledger: Ledger,
    *,
    seed: str,
    senders: int,
    steps: int,
    should_continue: Callable[[], bool] = always,
) -> None:
    """Run `senders` concurrent senders with `steps` requests each, which share the clients."""
    all_senders = [
        Sender(clients[number % len(clients)], tasks, ledger, f"{seed}.{number}") for number in range(senders)
    ]
    await asyncio.gather(*(sender.work(steps, should_continue) for sender in all_senders))
