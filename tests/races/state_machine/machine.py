"""The base of the state machine: requests, their expected responses, and the comparison with the model."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.races.state_machine import model
from tests.races.state_machine.model import Entry, ExpectedErrors, Owner, Task, truncate_to_seconds
from tests.races.state_machine.strategies import FOREIGN, LATER, SOON, UNKNOWN
from tests.support.http import Json


@dataclass
class Service:
    """The service under test, and the number of requests by operation and outcome."""

    base_url: str
    make_token: Callable[[], str]
    stored_entry: Callable[[str], Json]
    take_page_turns: Callable[[], dict[str, int]]
    """Returns how many pages of each task were turned since the last call."""
    assert_feed_matches: Callable[[str], None]
    """Replays the feed of the user with this Authorization header, and compares the result with the API."""
    steps: Counter[str] = field(default_factory=Counter)


class Machine(RuleBasedStateMachine):
    """The requests of two users, the model of each user, and their comparison after each request."""

    service: ClassVar[Service]
    base: datetime
    owners: list[Owner]
    clients: list[httpx.Client]
    user: int
    compared_versions: dict[str, int]

    def send(
        self,
        operation: str,
        request: tuple[str, str],
        body: Json | None = None,
        *,
        policy: str | None = None,
        if_match: tuple[str | None, Task | None] = (None, None),
        expected_errors: ExpectedErrors,
        is_noop: bool = False,
    ) -> httpx.Response | None:
        """Send a request. Returns the response, or None if it is one of the expected errors.

        The service may accept or reject a stale version when the request would change nothing (`is_noop`).
        """
        sent, task = if_match
        version = task.version if task and sent == "right" else 0
        response = self.clients[self.user].request(
            *request,
            params={"overlap": policy} if policy else None,
            headers={"If-Match": f'"{version}"'} if sent else None,
            json=body,
        )
        self.count_page_turns()
        if sent == "stale" and task:
            expected_errors = expected_errors | {model.STALE}
        if response.is_error:
            problem = response.json()
            assert (response.status_code, problem["code"]) in expected_errors, (request, body, expected_errors, problem)
            self.service.steps[f"{operation}: {problem['code']}"] += 1
            if problem["code"] == "overlap":
                self.conflicts = problem["overlaps"]
            return None
        details = (request, body, expected_errors, response.text)
        assert not expected_errors or (is_noop and expected_errors == {model.STALE}), details
        self.service.steps[operation] += 1
        return response

    def count_page_turns(self) -> None:
        """Increment the versions of the tasks whose pages were turned. The model does not know of pages otherwise."""
        for task_id, turns in self.service.take_page_turns().items():
            for owner in self.owners:
                if task_id in owner.tasks:
                    owner.tasks[task_id].version += turns

    def to_text(self, drawn: Any) -> str:
        if isinstance(drawn, timedelta):
            return (self.base + drawn).isoformat()
        ahead = {SOON: timedelta(seconds=30), LATER: timedelta(hours=1)}[drawn]
        return (datetime.now(UTC) + ahead).isoformat()

    def resolve_instant(self, drawn: Any, response_value: str, began: datetime) -> datetime:
        """Return the instant in the response: the drawn one, or the current time if none was sent."""
        instant = datetime.fromisoformat(response_value)
        if isinstance(drawn, timedelta):
            assert instant == truncate_to_seconds(self.base + drawn)
        else:
            assert truncate_to_seconds(began) <= instant <= datetime.now(UTC)
        return instant

    def with_instants(self, drawn: Json) -> Json:
        """Return the body with each offset as a timestamp."""
        return {name: self.to_text(value) if isinstance(value, timedelta) else value for name, value in drawn.items()}

    def pick_task(self, user: int, pick: int) -> str:
        """Return the id of a task of the user, deleted or not, of the other user, or of no task."""
        if pick == UNKNOWN:
            return "nothing"
        tasks = [*self.owners[1 - user if pick == FOREIGN else user].tasks]
        return tasks[pick % len(tasks)]

    def pick_entry(self, user: int, pick: int) -> tuple[str, str]:
        """Return the ids of an entry and of its task. Deleted, foreign and unknown entries are drawn too."""
        owner = self.owners[1 - user if pick == FOREIGN else user]
        entries = owner.entry_ids()
        if pick == UNKNOWN or not entries:
            return "nothing", "nothing"
        entry_id = entries[pick % len(entries)]
        return entry_id, owner.task_id_of(entry_id) or "nothing"

    def assert_overlaps(self, body: Json, policy: str, expected: set[tuple[str, str, int]]) -> None:
        listed = {(one["task_id"], one["entry_id"], one["overlap_seconds"]) for one in body.get("overlaps", [])}
        assert listed == (expected if policy == "warn" else set())
        assert policy != "warn" or "overlaps" in body

    def end_timer(self, user: int, task: Task) -> None:
        """End the timer in the model. The response does not contain the end, so it is read from the database."""
        assert task.active is not None
        ended_at = self.service.stored_entry(task.active.id)["ended_at"].replace(tzinfo=UTC)
        assert self.step_began <= ended_at <= datetime.now(UTC) or ended_at == task.active.started_at
        self.owners[user].end(task, ended_at, self.owners[user].policy)

    @property
    def step_began(self) -> datetime:
        """An instant before this step: no step takes longer than a minute."""
        return datetime.now(UTC) - timedelta(seconds=60)

    def start_timer(self, task: Task, body: Json, entry: Json, started_at: datetime) -> None:
        """Start a timer on the task in the model."""
        billable = bool(body.get("billable", task.fields["billable"]))
        task.active = Entry(
            entry["id"], started_at, None, body.get("note"), body.get("tags", []), billable, source="timer"
        )
        task.fields["status"] = "in_progress"
        task.version += 1

    def assert_entry(self, response: httpx.Response, task: Task, response_entry: Json, entry: Entry | None) -> None:
        """Check that the response contains the entry and the version of its task."""
        assert entry is not None
        assert {**response_entry, **entry.to_response(task.id)} == response_entry
        assert response.headers["etag"] == f'"{task.version}"'

    def find_entry_to_stop(self, owner: Owner, body: Json) -> tuple[Task | None, Entry | None, ExpectedErrors]:
        """Return the task to stop, its entry if that has already ended, and the expected errors."""
        running, entry_id = owner.running(), body.get("entry_id")
        if entry_id is None:
            return running, None, set() if running else {model.NO_TIMER}
        if running and running.active and running.active.id == entry_id:
            return running, None, set()
        holder = owner.task_of_ended_entry(entry_id)
        if holder and not holder.is_deleted:
            return holder, holder.entries[entry_id], set()
        return None, None, {model.NO_ENTRY, *({model.NO_TASK} if "task_id" in body else ())}

    def apply_fields(self, entry: Entry, body: Json) -> None:
        """Update the entry of the model, except its end, with the fields of the request."""
        for name in ("note", "tags", "billable", "needs_review"):
            if name in body:
                setattr(entry, name, body[name])
        if "started_at" in body:
            entry.started_at = truncate_to_seconds(self.base + body["started_at"])

    def span(self, body: Json, entry: Entry | None = None) -> tuple[datetime, datetime]:
        """Return the start and end of an entry after an update with these fields."""
        sent = {
            name: truncate_to_seconds(self.base + body[name]) for name in ("started_at", "ended_at") if name in body
        }
        if entry is not None:
            sent = {"started_at": entry.started_at, "ended_at": entry.ended_at or self.base, **sent}
        start = sent["started_at"]
        if "duration_seconds" in body:
            return start, start + timedelta(seconds=body["duration_seconds"])
        return start, sent["ended_at"]

    def find_ended_entry(
        self, user: int, entry_id: str, task_id: str
    ) -> tuple[Task | None, Entry | None, ExpectedErrors]:
        """Return the task and its ended entry, or the expected errors."""
        task = self.owners[user].task(task_id)
        if task is None:
            return None, None, {model.NO_TASK, *({model.NO_ENTRY} if entry_id == "nothing" else ())}
        if task.active and task.active.id == entry_id:
            return task, None, {model.TIMER_RUNNING}
        if entry_id not in task.entries:
            return None, None, {model.NO_ENTRY}
        return task, task.entries[entry_id], set()

    @invariant()
    def matches_the_model(self) -> None:
        owner, client = self.owners[self.user], self.clients[self.user]
        for is_deleted in (False, True):
            expected = [task for task in owner.tasks.values() if task.is_deleted == is_deleted]
            if is_deleted and not expected:
                continue  # a task in the wrong list is missing in the other one
            listed = client.get("/tasks", params={"deleted": str(is_deleted).lower(), "limit": 200}).json()["items"]
            assert {task["id"] for task in listed} == {task.id for task in expected}
            for task in listed:
                known = owner.tasks[task["id"]]
                self.assert_task(task, known)
                if not is_deleted and self.compared_versions.get(known.id) != known.version:
                    self.assert_entries(client.get(f"/tasks/{known.id}").json(), known)
                    self.compared_versions[known.id] = known.version
        timer, running = client.get("/timer"), owner.running()
        assert timer.status_code == (200 if running else 204)
        if running:
            assert timer.json()["task_id"] == running.id
            self.assert_entry(timer, running, timer.json()["entry"], running.active)

    def assert_task(self, task: Json, known: Task) -> None:
        expected = known.to_response()
        active = expected.pop("active")
        assert {**task, **expected} == task
        assert (task["active"] is None) == (active is None)
        assert active is None or {**task["active"], **active} == task["active"]
        assert (task["completed_at"] is not None) == (known.fields["status"] == "completed")
        assert (task["deleted_at"] is not None) == known.is_deleted

    def assert_entries(self, task: Json, known: Task) -> None:
        expected = [entry.to_response(known.id) for entry in known.newest_first()]
        listed = [{name: entry[name] for name in expected[0]} for entry in task["time_entries"] if expected]
        assert listed == expected
        assert len(task["time_entries"]) == len(expected)
