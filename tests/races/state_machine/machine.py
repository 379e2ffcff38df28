"""The base of the state machine: requests, their expected responses, and the comparison with the model."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.races.state_machine import model
from tests.races.state_machine.model import Entry, Owner, Refusals, Task, whole
from tests.races.state_machine.strategies import LATER, NO_SUCH, SOMEBODY_ELSES, SOON
from tests.support.http import Json


@dataclass
class Service:
    """What the sequences run against, from the thread that they run in; and what they have asked so far."""

    base_url: str
    make_token: Callable[[], str]
    stored_entry: Callable[[str], Json]
    steps: Counter[str] = field(default_factory=Counter)


class Machine(RuleBasedStateMachine):
    """The requests of two users, the model of each user, and their comparison after each request."""

    service: ClassVar[Service]
    base: datetime
    owners: list[Owner]
    clients: list[httpx.Client]
    last: int
    seen: dict[str, int]

    def ask(
        self,
        what: str,
        request: tuple[str, str],
        body: Json | None = None,
        *,
        policy: str | None = None,
        match: tuple[str | None, Task | None] = (None, None),
        refused: Refusals,
        or_not: bool = False,
    ) -> httpx.Response | None:
        """The answer to a request that is to succeed, or None to one that is refused, rightly.

        Where nothing would change and the version is a stale one, it may be refused or not.
        """
        sent, task = match
        version = task.version if task and sent == "right" else 0
        answer = self.clients[self.last].request(
            *request,
            params={"overlap": policy} if policy else None,
            headers={"If-Match": f'"{version}"'} if sent else None,
            json=body,
        )
        if sent == "stale" and task:
            refused = refused | {model.STALE}
        if answer.is_error:
            problem = answer.json()
            assert (answer.status_code, problem["code"]) in refused, (request, body, refused, problem)
            self.service.steps[f"{what}: {problem['code']}"] += 1
            if problem["code"] == "overlap":
                self.conflicts = problem["overlaps"]
            return None
        assert not refused or (or_not and refused == {model.STALE}), (request, body, refused, answer.text)
        self.service.steps[what] += 1
        return answer

    def instant(self, drawn: Any) -> str:
        if isinstance(drawn, timedelta):
            return (self.base + drawn).isoformat()
        ahead = {SOON: timedelta(seconds=30), LATER: timedelta(hours=1)}[drawn]
        return (datetime.now(UTC) + ahead).isoformat()

    def settled(self, drawn: Any, answered: str, began: datetime) -> datetime:
        """The instant that the service made of what was sent: the same, or now where that was meant."""
        instant = datetime.fromisoformat(answered)
        if isinstance(drawn, timedelta):
            assert instant == whole(self.base + drawn)
        else:
            assert whole(began) <= instant <= datetime.now(UTC)
        return instant

    def timed(self, drawn: Json) -> Json:
        """A body with its instants said."""
        return {name: self.instant(value) if isinstance(value, timedelta) else value for name, value in drawn.items()}

    def pick_task(self, who: int, pick: int) -> str:
        """One of the user's tasks, in the trash or not; at times one of the other user's, or none."""
        if pick == NO_SUCH:
            return "nothing"
        tasks = [*self.owners[1 - who if pick == SOMEBODY_ELSES else who].tasks]
        return tasks[pick % len(tasks)]

    def pick_entry(self, who: int, pick: int) -> tuple[str, str]:
        """An entry, deleted or not, and the task that it is or was in; at times the other user's, or none."""
        owner = self.owners[1 - who if pick == SOMEBODY_ELSES else who]
        entries = owner.entry_ids()
        if pick == NO_SUCH or not entries:
            return "nothing", "nothing"
        entry_id = entries[pick % len(entries)]
        return entry_id, owner.home(entry_id) or "nothing"

    def same_overlaps(self, body: Json, policy: str, expected: set[tuple[str, str, int]]) -> None:
        listed = {(one["task_id"], one["entry_id"], one["overlap_seconds"]) for one in body.get("overlaps", [])}
        assert listed == (expected if policy == "warn" else set())
        assert policy != "warn" or "overlaps" in body

    def end_unseen(self, who: int, task: Task) -> None:
        """The timer has ended just now; the answer does not say when."""
        assert task.active is not None
        ended_at = self.service.stored_entry(task.active.id)["ended_at"].replace(tzinfo=UTC)
        assert self.began <= ended_at <= datetime.now(UTC) or ended_at == task.active.started_at
        self.owners[who].end(task, ended_at, self.owners[who].policy)

    @property
    def began(self) -> datetime:
        """Shortly before this step: no step takes longer."""
        return datetime.now(UTC) - timedelta(seconds=60)

    def begun(self, task: Task, body: Json, entry: Json, started_at: datetime) -> None:
        """A timer runs on the task now."""
        billable = bool(body.get("billable", task.fields["billable"]))
        task.active = Entry(
            entry["id"], started_at, None, body.get("note"), body.get("tags", []), billable, source="timer"
        )
        task.fields["status"] = "in_progress"
        task.version += 1

    def shows(self, answer: httpx.Response, task: Task, shown: Json, entry: Entry | None) -> None:
        """This part of the answer is this entry, with the version of its task."""
        assert entry is not None
        assert {**shown, **entry.shown(task.id)} == shown
        assert answer.headers["etag"] == f'"{task.version}"'

    def to_be_stopped(self, owner: Owner, body: Json) -> tuple[Task | None, Entry | None, Refusals]:
        """The task of the timer or entry that is meant, the entry if it has ended before, or why there is none."""
        running, entry_id = owner.running(), body.get("entry_id")
        if entry_id is None:
            return running, None, set() if running else {model.NO_TIMER}
        if running and running.active and running.active.id == entry_id:
            return running, None, set()
        holder = owner.holder(entry_id)
        if holder and not holder.in_the_trash:
            return holder, holder.entries[entry_id], set()
        return None, None, {model.NO_ENTRY, *({model.NO_TASK} if "task_id" in body else ())}

    def written(self, entry: Entry, body: Json) -> None:
        """What was sent of the entry, but for its end, stands in it."""
        for name in ("note", "tags", "billable", "needs_review"):
            if name in body:
                setattr(entry, name, body[name])
        if "started_at" in body:
            entry.started_at = whole(self.base + body["started_at"])

    def span(self, body: Json, entry: Entry | None = None) -> tuple[datetime, datetime]:
        """The time of an entry once these fields are written."""
        sent = {name: whole(self.base + body[name]) for name in ("started_at", "ended_at") if name in body}
        if entry is not None:
            sent = {"started_at": entry.started_at, "ended_at": entry.ended_at or self.base, **sent}
        start = sent["started_at"]
        if "duration_seconds" in body:
            return start, start + timedelta(seconds=body["duration_seconds"])
        return start, sent["ended_at"]

    def found(self, who: int, entry_id: str, task_id: str) -> tuple[Task | None, Entry | None, Refusals]:
        """The task and its ended entry that may be changed, or why they may not."""
        task = self.owners[who].task(task_id)
        if task is None:
            return None, None, {model.NO_TASK, *({model.NO_ENTRY} if entry_id == "nothing" else ())}
        if task.active and task.active.id == entry_id:
            return task, None, {model.RUNS}
        if entry_id not in task.entries:
            return None, None, {model.NO_ENTRY}
        return task, task.entries[entry_id], set()

    @invariant()
    def is_as_the_model_says(self) -> None:
        owner, client = self.owners[self.last], self.clients[self.last]
        for in_the_trash in (False, True):
            expected = [task for task in owner.tasks.values() if task.in_the_trash == in_the_trash]
            if in_the_trash and not expected:
                continue  # what is there wrongly would be missing among the others
            listed = client.get("/tasks", params={"deleted": str(in_the_trash).lower(), "limit": 200}).json()["items"]
            assert {task["id"] for task in listed} == {task.id for task in expected}
            for task in listed:
                known = owner.tasks[task["id"]]
                self.same_task(task, known)
                if not in_the_trash and self.seen.get(known.id) != known.version:
                    self.same_entries(client.get(f"/tasks/{known.id}").json(), known)
                    self.seen[known.id] = known.version
        timer, running = client.get("/timer"), owner.running()
        assert timer.status_code == (200 if running else 204)
        if running:
            assert timer.json()["task_id"] == running.id
            self.shows(timer, running, timer.json()["entry"], running.active)

    def same_task(self, task: Json, known: Task) -> None:
        expected = known.shown()
        active = expected.pop("active")
        assert {**task, **expected} == task
        assert (task["active"] is None) == (active is None)
        assert active is None or {**task["active"], **active} == task["active"]
        assert (task["completed_at"] is not None) == (known.fields["status"] == "completed")
        assert (task["deleted_at"] is not None) == known.in_the_trash

    def same_entries(self, task: Json, known: Task) -> None:
        expected = [entry.shown(known.id) for entry in known.newest_first()]
        shown = [{name: entry[name] for name in expected[0]} for entry in task["time_entries"] if expected]
        assert shown == expected
        assert len(task["time_entries"]) == len(expected)
