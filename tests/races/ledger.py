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

REJECTION_STATUSES = {404, 409, 422}


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
    is_deleted: bool

    @classmethod
    def of(cls, task: Json) -> "TaskState":
        return cls(task["version"], task["title"], task["status"], is_deleted=task.get("deleted_at") is not None)


@dataclass
class Stored:
    """All tasks and entries in the database, and the number of pages that the tasks list."""

    tasks: dict[str, TaskState]
    entries: dict[str, EntryState]
    deleted: set[str]
    pages: int

    @classmethod
    def of(cls, tasks: Iterable[Json], pages: Iterable[Json], deleted: Iterable[Json]) -> "Stored":
        """Collect all entries.

        Each must be stored once: in a task, running or ended, in a page that a task lists, or among the deleted
        entries.
        """
        tasks, deleted = list(tasks), list(deleted)
        rows = [(row["task_id"], row["entry"]) for row in deleted]
        page_entries = {page["_id"]: page["entries"] for page in pages}
        for task in tasks:
            paged = [entry for page_id in task.get("pages") or [] for entry in page_entries[page_id]]
            entries = [*paged, *task["time_entries"], *([task["active"]] if "active" in task else [])]
            rows += [(task["_id"], entry) for entry in entries]
        states = {str(entry["id"]): EntryState.of(_to_response_values(task_id, entry)) for task_id, entry in rows}
        assert len(states) == len(rows), "an entry is stored twice"
        task_states = {str(task["_id"]): TaskState.of(task) for task in tasks}
        pages_listed = sum(len(task.get("pages") or []) for task in tasks)
        return cls(task_states, states, {str(row["entry"]["id"]) for row in deleted}, pages_listed)


def _to_response_values(task_id: ObjectId, entry: Json) -> Json:
    values = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in entry.items()}
    return {**values, "task_id": str(task_id)}


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

    entries: dict[str, set[EntryState]] = field(default_factory=dict)
    """All states of each entry in responses."""
    tasks: dict[str, dict[int, TaskState | None]] = field(default_factory=dict)
    """The versions of each task. The state is None where a response contained only the version."""
    deleted: dict[str, bool] = field(default_factory=dict)
    """Whether each entry is deleted. Entries whose last requests were concurrent are missing."""
    unanswered: list[SentRequest] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    rejected: int = 0
    broken: int = 0
    allows_unavailable: bool = False
    """Whether the database may be unavailable, so that a response of 503 is expected."""
    lost: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    _in_progress: Counter[str] = field(default_factory=Counter)
    _concurrent: set[str] = field(default_factory=set)

    def record_request(self, request: SentRequest) -> None:
        """Record that a request is in progress."""
        self.sent += 1
        if request.entry_id is not None:
            self._in_progress[request.entry_id] += 1
            if self._in_progress[request.entry_id] > 1:
                self._concurrent.add(request.entry_id)

    def record_broken_connection(self, request: SentRequest) -> None:
        """Record that a request has no response."""
        self.broken += 1
        self._record_unknown_outcome(request)

    def record_response(self, request: SentRequest, response: httpx.Response) -> None:
        """Record a response. With status 503, the request may have been done or not."""
        self.statuses[response.status_code] += 1
        if response.status_code == 503:
            detail = problem(response, 503, "database_unavailable")["detail"]
            assert self.allows_unavailable or detail == TOO_MANY_CONFLICTS, response.text
            self._record_unknown_outcome(request)
            return
        if response.is_error:
            assert response.status_code in REJECTION_STATUSES, (request, response.text)
            self.rejected += 1
        else:
            self.succeeded[request.kind] += 1
            self.add(response)
        self._record_known_outcome(request, succeeded=not response.is_error)

    def add(self, response: httpx.Response) -> None:
        """Add the task and the entries in a response."""
        body = response.json() if response.content else {}
        for entry in entries_in(body):
            self.entries.setdefault(entry["id"], set()).add(EntryState.of(entry))
        if "title" in body:
            self.tasks.setdefault(body["id"], {})[body["version"]] = TaskState.of(body)
        elif "task_id" in body and "etag" in response.headers:
            versions = self.tasks.setdefault(body["task_id"], {})
            versions.setdefault(int(response.headers["etag"].strip('"')), None)

    def _record_unknown_outcome(self, request: SentRequest) -> None:
        self.unanswered.append(request)
        if request.entry_id is not None:
            self._concurrent.add(request.entry_id)  # until the next comparison, the entry may be deleted or not
            self.deleted.pop(request.entry_id, None)

    def _record_known_outcome(self, request: SentRequest, *, succeeded: bool) -> None:
        if request.entry_id is None:
            return
        self._in_progress[request.entry_id] -= 1
        if request.entry_id in self._concurrent:
            self.deleted.pop(request.entry_id, None)
            if not self._in_progress[request.entry_id]:
                self._concurrent.discard(request.entry_id)
        elif succeeded and request.kind in {"delete", "restore"}:
            self.deleted[request.entry_id] = request.kind == "delete"

    def compare(self, stored: Stored) -> None:
        """Check that all acknowledged writes are stored, and that all other requests were done completely or not."""
        self.lost += [f"entry {entry_id} is lost" for entry_id in self.entries.keys() - stored.entries.keys()]
        self.lost += [f"task {task_id} is lost" for task_id in self.tasks.keys() - stored.tasks.keys()]
        for entry_id, entry in stored.entries.items():
            if entry_id in self.entries:
                with self._collect_failures(self.lost):
                    self._compare_known_entry(entry_id, entry, stored.entries)
            else:
                with self._collect_failures(self.partial):
                    self._compare_unknown_entry(entry_id, entry)
        for entry_id, is_deleted in self.deleted.items():
            with self._collect_failures(self.lost):
                assert (entry_id in stored.deleted) == is_deleted, (entry_id, "was deleted or restored wrongly")
        for task_id, task in stored.tasks.items():
            with self._collect_failures(self.lost):
                self._compare_task(task, self.tasks.get(task_id, {}))
        assert self.lost == [], "acknowledged writes are lost"
        assert self.partial == [], "requests without a response were done in part"
        self._reset_to(stored)

    @contextmanager
    def _collect_failures(self, failures: list[str]) -> Iterator[None]:
        """Add an assertion error to the list, so that the comparison continues."""
        try:
            yield
        except AssertionError as failure:
            failures.append(str(failure))

    def _reset_to(self, stored: Stored) -> None:
        self.entries = {entry_id: {entry} for entry_id, entry in stored.entries.items()}
        self.tasks = {task_id: {task.version: task} for task_id, task in stored.tasks.items()}
        ended = {entry_id for entry_id, entry in stored.entries.items() if entry.ended_at is not None}
        self.deleted = {entry_id: entry_id in stored.deleted for entry_id in ended}  # DELETE /timer names no entry
        self.unanswered = []
        self._in_progress.clear()
        self._concurrent.clear()

    def _compare_task(self, task: TaskState, versions: dict[int, TaskState | None]) -> None:
        """Check that the task is at least as new as in all responses, and that its title is the last one."""
        assert task.version >= max(versions, default=0), (task, versions, "an acknowledged change is lost")
        assert versions.get(task.version) in {None, task}, (task, versions)
        complete = [state for state in versions.values() if state is not None]
        titles = {
            request.body["title"] for request in self.unanswered if request.kind in {"create_task", "rename_task"}
        }
        if complete:
            titles.add(max(complete, key=lambda state: state.version).title)
        assert task.title in titles, (task, versions, titles)

    def _compare_known_entry(self, entry_id: str, entry: EntryState, stored: dict[str, EntryState]) -> None:
        newest = max(state.changed_at for state in self.entries[entry_id])
        last = {state for state in self.entries[entry_id] if state.changed_at == newest}
        requests = [request for request in self.unanswered if request.entry_id == entry_id]
        if len(requests) == 1 and requests[0].kind == "split":
            self._compare_split(requests[0], entry_id, entry, next(iter(last)), stored)
        elif entry not in last:
            running = [state for state in last if state.ended_at is None]
            details = (entry_id, entry, last, requests)
            assert requests or running, details
            if len(requests) == 1 and not running:
                (request,) = requests
                assert request.kind == "patch", details
                times = {"started_at": entry.started_at, "ended_at": entry.ended_at}
                assert {**request.body, **times} == request.body, details
                assert entry.note == request.note, details
            if running and not requests:  # the responses to completing, deleting and discarding have no entry
                assert entry.started_at in {state.started_at for state in running}, details
                notes = {state.note for state in running} | {request.note for request in self.unanswered}
                assert entry.note in notes, details

    def _compare_split(
        self,
        request: SentRequest,
        first_id: str,
        first: EntryState,
        last: EntryState,
        stored: dict[str, EntryState],
    ) -> None:
        """Check that the entry was split completely or not at all."""
        seconds = [
            other
            for other_id, other in stored.items()
            if other_id not in self.entries and (other.started_at, other.note) == (request.body["at"], last.note)
        ]
        # An entry that was running in its last response may have ended since, when its task was completed or deleted.
        if seconds:
            assert (first.started_at, first.ended_at) == (last.started_at, request.body["at"])
            assert len(seconds) == 1, (first_id, "has several second halves")
            assert last.ended_at in {None, seconds[0].ended_at}, (first_id, "has lost a part of its second half")
        else:
            assert last.ended_at in {None, first.ended_at}, (first_id, "has lost its second half")

    def _compare_unknown_entry(self, entry_id: str, entry: EntryState) -> None:
        """Check that a request without a response can have created the entry, completely."""
        creating = {"create", "start", "switch", "resume", "split"}
        requests = [request for request in self.unanswered if request.kind in creating]
        assert any(self._may_have_created(request, entry) for request in requests), (entry_id, entry, requests)

    def _may_have_created(self, request: SentRequest, entry: EntryState) -> bool:
        if request.kind == "create":
            time_range = (request.body["started_at"], request.body["ended_at"])
            return request.note == entry.note and time_range == (entry.started_at, entry.ended_at)
        if request.kind == "split":
            return bool(request.body["at"] == entry.started_at)
        return request.kind == "resume" or request.note == entry.note


def entries_in(body: object) -> Iterator[Json]:
    """Return every entry in a response, except those in lists of overlaps."""
    if isinstance(body, dict):
        if {"started_at", "updated_at"} <= body.keys():
            yield body
        for name, value in body.items():
            if name != "overlaps":
                yield from entries_in(value)
