"""By chance: any sequence of requests of two users does what a model in plain Python says, after each step.

`make test` runs the same sequences each time, `make test-long` ten times as many, and others each time.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import httpx
from bson import ObjectId
from hypothesis import HealthCheck, Phase
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.maintenance.doctor import examine
from tests.conftest import Database, MakeUser
from tests.races import model
from tests.races.model import Entry, Owner, Refusals, Task, whole
from tests.support.http import API, LONG, Json

SEQUENCES, STEPS = (200, 30) if LONG else (14, 30)
NOW, SOON, LATER = "now", "soon", "later"
SOMEBODY_ELSES, NO_SUCH = 18, 19

OPERATIONS = {
    *("make a task", "change a task", "trash a task", "restore a task", "prefer"),
    *("start", "stop", "switch", "resume", "correct", "discard"),
    *("create an entry", "change an entry", "delete an entry", "restore an entry", "split an entry", "move an entry"),
}
"""What has succeeded at least once in as many sequences as the long mode has."""

T = TypeVar("T")

users = st.sampled_from([0, 1])
picks = st.integers(0, 19)
policies = st.sampled_from([None, "allow", "warn", "warn", "forbid"])
matches = st.sampled_from([None, None, None, "right", "stale"])
notes = st.sampled_from([None, "first", "second"])
tags = st.sampled_from([[], ["red"], ["red", "blue"]])
past = st.sampled_from([*range(12), 50, 80]).map(lambda half: timedelta(minutes=30 * half, milliseconds=half % 3 * 400))
"""Few instants, so that stretches of time meet and overlap often; two are far enough off for the cap."""
timely = st.one_of(st.just(NOW), past, st.sampled_from([NOW, SOON, LATER]))
said_of_a_task = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["One", "Two"]),
        "status": st.sampled_from(["pending", "in_progress", "completed"]),
        "tags": tags,
        "billable": st.booleans(),
        "priority": st.sampled_from([None, 0, 4]),
    },
)
said_of_an_entry = {"note": notes, "tags": tags, "billable": st.booleans()}
lengths = st.sampled_from([1, 1800, 3600, 5400]) | st.integers(0, 30 * 3600)
times_of_an_entry = st.fixed_dictionaries(
    {}, optional={"started_at": past, "ended_at": past, "duration_seconds": lengths}
)


@dataclass
class Service:
    """What the sequences run against, from the thread that they run in; and what they have asked so far."""

    base_url: str
    make_token: Callable[[], str]
    stored_entry: Callable[[str], Json]
    steps: Counter[str] = field(default_factory=Counter)


class Timekeeping(RuleBasedStateMachine):
    """Two users, each with a model beside the service."""

    service: ClassVar[Service]

    @initialize()
    def begin(self) -> None:
        self.base = whole(datetime.now(UTC)) - timedelta(days=4)
        self.owners = [Owner(), Owner()]
        self.clients = [
            httpx.Client(
                base_url=self.service.base_url,
                headers={"Authorization": self.service.make_token()},
                timeout=60,
                verify=False,
            )
            for _ in self.owners
        ]
        self.last = 0
        self.seen: dict[str, int] = {}
        for who in (0, 1):
            for title in ("One", "Two"):
                self.make_task(who=who, body={"title": title})
            for half_hours in ([4, 5], [0, 1], [2, 3, 4], [1, 2]):  # back to back, which never overlaps
                start, length = timedelta(minutes=30 * half_hours[0]), 1800 * (half_hours[-1] - half_hours[0])
                self.create_entry(who=who, pick=0, start=start, end=length, body={}, policy="forbid", match=None)

    def teardown(self) -> None:
        for who, client in enumerate(getattr(self, "clients", [])):
            self.seen, self.last = {}, who
            self.is_as_the_model_says()
            client.close()

    # What goes out, and what comes back.

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

    # Tasks.

    @rule(who=users, body=said_of_a_task)
    def make_task(self, who: int, body: Json) -> None:
        self.last = who
        body = {"title": "New", **body}
        answer = self.ask("make a task", ("POST", "/tasks"), body, refused=set())
        assert answer is not None
        defaults = {"status": "pending", "tags": [], "billable": False, "priority": None}
        task = Task(answer.json()["id"], {**defaults, **body})
        self.owners[who].tasks[task.id] = task

    @rule(who=users, pick=picks, body=said_of_a_task, match=matches)
    def change_task(self, who: int, pick: int, body: Json, match: str | None) -> None:
        self.last, task_id = who, self.pick_task(who, pick)
        task = self.owners[who].task(task_id)
        refused = set() if task else {model.NO_TASK}
        answer = self.ask(
            "change a task", ("PATCH", f"/tasks/{task_id}"), body, match=(match, task), refused=refused, or_not=not body
        )
        if answer is None or task is None:
            return
        task.fields |= body
        if task.active and body.get("status") in {"pending", "completed"}:
            self.end_unseen(who, task)
        elif body:
            task.version += 1
        assert answer.headers["etag"] == f'"{task.version}"'

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

    @rule(who=users, pick=picks, match=matches)
    def trash_task(self, who: int, pick: int, match: str | None) -> None:
        self.last, task_id = who, self.pick_task(who, pick)
        task = self.owners[who].task(task_id)
        refused = set() if task else {model.NO_TASK}
        answer = self.ask("trash a task", ("DELETE", f"/tasks/{task_id}"), match=(match, task), refused=refused)
        if answer is None or task is None:
            return
        if task.active:
            entry = task.active
            self.end_unseen(who, task)
            # Whether the task's own time counts, which is on its way to the trash, nobody has promised.
            entry.needs_review = entry.needs_review or self.service.stored_entry(entry.id)["needs_review"]
        else:
            task.version += 1
        task.in_the_trash = True

    @rule(who=users, pick=picks, match=matches)
    def restore_task(self, who: int, pick: int, match: str | None) -> None:
        self.last, task_id = who, self.pick_task(who, pick)
        task = self.owners[who].tasks.get(task_id)
        refused = set() if task else {model.NO_TASK}
        answer = self.ask(
            "restore a task",
            ("POST", f"/tasks/{task_id}/restore"),
            match=(match, task),
            refused=refused,
            or_not=bool(task and not task.in_the_trash),
        )
        if answer is not None and task is not None and task.in_the_trash:
            task.in_the_trash = False
            task.version += 1

    # The timer.

    @rule(
        who=users,
        pick=picks,
        body=st.fixed_dictionaries({}, optional=said_of_an_entry),
        at=timely,
        policy=policies,
        match=matches,
    )
    def start(self, who: int, pick: int, body: Json, at: Any, policy: str | None, match: str | None) -> None:
        self.last, task_id = who, self.pick_task(who, pick)
        owner, began = self.owners[who], datetime.now(UTC)
        task, running, rule_is = owner.task(task_id), owner.running(), policy or owner.policy
        overlaps = owner.overlaps(whole(self.base + at), whole(began)) if isinstance(at, timedelta) else set()
        refused: Refusals = set()
        if at == LATER:
            refused.add(model.IN_THE_FUTURE)
        if task is None:
            refused.add(model.NO_TASK)
        same = task is not None and task is running
        if running and not same:
            refused.add(model.OTHER_TIMER)
        if overlaps and rule_is == "forbid" and not same:
            refused.add(model.OVERLAP)
        body = {"task_id": task_id, **body, **({} if at == NOW else {"started_at": self.instant(at)})}
        answer = self.ask(
            "start", ("POST", "/timer/start"), body, policy=policy, match=(match, task), refused=refused, or_not=same
        )
        if answer is None or task is None:
            return
        assert answer.status_code == (200 if same else 201)
        shown = answer.json()["entry"]
        if not same:
            self.same_overlaps(answer.json(), rule_is, overlaps)
            self.begun(task, body, shown, self.settled(at, shown["started_at"], began))
        self.shows(answer, task, shown, task.active)

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

    @rule(who=users, at=timely, pick=st.none() | picks, beside=st.booleans(), policy=policies, match=matches)
    def stop(self, who: int, at: Any, pick: int | None, beside: bool, policy: str | None, match: str | None) -> None:
        self.last, owner, began = who, self.owners[who], datetime.now(UTC)
        body = {} if at == NOW else {"ended_at": self.instant(at)}
        if pick is not None:
            body["entry_id"], home = self.pick_entry(who, pick)
            body |= {"task_id": home} if beside else {}
        task, ended, refused = self.to_be_stopped(owner, body)
        if at == LATER:
            refused.add(model.IN_THE_FUTURE)
        if task and task.active and not ended and isinstance(at, timedelta):
            refused |= {model.INVALID} if whole(self.base + at) < task.active.started_at else set()
        answer = self.ask(
            "stop",
            ("POST", "/timer/stop"),
            body,
            policy=policy,
            match=(match, task),
            refused=refused,
            or_not=ended is not None,
        )
        if answer is None or task is None:
            return
        if ended is None:
            ended_at = self.settled(at, answer.json()["entry"]["ended_at"], began)
            ended = owner.end(task, ended_at, policy or owner.policy)
        assert answer.json()["tracked_seconds"] == task.tracked_seconds
        self.shows(answer, task, answer.json()["entry"], ended)

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

    @rule(who=users, pick=picks, at=timely, note=notes, policy=policies, match=matches)
    def switch(self, who: int, pick: int, at: Any, note: str | None, policy: str | None, match: str | None) -> None:
        self.last, task_id = who, self.pick_task(who, pick)
        owner, began = self.owners[who], datetime.now(UTC)
        task, running = owner.task(task_id), owner.running()
        same = task is not None and task is running
        refused: Refusals = set() if task else {model.NO_TASK}
        if at == LATER:
            refused.add(model.IN_THE_FUTURE)
        if running and running.active and not same and isinstance(at, timedelta):
            refused |= {model.INVALID} if whole(self.base + at) < running.active.started_at else set()
        body = {"task_id": task_id, "note": note, **({} if at == NOW else {"at": self.instant(at)})}
        answer = self.ask(
            "switch",
            ("POST", "/timer/switch"),
            body,
            policy=policy,
            match=(match, running or task),
            refused=refused,
            or_not=same,
        )
        if answer is None or task is None:
            return
        stopped, started = answer.json()["stopped"], answer.json()["started"]
        assert (stopped is None) == (running is None or same)
        if not same:
            instant = self.settled(at, started["entry"]["started_at"], began)
            if running:
                ended = owner.end(running, instant, policy or owner.policy)
                assert {**stopped["entry"], **ended.shown(running.id)} == stopped["entry"]
                assert stopped["tracked_seconds"] == running.tracked_seconds
            self.begun(task, body, started["entry"], instant)
        self.shows(answer, task, started["entry"], task.active)

    @rule(who=users, policy=policies, match=matches)
    def resume(self, who: int, policy: str | None, match: str | None) -> None:
        self.last, owner, began = who, self.owners[who], datetime.now(UTC)
        running, last = owner.running(), owner.tracked_last()
        refused: Refusals = set() if last else {model.NOTHING_TO_RESUME}
        if running and not any(task is running for task, _ in last):
            refused.add(model.OTHER_TIMER)
        several = len({task.id for task, _ in last}) > 1
        if several and (running or match):
            return  # which of them it is, nobody has promised
        again = last[0][0] if last else None
        answer = self.ask(
            "resume",
            ("POST", "/timer/resume"),
            policy=policy,
            match=(match, again),
            refused=refused,
            or_not=running is not None,
        )
        if answer is None:
            return
        shown = answer.json()["entry"]
        assert answer.status_code == (200 if running else 201)
        if running:
            self.shows(answer, running, shown, running.active)
            return
        said_then = {name: shown[name] for name in ("note", "tags", "billable")}
        (task, *_) = [
            task
            for task, entry in last
            if task.id == shown["task_id"]
            and said_then == {"note": entry.note, "tags": entry.tags, "billable": entry.billable}
        ]
        self.begun(task, said_then, shown, self.settled(NOW, shown["started_at"], began))
        self.shows(answer, task, shown, task.active)

    @rule(
        who=users,
        body=st.fixed_dictionaries({}, optional={**said_of_an_entry, "started_at": past}),
        policy=policies,
        match=matches,
    )
    def correct(self, who: int, body: Json, policy: str | None, match: str | None) -> None:
        self.last, owner = who, self.owners[who]
        task, rule_is, overlaps = owner.running(), policy or owner.policy, set[tuple[str, str, int]]()
        if task and task.active and "started_at" in body:
            start = whole(self.base + body["started_at"])
            overlaps = owner.overlaps(start, whole(datetime.now(UTC)), but=task.active.id)
        refused: Refusals = set() if task else {model.NO_TIMER}
        if overlaps and rule_is == "forbid":
            refused.add(model.OVERLAP)
        answer = self.ask(
            "correct",
            ("PATCH", "/timer"),
            self.timed(body),
            policy=policy,
            match=(match, task),
            refused=refused,
            or_not=not body,
        )
        if answer is None or task is None or task.active is None:
            return
        self.written(task.active, body)
        task.version += bool(body)
        if "started_at" in body:
            self.same_overlaps(answer.json(), rule_is, overlaps)
        self.shows(answer, task, answer.json()["entry"], task.active)

    def written(self, entry: Entry, body: Json) -> None:
        """What was sent of the entry, but for its end, stands in it."""
        for name in ("note", "tags", "billable", "needs_review"):
            if name in body:
                setattr(entry, name, body[name])
        if "started_at" in body:
            entry.started_at = whole(self.base + body["started_at"])

    @rule(who=users, policy=policies, match=matches)
    def discard(self, who: int, policy: str | None, match: str | None) -> None:
        self.last, owner = who, self.owners[who]
        task = owner.running()
        refused: Refusals = set() if task else {model.NO_TIMER}
        answer = self.ask("discard", ("DELETE", "/timer"), policy=policy, match=(match, task), refused=refused)
        if answer is None or task is None or task.active is None:
            return
        stored = self.service.stored_entry(task.active.id)
        entry = task.active
        entry.ended_at, entry.needs_review = stored["ended_at"].replace(tzinfo=UTC), stored["needs_review"]
        assert self.began <= entry.ended_at <= datetime.now(UTC)
        owner.deleted[entry.id] = (task.id, entry)
        task.active = None
        task.version += 1

    # Entries.

    @rule(
        who=users,
        pick=picks,
        start=past,
        end=past | lengths,
        body=st.fixed_dictionaries({}, optional=said_of_an_entry),
        policy=policies,
        match=matches,
    )
    def create_entry(
        self, who: int, pick: int, start: timedelta, end: Any, body: Json, policy: str | None, match: str | None
    ) -> None:
        self.last, task_id, owner = who, self.pick_task(who, pick), self.owners[who]
        task, rule_is = owner.task(task_id), policy or owner.policy
        ends = {"ended_at": end} if isinstance(end, timedelta) else {"duration_seconds": end}
        span = self.span({"started_at": start, **ends})
        overlaps = owner.overlaps(*span)
        refused: Refusals = set() if task else {model.NO_TASK}
        if span[0] >= span[1]:
            refused.add(model.INVALID)
        if overlaps and rule_is == "forbid":
            refused.add(model.OVERLAP)
        answer = self.ask(
            "create an entry",
            ("POST", f"/tasks/{task_id}/time-entries"),
            self.timed({"started_at": start, **ends, **body}),
            policy=policy,
            match=(match, task),
            refused=refused,
        )
        if answer is None or task is None:
            return
        billable = bool(body.get("billable", task.fields["billable"]))
        entry = Entry(answer.json()["id"], *span, body.get("note"), body.get("tags", []), billable, source="manual")
        task.entries[entry.id] = entry
        task.version += 1
        self.same_overlaps(answer.json(), rule_is, overlaps)
        self.shows(answer, task, answer.json(), entry)

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

    @rule(
        who=users,
        pick=picks,
        said=st.fixed_dictionaries({}, optional={**said_of_an_entry, "needs_review": st.booleans()}),
        times=times_of_an_entry,
        policy=policies,
        match=matches,
    )
    def change_entry(self, who: int, pick: int, said: Json, times: Json, policy: str | None, match: str | None) -> None:
        self.last, (entry_id, task_id), owner = who, self.pick_entry(who, pick), self.owners[who]
        task, entry, refused = self.found(who, entry_id, task_id)
        rule_is, overlaps, body = policy or owner.policy, set[tuple[str, str, int]](), {**said, **times}
        if body.get("duration_seconds") == 0 or {"ended_at", "duration_seconds"} <= times.keys():
            refused = refused | {model.INVALID}
        span = None
        if entry and times and model.INVALID not in refused:
            span = self.span(times, entry)
            refused = refused | ({model.INVALID} if span[0] >= span[1] else set())
            if span != (entry.started_at, entry.ended_at):
                overlaps = owner.overlaps(*span, but=entry_id)
        if overlaps and rule_is == "forbid":
            refused = refused | {model.OVERLAP}
        answer = self.ask(
            "change an entry",
            ("PATCH", f"/tasks/{task_id}/time-entries/{entry_id}"),
            self.timed(body),
            policy=policy,
            match=(match, task),
            refused=refused,
            or_not=not body,
        )
        if answer is None or task is None or entry is None:
            return
        self.written(entry, body)
        if span:
            entry.started_at, entry.ended_at = span
            self.same_overlaps(answer.json(), rule_is, overlaps)
        task.version += bool(body)
        self.shows(answer, task, answer.json(), entry)

    @rule(who=users, pick=picks, policy=policies, match=matches)
    def delete_entry(self, who: int, pick: int, policy: str | None, match: str | None) -> None:
        self.last, (entry_id, task_id), owner = who, self.pick_entry(who, pick), self.owners[who]
        task, entry, refused = self.found(who, entry_id, task_id)
        request = ("DELETE", f"/tasks/{task_id}/time-entries/{entry_id}")
        answer = self.ask("delete an entry", request, policy=policy, match=(match, task), refused=refused)
        if answer is None or task is None or entry is None:
            return
        owner.deleted[entry_id] = (task.id, task.entries.pop(entry_id))
        task.version += 1

    @rule(who=users, pick=picks, policy=policies, match=matches)
    def restore_entry(self, who: int, pick: int, policy: str | None, match: str | None) -> None:
        self.last, (entry_id, task_id), owner = who, self.pick_entry(who, pick), self.owners[who]
        task, overlaps, rule_is = owner.task(task_id), set[tuple[str, str, int]](), policy or owner.policy
        deleted = owner.deleted.get(entry_id)
        refused: Refusals = set()
        if deleted:
            entry = deleted[1]
            assert entry.ended_at is not None
            overlaps = owner.overlaps(entry.started_at, entry.ended_at)
            refused |= {model.OVERLAP} if overlaps and rule_is == "forbid" else set()
            refused |= set() if task else {model.NO_TASK}
        elif not task or entry_id not in task.entries:
            refused |= {model.NO_ENTRY, model.NO_TASK, model.RUNS}  # never deleted, or in a task in the trash
        answer = self.ask(
            "restore an entry",
            ("POST", f"/time-entries/{entry_id}/restore"),
            policy=policy,
            match=(match, task),
            refused=refused,
            or_not=not deleted,
        )
        if answer is None or task is None:
            return
        if deleted:
            task.entries[entry_id] = owner.deleted.pop(entry_id)[1]
            task.version += 1
            self.same_overlaps(answer.json(), rule_is, overlaps)
        self.shows(answer, task, answer.json(), task.entries[entry_id])

    @rule(who=users, pick=picks, at=st.integers(1, 7) | past, policy=policies, match=matches)
    def split_entry(self, who: int, pick: int, at: Any, policy: str | None, match: str | None) -> None:
        self.last, (entry_id, task_id), owner = who, self.pick_entry(who, pick), self.owners[who]
        task, entry, refused = self.found(who, entry_id, task_id)
        overlaps, rule_is = set[tuple[str, str, int]](), policy or owner.policy
        instant = self.base + at if isinstance(at, timedelta) else self.base
        if entry and entry.ended_at:
            if isinstance(at, int):  # a part of it
                instant = entry.started_at + timedelta(seconds=entry.seconds * at // 8)
            if not entry.started_at < whole(instant) < entry.ended_at:
                refused = refused | {model.INVALID}
            overlaps = owner.overlaps(entry.started_at, entry.ended_at, but=entry_id)
            if overlaps and rule_is == "forbid":
                refused = refused | {model.OVERLAP}
        answer = self.ask(
            "split an entry",
            ("POST", f"/tasks/{task_id}/time-entries/{entry_id}/split"),
            {"at": instant.isoformat()},
            policy=policy,
            match=(match, task),
            refused=refused,
        )
        if answer is None or task is None or entry is None:
            return
        first, second = answer.json()["first"], answer.json()["second"]
        later = Entry(
            second["id"], whole(instant), entry.ended_at, entry.note, entry.tags, entry.billable, entry.source
        )
        later.needs_review = entry.needs_review
        assert later.id not in owner.entry_ids()
        entry.ended_at = whole(instant)
        task.entries[later.id] = later
        task.version += 1
        self.same_overlaps(answer.json(), rule_is, overlaps)
        self.shows(answer, task, first, entry)
        self.shows(answer, task, second, later)

    @rule(who=users, pick=picks, goal=picks, policy=policies, match=matches)
    def move_entry(self, who: int, pick: int, goal: int, policy: str | None, match: str | None) -> None:
        self.last, (entry_id, task_id), owner = who, self.pick_entry(who, pick), self.owners[who]
        task, entry, refused = self.found(who, entry_id, task_id)
        target_id, rule_is, overlaps = self.pick_task(who, goal), policy or owner.policy, set[tuple[str, str, int]]()
        to = owner.task(target_id)
        same = to is not None and to is task
        if to is None:
            refused = refused | {model.NO_TASK}
        if entry and entry.ended_at and not same:
            overlaps = owner.overlaps(entry.started_at, entry.ended_at, but=entry_id)
            refused = refused | ({model.OVERLAP} if overlaps and rule_is == "forbid" else set())
        answer = self.ask(
            "move an entry",
            ("POST", f"/tasks/{task_id}/time-entries/{entry_id}/move"),
            {"task_id": target_id},
            policy=policy,
            match=(match, task),
            refused=refused,
            or_not=same,
        )
        if answer is None or task is None or to is None or entry is None:
            return
        if not same:
            to.entries[entry_id] = task.entries.pop(entry_id)
            task.version += 1
            to.version += 1
            self.same_overlaps(answer.json(), rule_is, overlaps)
        self.shows(answer, to, answer.json(), entry)

    @rule(who=users, policy=st.sampled_from(["allow", "warn", "forbid"]))
    def prefer(self, who: int, policy: str) -> None:
        self.last = who
        preferences = {"preferences": {"overlap_policy": policy}}
        assert self.ask("prefer", ("PATCH", "/users/me"), preferences, refused=set())
        self.owners[who].policy = policy

    # After each step.

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


async def test_any_sequence_of_requests_does_what_the_model_says(
    make_user: MakeUser, empty_service: str, database: Database
) -> None:
    loop, made = asyncio.get_running_loop(), 0

    def here(work: Awaitable[T]) -> T:
        async def waited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(waited(), loop).result()

    def make_token() -> str:
        nonlocal made
        made += 1
        return str(here(make_user(f"user{made}@example.com")).headers["Authorization"])

    async def stored_entry(entry_id: str) -> Json:
        wanted = ObjectId(entry_id)
        gone = await database.deleted_entries.find_one({"_id": wanted})
        task = await database.tasks.find_one({"time_entries": {"$elemMatch": {"id": wanted}}})
        entries = [gone["entry"]] if gone else [one for one in (task or {})["time_entries"] if one["id"] == wanted]
        (entry,) = entries
        found: Json = entry
        return found

    Timekeeping.service = Service(
        empty_service + API, make_token, lambda entry_id: here(stored_entry(entry_id)), Counter()
    )
    sequences = examples(
        max_examples=SEQUENCES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        phases=list(Phase) if LONG else [Phase.generate],
    )
    await asyncio.to_thread(run_state_machine_as_test, Timekeeping, settings=sequences)
    steps = Timekeeping.service.steps
    assert steps.total() >= SEQUENCES * STEPS
    assert not LONG or steps.keys() >= OPERATIONS
    assert (await examine()).findings == []
