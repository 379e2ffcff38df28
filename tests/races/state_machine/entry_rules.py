"""The rules of the state machine about time entries."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.races.state_machine import model
from tests.races.state_machine.machine import Machine
from tests.races.state_machine.model import Entry, ExpectedErrors, truncate_to_seconds
from tests.races.state_machine.strategies import (
    durations,
    entry_fields,
    entry_times,
    if_matches,
    past_offsets,
    picks,
    policies,
    users,
)
from tests.support.http import Json


class EntryRules(Machine):
    """The requests about time entries."""

    @rule(
        user=users,
        pick=picks,
        start=past_offsets,
        end=past_offsets | durations,
        body=st.fixed_dictionaries({}, optional=entry_fields),
        policy=policies,
        if_match=if_matches,
    )
    def create_entry(
        self, user: int, pick: int, start: timedelta, end: Any, body: Json, policy: str | None, if_match: str | None
    ) -> None:
        self.user, task_id, owner = user, self.pick_task(user, pick), self.owners[user]
        task, effective_policy = owner.task(task_id), policy or owner.policy
        ends = {"ended_at": end} if isinstance(end, timedelta) else {"duration_seconds": end}
        span = self.span({"started_at": start, **ends})
        overlaps = owner.overlaps(*span)
        expected_errors: ExpectedErrors = set() if task else {model.NO_TASK}
        if span[0] >= span[1]:
            expected_errors.add(model.INVALID)
        if overlaps and effective_policy == "forbid":
            expected_errors.add(model.OVERLAP)
        response = self.send(
            "create an entry",
            ("POST", f"/tasks/{task_id}/time-entries"),
            self.with_instants({"started_at": start, **ends, **body}),
            policy=policy,
            if_match=(if_match, task),
            expected_errors=expected_errors,
        )
        if response is None or task is None:
            return
        billable = bool(body.get("billable", task.fields["billable"]))
        entry = Entry(response.json()["id"], *span, body.get("note"), body.get("tags", []), billable, source="manual")
        task.entries[entry.id] = entry
        task.version += 1
        self.assert_overlaps(response.json(), effective_policy, overlaps)
        self.assert_entry(response, task, response.json(), entry)

    @rule(
        user=users,
        pick=picks,
        fields=st.fixed_dictionaries({}, optional={**entry_fields, "needs_review": st.booleans()}),
        times=entry_times,
        policy=policies,
        if_match=if_matches,
    )
    def change_entry(
        self, user: int, pick: int, fields: Json, times: Json, policy: str | None, if_match: str | None
    ) -> None:
        self.user, (entry_id, task_id), owner = user, self.pick_entry(user, pick), self.owners[user]
        task, entry, expected_errors = self.find_ended_entry(user, entry_id, task_id)
        effective_policy, overlaps, body = policy or owner.policy, set[tuple[str, str, int]](), {**fields, **times}
        if body.get("duration_seconds") == 0 or {"ended_at", "duration_seconds"} <= times.keys():
            expected_errors = expected_errors | {model.INVALID}
        span = None
        if entry and times and model.INVALID not in expected_errors:
            span = self.span(times, entry)
            expected_errors = expected_errors | ({model.INVALID} if span[0] >= span[1] else set())
            if span != (entry.started_at, entry.ended_at):
                overlaps = owner.overlaps(*span, exclude=entry_id)
        if overlaps and effective_policy == "forbid":
            expected_errors = expected_errors | {model.OVERLAP}
        response = self.send(
            "change an entry",
            ("PATCH", f"/tasks/{task_id}/time-entries/{entry_id}"),
            self.with_instants(body),
            policy=policy,
            if_match=(if_match, task),
            expected_errors=expected_errors,
            is_noop=not body,
        )
        if response is None or task is None or entry is None:
            return
        self.apply_fields(entry, body)
        if span:
            entry.started_at, entry.ended_at = span
            self.assert_overlaps(response.json(), effective_policy, overlaps)
        task.version += bool(body)
        self.assert_entry(response, task, response.json(), entry)

    @rule(user=users, pick=picks, policy=policies, if_match=if_matches)
    def delete_entry(self, user: int, pick: int, policy: str | None, if_match: str | None) -> None:
        self.user, (entry_id, task_id), owner = user, self.pick_entry(user, pick), self.owners[user]
        task, entry, expected_errors = self.find_ended_entry(user, entry_id, task_id)
        request = ("DELETE", f"/tasks/{task_id}/time-entries/{entry_id}")
        response = self.send(
            "delete an entry", request, policy=policy, if_match=(if_match, task), expected_errors=expected_errors
        )
        if response is None or task is None or entry is None:
            return
        owner.deleted[entry_id] = (task.id, task.entries.pop(entry_id))
        task.version += 1

    @rule(user=users, pick=picks, policy=policies, if_match=if_matches)
    def restore_entry(self, user: int, pick: int, policy: str | None, if_match: str | None) -> None:
        self.user, (entry_id, task_id), owner = user, self.pick_entry(user, pick), self.owners[user]
        task, overlaps, effective_policy = owner.task(task_id), set[tuple[str, str, int]](), policy or owner.policy
        deleted = owner.deleted.get(entry_id)
        expected_errors: ExpectedErrors = set()
        if deleted:
            entry = deleted[1]
            assert entry.ended_at is not None
            overlaps = owner.overlaps(entry.started_at, entry.ended_at)
            expected_errors |= {model.OVERLAP} if overlaps and effective_policy == "forbid" else set()
            expected_errors |= set() if task else {model.NO_TASK}
        elif not task or entry_id not in task.entries:
            # The entry was never deleted, or it is in a deleted task.
            expected_errors |= {model.NO_ENTRY, model.NO_TASK, model.TIMER_RUNNING}
        response = self.send(
            "restore an entry",
            ("POST", f"/time-entries/{entry_id}/restore"),
            policy=policy,
            if_match=(if_match, task),
            expected_errors=expected_errors,
            is_noop=not deleted,
        )
        if response is None or task is None:
            return
        if deleted:
            task.entries[entry_id] = owner.deleted.pop(entry_id)[1]
            task.version += 1
            self.assert_overlaps(response.json(), effective_policy, overlaps)
        self.assert_entry(response, task, response.json(), task.entries[entry_id])

    @rule(user=users, pick=picks, at=st.integers(1, 7) | past_offsets, policy=policies, if_match=if_matches)
    def split_entry(self, user: int, pick: int, at: Any, policy: str | None, if_match: str | None) -> None:
        self.user, (entry_id, task_id), owner = user, self.pick_entry(user, pick), self.owners[user]
        task, entry, expected_errors = self.find_ended_entry(user, entry_id, task_id)
        overlaps, effective_policy = set[tuple[str, str, int]](), policy or owner.policy
        instant = self.base + at if isinstance(at, timedelta) else self.base
        if entry and entry.ended_at:
            if isinstance(at, int):  # eighths of its duration
                instant = entry.started_at + timedelta(seconds=entry.seconds * at // 8)
            if not entry.started_at < truncate_to_seconds(instant) < entry.ended_at:
                expected_errors = expected_errors | {model.INVALID}
            overlaps = owner.overlaps(entry.started_at, entry.ended_at, exclude=entry_id)
            if overlaps and effective_policy == "forbid":
                expected_errors = expected_errors | {model.OVERLAP}
        response = self.send(
            "split an entry",
            ("POST", f"/tasks/{task_id}/time-entries/{entry_id}/split"),
            {"at": instant.isoformat()},
            policy=policy,
            if_match=(if_match, task),
            expected_errors=expected_errors,
        )
        if response is None or task is None or entry is None:
            return
        first, second = response.json()["first"], response.json()["second"]
        later = replace(entry, id=second["id"], started_at=truncate_to_seconds(instant))
        assert later.id not in owner.entry_ids()
        entry.ended_at = truncate_to_seconds(instant)
        task.entries[later.id] = later
        task.version += 1
        self.assert_overlaps(response.json(), effective_policy, overlaps)
        self.assert_entry(response, task, first, entry)
        self.assert_entry(response, task, second, later)

    @rule(user=users, pick=picks, target_pick=picks, policy=policies, if_match=if_matches)
    def move_entry(self, user: int, pick: int, target_pick: int, policy: str | None, if_match: str | None) -> None:
        self.user, (entry_id, task_id), owner = user, self.pick_entry(user, pick), self.owners[user]
        task, entry, expected_errors = self.find_ended_entry(user, entry_id, task_id)
        target_id, overlaps = self.pick_task(user, target_pick), set[tuple[str, str, int]]()
        effective_policy = policy or owner.policy
        target = owner.task(target_id)
        is_same_task = target is not None and target is task
        if target is None:
            expected_errors = expected_errors | {model.NO_TASK}
        if entry and entry.ended_at and not is_same_task:
            overlaps = owner.overlaps(entry.started_at, entry.ended_at, exclude=entry_id)
            if overlaps and effective_policy == "forbid":
                expected_errors = expected_errors | {model.OVERLAP}
        response = self.send(
            "move an entry",
            ("POST", f"/tasks/{task_id}/time-entries/{entry_id}/move"),
            {"task_id": target_id},
            policy=policy,
            if_match=(if_match, task),
            expected_errors=expected_errors,
            is_noop=is_same_task,
        )
        if response is None or task is None or target is None or entry is None:
            return
        if not is_same_task:
            target.entries[entry_id] = task.entries.pop(entry_id)
            task.version += 1
            target.version += 1
            self.assert_overlaps(response.json(), effective_policy, overlaps)
        self.assert_entry(response, target, response.json(), entry)
