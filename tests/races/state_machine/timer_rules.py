"""The rules of the state machine about the timer."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.races.state_machine import model
from tests.races.state_machine.machine import Machine
from tests.races.state_machine.model import ExpectedErrors, truncate_to_seconds
from tests.races.state_machine.strategies import (
    LATER,
    NOW,
    entry_fields,
    if_matches,
    instants,
    notes,
    past_offsets,
    picks,
    policies,
    users,
)
from tests.support.http import Json


class TimerRules(Machine):
    """The requests about the timer."""

    @rule(
        user=users,
        pick=picks,
        body=st.fixed_dictionaries({}, optional=entry_fields),
        at=instants,
        policy=policies,
        if_match=if_matches,
    )
    def start(self, user: int, pick: int, body: Json, at: Any, policy: str | None, if_match: str | None) -> None:
        self.user, task_id = user, self.pick_task(user, pick)
        owner, began = self.owners[user], datetime.now(UTC)
        task, running, effective_policy = owner.task(task_id), owner.running(), policy or owner.policy
        overlaps = (
            owner.overlaps(truncate_to_seconds(self.base + at), truncate_to_seconds(began))
            if isinstance(at, timedelta)
            else set()
        )
        expected_errors: ExpectedErrors = set()
        if at == LATER:
            expected_errors.add(model.IN_THE_FUTURE)
        if task is None:
            expected_errors.add(model.NO_TASK)
        is_same_task = task is not None and task is running
        if running and not is_same_task:
            expected_errors.add(model.OTHER_TIMER_RUNNING)
        if overlaps and effective_policy == "forbid" and not is_same_task:
            expected_errors.add(model.OVERLAP)
        body = {"task_id": task_id, **body, **({} if at == NOW else {"started_at": self.to_text(at)})}
        response = self.send(
            "start",
            ("POST", "/timer/start"),
            body,
            policy=policy,
            if_match=(if_match, task),
            expected_errors=expected_errors,
            is_noop=is_same_task,
        )
        if response is None or task is None:
            return
        assert response.status_code == (200 if is_same_task else 201)
        response_entry = response.json()["entry"]
        if not is_same_task:
            self.assert_overlaps(response.json(), effective_policy, overlaps)
            self.start_timer(task, body, response_entry, self.resolve_instant(at, response_entry["started_at"], began))
        self.assert_entry(response, task, response_entry, task.active)

    @rule(
        user=users,
        at=instants,
        pick=st.none() | picks,
        with_task_id=st.booleans(),
        policy=policies,
        if_match=if_matches,
    )
    def stop(
        self, user: int, at: Any, pick: int | None, with_task_id: bool, policy: str | None, if_match: str | None
    ) -> None:
        self.user, owner, began = user, self.owners[user], datetime.now(UTC)
        body = {} if at == NOW else {"ended_at": self.to_text(at)}
        if pick is not None:
            body["entry_id"], task_id = self.pick_entry(user, pick)
            body |= {"task_id": task_id} if with_task_id else {}
        task, ended, expected_errors = self.find_entry_to_stop(owner, body)
        if at == LATER:
            expected_errors.add(model.IN_THE_FUTURE)
        if task and task.active and not ended and isinstance(at, timedelta):
            expected_errors |= (
                {model.INVALID} if truncate_to_seconds(self.base + at) < task.active.started_at else set()
            )
        response = self.send(
            "stop",
            ("POST", "/timer/stop"),
            body,
            policy=policy,
            if_match=(if_match, task),
            expected_errors=expected_errors,
            is_noop=ended is not None,
        )
        if response is None or task is None:
            return
        if ended is None:
            ended_at = self.resolve_instant(at, response.json()["entry"]["ended_at"], began)
            ended = owner.end(task, ended_at, policy or owner.policy)
        assert response.json()["tracked_seconds"] == task.tracked_seconds
        self.assert_entry(response, task, response.json()["entry"], ended)

    @rule(user=users, pick=picks, at=instants, note=notes, policy=policies, if_match=if_matches)
    def switch(self, user: int, pick: int, at: Any, note: str | None, policy: str | None, if_match: str | None) -> None:
        self.user, task_id = user, self.pick_task(user, pick)
        owner, began = self.owners[user], datetime.now(UTC)
        task, running = owner.task(task_id), owner.running()
        is_same_task = task is not None and task is running
        expected_errors: ExpectedErrors = set() if task else {model.NO_TASK}
        if at == LATER:
            expected_errors.add(model.IN_THE_FUTURE)
        if running and running.active and not is_same_task and isinstance(at, timedelta):
            expected_errors |= (
                {model.INVALID} if truncate_to_seconds(self.base + at) < running.active.started_at else set()
            )
        body = {"task_id": task_id, "note": note, **({} if at == NOW else {"at": self.to_text(at)})}
        response = self.send(
            "switch",
            ("POST", "/timer/switch"),
            body,
            policy=policy,
            if_match=(if_match, running or task),
            expected_errors=expected_errors,
            is_noop=is_same_task,
        )
        if response is None or task is None:
            return
        stopped, started = response.json()["stopped"], response.json()["started"]
        assert (stopped is None) == (running is None or is_same_task)
        if not is_same_task:
            instant = self.resolve_instant(at, started["entry"]["started_at"], began)
            if running:
                ended = owner.end(running, instant, policy or owner.policy)
                assert {**stopped["entry"], **ended.to_response(running.id)} == stopped["entry"]
                assert stopped["tracked_seconds"] == running.tracked_seconds
            self.start_timer(task, body, started["entry"], instant)
        self.assert_entry(response, task, started["entry"], task.active)

    @rule(user=users, policy=policies, if_match=if_matches)
    def resume(self, user: int, policy: str | None, if_match: str | None) -> None:
        self.user, owner, began = user, self.owners[user], datetime.now(UTC)
        running, last = owner.running(), owner.last_ended_entries()
        expected_errors: ExpectedErrors = set() if last else {model.NOTHING_TO_RESUME}
        if running and not any(task is running for task, _ in last):
            expected_errors.add(model.OTHER_TIMER_RUNNING)
        is_ambiguous = len({task.id for task, _ in last}) > 1
        if is_ambiguous and (running or if_match):
            return  # the service may resume any of them
        candidate = last[0][0] if last else None
        response = self.send(
            "resume",
            ("POST", "/timer/resume"),
            policy=policy,
            if_match=(if_match, candidate),
            expected_errors=expected_errors,
            is_noop=running is not None,
        )
        if response is None:
            return
        response_entry = response.json()["entry"]
        assert response.status_code == (200 if running else 201)
        if running:
            self.assert_entry(response, running, response_entry, running.active)
            return
        resumed_fields = {name: response_entry[name] for name in ("note", "tags", "billable")}
        (task, *_) = [
            task
            for task, entry in last
            if task.id == response_entry["task_id"]
            and resumed_fields == {"note": entry.note, "tags": entry.tags, "billable": entry.billable}
        ]
        self.start_timer(
            task, resumed_fields, response_entry, self.resolve_instant(NOW, response_entry["started_at"], began)
        )
        self.assert_entry(response, task, response_entry, task.active)

    @rule(
        user=users,
        body=st.fixed_dictionaries({}, optional={**entry_fields, "started_at": past_offsets}),
        policy=policies,
        if_match=if_matches,
    )
    def update_timer(self, user: int, body: Json, policy: str | None, if_match: str | None) -> None:
        self.user, owner = user, self.owners[user]
        task, effective_policy, overlaps = owner.running(), policy or owner.policy, set[tuple[str, str, int]]()
        if task and task.active and "started_at" in body:
            start = truncate_to_seconds(self.base + body["started_at"])
            overlaps = owner.overlaps(start, truncate_to_seconds(datetime.now(UTC)), exclude=task.active.id)
        expected_errors: ExpectedErrors = set() if task else {model.NO_TIMER}
        if overlaps and effective_policy == "forbid":
            expected_errors.add(model.OVERLAP)
        response = self.send(
            "correct",
            ("PATCH", "/timer"),
            self.with_instants(body),
            policy=policy,
            if_match=(if_match, task),
            expected_errors=expected_errors,
            is_noop=not body,
        )
        if response is None or task is None or task.active is None:
            return
        self.apply_fields(task.active, body)
        task.version += bool(body)
        if "started_at" in body:
            self.assert_overlaps(response.json(), effective_policy, overlaps)
        self.assert_entry(response, task, response.json()["entry"], task.active)

    @rule(user=users, policy=policies, if_match=if_matches)
    def discard(self, user: int, policy: str | None, if_match: str | None) -> None:
        self.user, owner = user, self.owners[user]
        task = owner.running()
        expected_errors: ExpectedErrors = set() if task else {model.NO_TIMER}
        response = self.send(
            "discard", ("DELETE", "/timer"), policy=policy, if_match=(if_match, task), expected_errors=expected_errors
        )
        if response is None or task is None or task.active is None:
            return
        stored = self.service.stored_entry(task.active.id)
        entry = task.active
        entry.ended_at, entry.needs_review = stored["ended_at"].replace(tzinfo=UTC), stored["needs_review"]
        assert self.step_began <= entry.ended_at <= datetime.now(UTC)
        owner.deleted[entry.id] = (task.id, entry)
        task.active = None
        task.version += 1
