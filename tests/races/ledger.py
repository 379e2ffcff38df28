"""The record of all responses to a mixed load, and its comparison with the database.

Every acknowledged write must be stored exactly once, as in the last response. A request without a response must have
been done completely or not at all.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import httpx
from bson import ObjectId

from app.clock import rfc3339
from services.common.concurrency import TOO_MANY_CONFLICTS
from tests.support.http import Json, instant, problem

REFUSALS = {404, 409, 422}


@dataclass(frozen=True)
class EntryState:
    """A time entry as a response or the database contains it."""

    started_at: str
    ended_at: str | None
    duration_seconds: int | None
    note: str | None
    updated_at: str = field(compare=False)
    task_id: str = field(compare=False)

    @classmethod
    def of(cls, entry: Json) -> "EntryState":
        return cls(**{name: entry[name] for name in cls.__dataclass_fields__})

    @property
    def changed_at(self) -> datetime:
        return instant(self.updated_at)


@dataclass(frozen=True)
class TaskState:
    """A version of a task as a response or the database contains it."""

    version: int
    title: str
    status: str
    trashed: bool

    @classmethod
    def of(cls, task: Json) -> "TaskState":
        return cls(task["version"], task["title"], task["status"], trashed=task.get("deleted_at") is not None)


@dataclass
class Stored:
    """All tasks and entries in the database."""

    tasks: dict[str, TaskState]
    entries: dict[str, EntryState]
    deleted: set[str]

    @classmethod
    def of(cls, tasks: Iterable[Json], deleted: Iterable[Json]) -> "Stored":
        """Collect all entries. Each must be stored once: in a task, running or ended, or among the deleted entries."""
        tasks, deleted = list(tasks), list(deleted)
        rows = [(gone["task_id"], gone["entry"]) for gone in deleted]
        for task in tasks:
            entries = [*task["time_entries"], *([task["active"]] if "active" in task else [])]
            rows += [(task["_id"], entry) for entry in entries]
        found = {str(entry["id"]): EntryState.of(_to_response_values(task_id, entry)) for task_id, entry in rows}
        assert len(found) == len(rows), "an entry is stored twice"
        known = {str(task["_id"]): TaskState.of(task) for task in tasks}
        return cls(known, found, {str(gone["entry"]["id"]) for gone in deleted})


def _to_response_values(task_id: ObjectId, entry: Json) -> Json:
    told = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in entry.items()}
    return {**told, "task_id": str(task_id)}


@dataclass(frozen=True)
class SentRequest:
    """A request, with the entry that it changes, or the note of the entry that it creates."""

    kind: str
    body: Json
    entry_id: str | None = None

    @property
    def note(self) -> str | None:
        note: str | None = self.body.get("note")
        return note


@dataclass
class Ledger:
    """The contents of all responses, the requests without a response, and the counts of statuses."""

    told: dict[str, set[EntryState]] = field(default_factory=dict)
    tasks: dict[str, dict[int, TaskState | None]] = field(default_factory=dict)
    """By version; of some versions it was told that there are, and no more."""
    gone: dict[str, bool] = field(default_factory=dict)
    """Whether an entry was deleted or restored last, where no two requests about it crossed."""
    unanswered: list[SentRequest] = field(default_factory=list)
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

    def send(self, sent: SentRequest) -> None:
        """Remembers that a request is under way."""
        self.tried += 1
        if sent.entry_id is not None:
            self._under_way[sent.entry_id] += 1
            if self._under_way[sent.entry_id] > 1:
                self._crossed.add(sent.entry_id)

    def miss(self, sent: SentRequest) -> None:
        """Remembers that no answer came."""
        self.broken += 1
        self._leave_open(sent)

    def keep(self, sent: SentRequest, answer: httpx.Response) -> None:
        """Remembers an answer. One of 503 may have been given before or after the work."""
        self.answers[answer.status_code] += 1
        if answer.status_code == 503:
            told = problem(answer, 503, "database_unavailable")["detail"]
            assert self.store_may_be_away or told == TOO_MANY_CONFLICTS, answer.text
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
            self.told.setdefault(entry["id"], set()).add(EntryState.of(entry))
        if "title" in body:
            self.tasks.setdefault(body["id"], {})[body["version"]] = TaskState.of(body)
        elif "task_id" in body and "etag" in answer.headers:
            versions = self.tasks.setdefault(body["task_id"], {})
            versions.setdefault(int(answer.headers["etag"].strip('"')), None)

    def _leave_open(self, sent: SentRequest) -> None:
        self.unanswered.append(sent)
        if sent.entry_id is not None:
            self._crossed.add(sent.entry_id)  # until the next look nobody knows where it stands
            self.gone.pop(sent.entry_id, None)

    def _arrive(self, sent: SentRequest, *, done: bool) -> None:
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

    def _compare_task(self, found: TaskState, told: dict[int, TaskState | None]) -> None:
        """It is no older than any answer about it, and has the title that it was given last."""
        assert found.version >= max(told, default=0), (found, told, "a change that was acknowledged is lost")
        assert told.get(found.version) in {None, found}, (found, told)
        whole = [task for task in told.values() if task is not None]
        titles = {sent.body["title"] for sent in self.unanswered if sent.kind in {"make", "rename"}}
        if whole:
            titles.add(max(whole, key=lambda task: task.version).title)
        assert found.title in titles, (found, told, titles)

    def _compare_known(self, entry_id: str, found: EntryState, stored: dict[str, EntryState]) -> None:
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

    def _compare_split(
        self, sent: SentRequest, first_id: str, found: EntryState, last: EntryState, stored: dict[str, EntryState]
    ) -> None:
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

    def _compare_unknown(self, entry_id: str, found: EntryState) -> None:
        """Nobody was told of it: then it is what some request without an answer has made, and whole."""
        makers = [sent for sent in self.unanswered if sent.kind in {"create", "start", "switch", "resume", "split"}]
        assert any(self._may_have_made(sent, found) for sent in makers), (entry_id, found, makers)

    def _may_have_made(self, sent: SentRequest, found: EntryState) -> bool:
        if sent.kind == "create":
            span = (sent.body["started_at"], sent.body["ended_at"])
            return sent.note == found.note and span == (found.started_at, found.ended_at)
        if sent.kind == "split":
            return bool(sent.body["at"] == found.started_at)
        return sent.kind == "resume" or sent.note == found.note


def entries_in(body: object) -> Iterator[Json]:
    """Return every entry in a response, except those in lists of overlaps."""
    if isinstance(body, dict):
        if {"started_at", "updated_at"} <= body.keys():
            yield body
        for name, value in body.items():
            if name != "overlaps":
                yield from entries_in(value)
