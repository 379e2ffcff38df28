"""The rules of the state machine about time entries."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.races.state_machine import model
from tests.races.state_machine.machine import Machine
from tests.races.state_machine.model import Entry, Refusals, whole
from tests.races.state_machine.strategies import (
    lengths,
    matches,
    past,
    picks,
    policies,
    said_of_an_entry,
    times_of_an_entry,
    users,
)
from tests.support.http import Json


class EntryRules(Machine):
    """The requests about time entries."""

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
