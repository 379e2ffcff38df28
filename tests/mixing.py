"""Many hands on the same few tasks, and a ledger of what each of them was told.

What was acknowledged must be found again, exactly once and as it was told last. A request that came
to no answer was done wholly or not at all.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from bson import ObjectId

from app.clock import rfc3339, to_seconds, utc_now
from tests.support import Client, Json, instant

REFUSALS = {404, 409, 422}
CHANGED_BY_ID = ("delete", "split", "move", "patch", "restore")
OF_TASKS = ("complete", "rename", "trash", "untrash")


@dataclass(frozen=True)
class Told:
    """What an answer said of an entry, or the database says of it."""

    started_at: str
    ended_at: str | None
    duration_seconds: int | None
    note: str | None
    updated_at: str = field(compare=False)
    task_id: str = field(compare=False)

    @classmethod
    def of(cls, entry: Json) -> "Told":
        return cls(**{name: entry[name] for name in cls.__dataclass_fields__})

    @property
    def changed_at(self) -> datetime:
        return instant(self.updated_at)


@dataclass(frozen=True)
class Sent:
    """A request that was sent, and which entry it was to change or, by its note, to make."""

    kind: str
    body: Json
    entry_id: str | None = None

    @property
    def note(self) -> str | None:
        note: str | None = self.body.get("note")
        return note


@dataclass
class Ledger:
    """What was told of each entry, what came to no answer, and how all the answers ended."""

    told: dict[str, set[Told]] = field(default_factory=dict)
    unanswered: list[Sent] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)

    def keep(self, sent: Sent, answer: httpx.Response) -> None:
        """Remembers an answer. One of 503 may have been given before or after the work."""
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            assert "Too many changes" in answer.json()["detail"], answer.text
            self.unanswered.append(sent)
            return
        if answer.is_error:
            assert answer.status_code in REFUSALS, (sent, answer.text)
            return
        self.done[sent.kind] += 1
        for entry in entries_in(answer.json() if answer.content else None):
            self.told.setdefault(entry["id"], set()).add(Told.of(entry))

    def compare(self, stored: dict[str, Told]) -> None:
        """Fails unless what is stored is what was told, but for what came to no answer."""
        assert self.told.keys() <= stored.keys(), "an entry that was acknowledged is lost"
        for entry_id, found in stored.items():
            if entry_id in self.told:
                self._compare_known(entry_id, found, stored)
            else:
                self._compare_unknown(entry_id, found)
        self.told = {entry_id: {found} for entry_id, found in stored.items()}
        self.unanswered = []

    def _compare_known(self, entry_id: str, found: Told, stored: dict[str, Told]) -> None:
        newest = max(told.changed_at for told in self.told[entry_id])
        last = {told for told in self.told[entry_id] if told.changed_at == newest}
        touching = [sent for sent in self.unanswered if sent.entry_id == entry_id]
        if len(touching) == 1 and touching[0].kind == "split":
            self._compare_split(touching[0], entry_id, found, next(iter(last)), stored)
        elif found not in last:
            running = [told for told in last if told.ended_at is None]
            place = (entry_id, found, last, touching)
            assert touching or running, place
            if len(touching) == 1 and not running:
                (sent,) = touching
                assert sent.kind == "patch", place
                assert {**sent.body, "started_at": found.started_at, "ended_at": found.ended_at} == sent.body, place
                assert found.note == sent.note, place
            if running and not touching:  # completing, trashing and discarding end it without showing it
                assert found.started_at in {told.started_at for told in running}, place
                assert found.note in {told.note for told in running} | {sent.note for sent in self.unanswered}, place

    def _compare_split(self, sent: Sent, first_id: str, found: Told, last: Told, stored: dict[str, Told]) -> None:
        """Both halves stand there, or the whole does."""
        seconds = [
            other
            for other_id, other in stored.items()
            if other_id not in self.told and (other.started_at, other.note) == (sent.body["at"], last.note)
        ]
        # What ran when it was told of last has ended since, when it was completed or trashed.
        if seconds:
            assert (found.started_at, found.ended_at) == (last.started_at, sent.body["at"])
            assert len(seconds) == 1, (first_id, "is doubled in part")
            assert last.ended_at in {None, seconds[0].ended_at}, (first_id, "has lost a part of its second half")
        else:
            assert last.ended_at in {None, found.ended_at}, (first_id, "has lost its second half")

    def _compare_unknown(self, entry_id: str, found: Told) -> None:
        """Nobody was told of it: then it is what some request without an answer has made, and whole."""
        makers = [sent for sent in self.unanswered if sent.kind in {"create", "start", "switch", "resume", "split"}]
        assert any(self._may_have_made(sent, found) for sent in makers), (entry_id, found, makers)

    def _may_have_made(self, sent: Sent, found: Told) -> bool:
        if sent.kind == "create":
            span = (sent.body["started_at"], sent.body["ended_at"])
            return sent.note == found.note and span == (found.started_at, found.ended_at)
        if sent.kind == "split":
            return bool(sent.body["at"] == found.started_at)
        return sent.kind == "resume" or sent.note == found.note


def entries_in(body: object) -> Iterator[Json]:
    """Every entry in an answer, wherever it stands, but for those that an overlap names."""
    if isinstance(body, dict):
        if {"started_at", "updated_at"} <= body.keys():
            yield body
        for name, value in body.items():
            if name != "overlaps":
                yield from entries_in(value)


def stored_entries(tasks: Iterable[Json], deleted: Iterable[Json]) -> dict[str, Told]:
    """Every entry, each in one place alone: in a task, running or ended, or among the deleted ones."""
    rows = []
    for task in tasks:
        entries = [*task["time_entries"], *([task["active"]] if "active" in task else [])]
        rows += [(task["_id"], entry) for entry in entries]
    rows += [(gone["task_id"], gone["entry"]) for gone in deleted]
    found = {str(entry["id"]): Told.of(_as_told(task_id, entry)) for task_id, entry in rows}
    assert len(found) == len(rows), "an entry stands in two places"
    return found


def _as_told(task_id: ObjectId, entry: Json) -> Json:
    told = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in entry.items()}
    return {**told, "task_id": str(task_id)}


class Hand:
    """Somebody who does one thing after the other, all by chance."""

    def __init__(self, client: Client, tasks: list[str], ledger: Ledger, seed: str) -> None:
        self._client = client
        self._tasks = tasks
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._name = seed
        self._steps = 0
        self._began = to_seconds(utc_now()) - timedelta(days=9)
        self._kinds: dict[str, Callable[[], tuple[Sent, str, str]]] = {
            kind: getattr(self, f"_{kind}") for kind in WEIGHTS
        }

    async def work(self, steps: int, each: Callable[[], object]) -> None:
        """So many steps, or until the service dies; `each` is called before each of them."""
        for _ in range(steps):
            each()
            if not await self._step():
                return

    async def _step(self) -> bool:
        self._steps += 1
        (kind,) = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if kind in CHANGED_BY_ID and not self._ledger.told:
            kind = "create"
        sent, method, path = self._kinds[kind]()
        if kind not in OF_TASKS:
            path += f"?overlap={self._chance.choice(['allow', 'warn', 'forbid'])}"
        try:
            answer = await self._client.request(method, path, json=sent.body or None)
        except httpx.TransportError:
            self._ledger.unanswered.append(sent)
            return False
        self._ledger.keep(sent, answer)
        return True

    def _task(self) -> str:
        return self._chance.choice(self._tasks)

    def _note(self) -> str:
        return f"{self._name}, {self._steps}"

    def _instant(self, most_minutes: int = 6 * 24 * 60) -> datetime:
        return self._began + timedelta(minutes=self._chance.randrange(most_minutes))

    def _entry(self) -> tuple[str, str, Told]:
        """An entry, a task that it may well be in, and what was told of it last."""
        entry_id = self._chance.choice(list(self._ledger.told))
        told = max(self._ledger.told[entry_id], key=lambda told: told.changed_at)
        return entry_id, told.task_id, told

    def _span(self) -> Json:
        start = self._instant()
        return {"started_at": text(start), "ended_at": text(start + timedelta(minutes=self._chance.randint(1, 200)))}

    def _create(self) -> tuple[Sent, str, str]:
        body = {**self._span(), "note": self._note()}
        return Sent("create", body), "POST", f"/tasks/{self._task()}/time-entries"

    def _start(self) -> tuple[Sent, str, str]:
        body: Json = {"task_id": self._task(), "note": self._note()}
        if self._chance.random() < 0.7:
            body["started_at"] = text(self._instant())
        return Sent("start", body), "POST", "/timer/start"

    def _stop(self) -> tuple[Sent, str, str]:
        body = {"ended_at": text(self._instant(9 * 24 * 60))} if self._chance.random() < 0.5 else {}
        return Sent("stop", body), "POST", "/timer/stop"

    def _switch(self) -> tuple[Sent, str, str]:
        body: Json = {"task_id": self._task(), "note": self._note()}
        if self._chance.random() < 0.5:
            body["at"] = text(self._instant(9 * 24 * 60))
        return Sent("switch", body), "POST", "/timer/switch"

    def _resume(self) -> tuple[Sent, str, str]:
        return Sent("resume", {}), "POST", "/timer/resume"

    def _correct(self) -> tuple[Sent, str, str]:
        return Sent("correct", {"note": self._note()}), "PATCH", "/timer"

    def _discard(self) -> tuple[Sent, str, str]:
        return Sent("discard", {}), "DELETE", "/timer"

    def _patch(self) -> tuple[Sent, str, str]:
        entry_id, task_id, _ = self._entry()
        body = {**self._span(), "note": self._note()}
        return Sent("patch", body, entry_id), "PATCH", f"/tasks/{task_id}/time-entries/{entry_id}"

    def _delete(self) -> tuple[Sent, str, str]:
        entry_id, task_id, _ = self._entry()
        return Sent("delete", {}, entry_id), "DELETE", f"/tasks/{task_id}/time-entries/{entry_id}"

    def _restore(self) -> tuple[Sent, str, str]:
        entry_id, _, _ = self._entry()
        return Sent("restore", {}, entry_id), "POST", f"/time-entries/{entry_id}/restore"

    def _split(self) -> tuple[Sent, str, str]:
        entry_id, task_id, told = self._entry()
        at = datetime.fromisoformat(told.started_at) + timedelta(seconds=self._chance.randint(1, 600))
        path = f"/tasks/{task_id}/time-entries/{entry_id}/split"
        return Sent("split", {"at": text(at)}, entry_id), "POST", path

    def _move(self) -> tuple[Sent, str, str]:
        entry_id, task_id, _ = self._entry()
        path = f"/tasks/{task_id}/time-entries/{entry_id}/move"
        return Sent("move", {"task_id": self._task()}, entry_id), "POST", path

    def _complete(self) -> tuple[Sent, str, str]:
        return Sent("complete", {"status": "completed"}), "PATCH", f"/tasks/{self._task()}"

    def _rename(self) -> tuple[Sent, str, str]:
        return Sent("rename", {"title": self._note()}), "PATCH", f"/tasks/{self._task()}"

    def _trash(self) -> tuple[Sent, str, str]:
        return Sent("trash", {}), "DELETE", f"/tasks/{self._task()}"

    def _untrash(self) -> tuple[Sent, str, str]:
        return Sent("untrash", {}), "POST", f"/tasks/{self._task()}/restore"


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
    "complete": 2,
    "rename": 2,
    "trash": 1,
    "untrash": 6,
}
"""How often a hand does what. The trash is emptied faster than it is filled."""


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def nothing() -> None:
    """What is done before each step where nothing is to be done."""


async def mix(
    client: Client,
    tasks: list[str],
    ledger: Ledger,
    *,
    seed: str,
    hands: int,
    steps: int,
    each: Callable[[], object] = nothing,
) -> None:
    """So many hands at once, each with so many requests, or until the service dies."""
    workers = [Hand(client, tasks, ledger, f"{seed}.{number}") for number in range(hands)]
    await asyncio.gather(*(worker.work(steps, each) for worker in workers))
