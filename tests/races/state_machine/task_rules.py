"""The rules of the state machine about tasks."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.races.state_machine import model
from tests.races.state_machine.machine import Machine
from tests.races.state_machine.model import Task
from tests.races.state_machine.strategies import matches, picks, said_of_a_task, users
from tests.support.http import Json


class TaskRules(Machine):
    """The requests about tasks."""

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

    @rule(who=users, policy=st.sampled_from(["allow", "warn", "forbid"]))
    def prefer(self, who: int, policy: str) -> None:
        self.last = who
        preferences = {"preferences": {"overlap_policy": policy}}
        assert self.ask("prefer", ("PATCH", "/users/me"), preferences, refused=set())
        self.owners[who].policy = policy
