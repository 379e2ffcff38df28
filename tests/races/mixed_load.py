"""Many hands on the same few tasks, and a ledger of what each of them was told of tasks and entries.

What was acknowledged must be found again, exactly once and as it was told last. A request that came
to no answer was done wholly or not at all.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from bson import ObjectId

from app.clock import rfc3339, truncate_to_seconds, utc_now
from tests.support.http import Client, Json, instant, problem

REFUSALS = {404, 409, 422}
CHANGED_BY_ID = ("delete", "split", "move", "patch", "restore")
OF_TASKS = ("make", "complete", "rename", "trash", "untrash")


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
class ToldTask:
    """What an answer said of a task at one of its versions, or the database says of it."""

    version: int
    title: str
    status: str
    trashed: bool

    @classmethod
    def of(cls, task: Json) -> "ToldTask":
        return cls(task["version"], task["title"], task["status"], trashed=task.get("deleted_at") is not None)


@dataclass
class Stored:
    """What the database says of all tasks and entries."""

    tasks: dict[str, ToldTask]
    entries: dict[str, Told]
    deleted: set[str]

    @classmethod
    def of(cls, tasks: Iterable[Json], deleted: Iterable[Json]) -> "Stored":
        """Every entry, each in one place alone: in a task, running or ended, or among the deleted ones."""
        tasks, deleted = list(tasks), list(deleted)
        rows = [(gone["task_id"], gone["entry"]) for gone in deleted]
        for task in tasks:
            entries = [*task["time_entries"], *([task["active"]] if "active" in task else [])]
            rows += [(task["_id"], entry) for entry in entries]
        found = {str(entry["id"]): Told.of(_as_told(task_id, entry)) for task_id, entry in rows}
        assert len(found) == len(rows), "an entry stands in two places"
        known = {str(task["_id"]): ToldTask.of(task) for task in tasks}
        return cls(known, found, {str(gone["entry"]["id"]) for gone in deleted})


def _as_told(task_id: ObjectId, entry: Json) -> Json:
    told = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in entry.items()}
    return {**told, "task_id": str(task_id)}


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
    """What was told of each task and entry, what came to no answer, and how all the answers ended."""

    told: dict[str, set[Told]] = field(default_factory=dict)
    tasks: dict[str, dict[int, ToldTask | None]] = field(default_factory=dict)
    """By version; of some versions it was told that there are, and no more."""
    gone: dict[str, bool] = field(default_factory=dict)
    """Whether an entry was deleted or restored last, where no two requests about it crossed."""
    unanswered: list[Sent] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    tried: int = 0
    refused: int = 0
    broken: int = 0
    store_may_be_away: bool = False
    """Then 503 says so, too."""
    lost: list[str] = field(default_factory=list)
    done_in_part: list[str] = field(default_factory=list)
    _under_way: Counter[str] = field(default_factory=Counter)
    _crossed: set[str] = field(default_factory=set)

    def send(self, sent: Sent) -> None:
        """Remembers that a request is under way."""
        self.tried += 1
        if sent.entry_id is not None:
            self._under_way[sent.entry_id] += 1
            if self._under_way[sent.entry_id] > 1:
                self._crossed.add(sent.entry_id)

    def miss(self, sent: Sent) -> None:
        """Remembers that no answer came."""
        self.broken += 1
        self._leave_open(sent)

    def keep(self, sent: Sent, answer: httpx.Response) -> None:
        """Remembers an answer. One of 503 may have been given before or after the work."""
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            told = problem(answer, 503, "database_unavailable")["detail"]
            assert self.store_may_be_away or "Too many changes" in told, answer.text
            self._leave_open(sent)
            return
        if answer.is_error:
            assert answer.status_code in REFUSALS, (sent, answer.text)
            self.refused += 1
        else:
            self.done[sent.kind] += 1
            self.believe(answer)
        self._arrive(sent, done=not answer.is_error)

    def believe(self, answer: httpx.Response) -> None:
        body = answer.json() if answer.content else {}
        for entry in entries_in(body):
            self.told.setdefault(entry["id"], set()).add(Told.of(entry))
        if "title" in body:
            self.tasks.setdefault(body["id"], {})[body["version"]] = ToldTask.of(body)
        elif "task_id" in body and "etag" in answer.headers:
            versions = self.tasks.setdefault(body["task_id"], {})
            versions.setdefault(int(answer.headers["etag"].strip('"')), None)

    def _leave_open(self, sent: Sent) -> None:
        self.unanswered.append(sent)
        if sent.entry_id is not None:
            self._crossed.add(sent.entry_id)  # until the next look nobody knows where it stands
            self.gone.pop(sent.entry_id, None)

    def _arrive(self, sent: Sent, *, done: bool) -> None:
        if sent.entry_id is None:
            return
        self._under_way[sent.entry_id] -= 1
        if sent.entry_id in self._crossed:
            self.gone.pop(sent.entry_id, None)
            if not self._under_way[sent.entry_id]:
                self._crossed.discard(sent.entry_id)
        elif done and sent.kind in {"delete", "restore"}:
            self.gone[sent.entry_id] = sent.kind == "delete"

    def compare(self, stored: Stored) -> None:
        """Fails unless what is stored is what was told, but for what came to no answer."""
        self.lost += [f"entry {entry_id} is lost" for entry_id in self.told.keys() - stored.entries.keys()]
        self.lost += [f"task {task_id} is lost" for task_id in self.tasks.keys() - stored.tasks.keys()]
        for entry_id, found in stored.entries.items():
            if entry_id in self.told:
                with self._counting(self.lost):
                    self._compare_known(entry_id, found, stored.entries)
            else:
                with self._counting(self.done_in_part):
                    self._compare_unknown(entry_id, found)
        for entry_id, gone in self.gone.items():
            with self._counting(self.lost):
                assert (entry_id in stored.deleted) == gone, (entry_id, "is not where it was told to be")
        for task_id, task in stored.tasks.items():
            with self._counting(self.lost):
                self._compare_task(task, self.tasks.get(task_id, {}))
        assert self.lost == [], "what was acknowledged is not there as it was told last"
        assert self.done_in_part == [], "what came to no answer was done, but not as a whole"
        self._believe_stored(stored)

    @contextmanager
    def _counting(self, wrong: list[str]) -> Iterator[None]:
        """What fails inside is counted, and the next is looked at."""
        try:
            yield
        except AssertionError as failure:
            wrong.append(str(failure))

    def _believe_stored(self, stored: Stored) -> None:
        self.told = {entry_id: {found} for entry_id, found in stored.entries.items()}
        self.tasks = {task_id: {task.version: task} for task_id, task in stored.tasks.items()}
        ended = {entry_id for entry_id, found in stored.entries.items() if found.ended_at is not None}
        self.gone = {entry_id: entry_id in stored.deleted for entry_id in ended}  # a timer is discarded by no name
        self.unanswered = []
        self._under_way.clear()
        self._crossed.clear()

    def _compare_task(self, found: ToldTask, told: dict[int, ToldTask | None]) -> None:
        """It is no older than any answer about it, and has the title that it was given last."""
        assert found.version >= max(told, default=0), (found, told, "a change that was acknowledged is lost")
        assert told.get(found.version) in {None, found}, (found, told)
        whole = [task for task in told.values() if task is not None]
        titles = {sent.body["title"] for sent in self.unanswered if sent.kind in {"make", "rename"}}
        if whole:
            titles.add(max(whole, key=lambda task: task.version).title)
        assert found.title in titles, (found, told, titles)

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


class Hand:
    """Somebody who does one thing after the other, all by chance."""

    def __init__(self, client: Client, tasks: list[str], ledger: Ledger, seed: str) -> None:
        self._client = client
        self._tasks = tasks
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._name = seed
        self._steps = 0
        self._began = truncate_to_seconds(utc_now()) - timedelta(days=9)
        self._kinds: dict[str, Callable[[], tuple[Sent, str, str]]] = {
            kind: getattr(self, f"_{kind}") for kind in WEIGHTS
        }

    async def work(self, steps: int, go_on: Callable[[], bool]) -> None:
        """So many steps, or until the service dies, or is to be left alone: `go_on` is asked before each of them."""
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

    def _make(self) -> tuple[Sent, str, str]:
        return Sent("make", {"title": self._note()}), "POST", "/tasks"

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
    "make": 2,
    "complete": 2,
    "rename": 2,
    "trash": 1,
    "untrash": 6,
}
"""How often a hand does what. The trash is emptied faster than it is filled."""


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def always() -> bool:
    """Nothing is in the way of the next step."""
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
    """So many hands at once, each with so many requests, or until the service dies. They share the clients."""
    workers = [Hand(clients[number % len(clients)], tasks, ledger, f"{seed}.{number}") for number in range(hands)]
    await asyncio.gather(*(worker.work(steps, go_on) for worker in workers))
