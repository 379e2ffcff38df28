"""The rules of the state machine about tasks."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.races.state_machine import model
from tests.races.state_machine.machine import Machine
from tests.races.state_machine.model import Task
from tests.races.state_machine.strategies import if_matches, picks, task_fields, users
from tests.support.http import Json


class TaskRules(Machine):
    """The requests about tasks."""

    @rule(user=users, body=task_fields)
    def make_task(self, user: int, body: Json) -> None:
        self.user = user
        body = {"title": "New", **body}
        response = self.send("make a task", ("POST", "/tasks"), body, expected_errors=set())
        assert response is not None
        defaults = {"status": "pending", "tags": [], "billable": False, "priority": None}
        task = Task(response.json()["id"], {**defaults, **body})
        self.owners[user].tasks[task.id] = task

    @rule(user=users, pick=picks, body=task_fields, if_match=if_matches)
    def change_task(self, user: int, pick: int, body: Json, if_match: str | None) -> None:
        self.user, task_id = user, self.pick_task(user, pick)
        task = self.owners[user].task(task_id)
        expected_errors = set() if task else {model.NO_TASK}
        response = self.send(
            "change a task",
            ("PATCH", f"/tasks/{task_id}"),
            body,
            if_match=(if_match, task),
            expected_errors=expected_errors,
            is_noop=not body,
        )
        if response is None or task is None:
            return
        task.fields |= body
        if task.active and body.get("status") in {"pending", "completed"}:
            self.end_timer(user, task)
        elif body:
            task.version += 1
        assert response.headers["etag"] == f'"{task.version}"'

    @rule(user=users, pick=picks, if_match=if_matches)
    def trash_task(self, user: int, pick: int, if_match: str | None) -> None:
        self.user, task_id = user, self.pick_task(user, pick)
        task = self.owners[user].task(task_id)
        expected_errors = set() if task else {model.NO_TASK}
        response = self.send(
            "trash a task", ("DELETE", f"/tasks/{task_id}"), if_match=(if_match, task), expected_errors=expected_errors
        )
        if response is None or task is None:
            return
        if task.active:
            entry = task.active
            self.end_timer(user, task)
            # Overlaps with other entries of the task being deleted may or may not require a review.
            entry.needs_review = entry.needs_review or self.service.stored_entry(entry.id)["needs_review"]
        else:
            task.version += 1
        task.is_deleted = True

    @rule(user=users, pick=picks, if_match=if_matches)
    def restore_task(self, user: int, pick: int, if_match: str | None) -> None:
        self.user, task_id = user, self.pick_task(user, pick)
        task = self.owners[user].tasks.get(task_id)
        expected_errors = set() if task else {model.NO_TASK}
        response = self.send(
            "restore a task",
            ("POST", f"/tasks/{task_id}/restore"),
            if_match=(if_match, task),
            expected_errors=expected_errors,
            is_noop=bool(task and not task.is_deleted),
        )
        if response is not None and task is not None and task.is_deleted:
            task.is_deleted = False
            task.version += 1

    @rule(user=users, policy=st.sampled_from(["allow", "warn", "forbid"]))
    def set_overlap_policy(self, user: int, policy: str) -> None:
        self.user = user
        preferences = {"preferences": {"overlap_policy": policy}}
        assert self.send("prefer", ("PATCH", "/users/me"), preferences, expected_errors=set())
        self.owners[user].policy = policy
