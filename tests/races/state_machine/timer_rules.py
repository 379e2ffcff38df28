"""The rules of the state machine about the timer."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.races.state_machine import model
from tests.races.state_machine.machine import Machine
from tests.races.state_machine.model import Refusals, whole
from tests.races.state_machine.strategies import (
    LATER,
    NOW,
    matches,
    notes,
    past,
    picks,
    policies,
    said_of_an_entry,
    timely,
    users,
)
from tests.support.http import Json


class TimerRules(Machine):
    """The requests about the timer."""

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
