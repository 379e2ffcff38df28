"""The response models match the responses exactly."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from routes.health import Health
from services.accounts.schemas.users import TokenRead, UserRead
from services.reporting.schemas import (
    RecentTask,
    ReportRow,
    ReportSlice,
    SummaryRead,
    SummaryRow,
    TimesheetRead,
    TimesheetRow,
    TodayRead,
)
from services.tracking.schemas.entries import EntryPage, EntryRead
from services.tracking.schemas.projects import ProjectPage, ProjectRead
from services.tracking.schemas.tags import TagPage, TagRead, TagRenameResult
from services.tracking.schemas.tasks import TaskPage, TaskRead, TaskWithEntries
from services.tracking.schemas.timer import TimerRead, TimerStopResult
from services.transfer.schemas.imports import ImportPage, ImportRead, ImportUndoResult
from tests.conftest import MakeUser
from tests.support.http import PASSWORD, Client, ago


def refuses_more_and_less(shape: Any, raw: bytes) -> None:
    """The answer matches the shape exactly: with a member more, or one less, it would not."""
    adapter = TypeAdapter(shape)
    adapter.validate_json(raw, strict=True)
    answer = json.loads(raw)
    with pytest.raises(ValidationError, match="extra_forbidden"):
        adapter.validate_python({**answer, "more": 1})
    for name in answer:
        with pytest.raises(ValidationError, match="missing"):
            adapter.validate_python({key: value for key, value in answer.items() if key != name})


class TestTheShapes:
    async def test_match_what_the_service_answers_exactly(self, make_user: MakeUser, alice: Client) -> None:
        task = await alice.make_task(description="d", tags=["a"], priority=1, due_at="2026-12-01T12:00:00Z")
        at = f"/tasks/{task['id']}"
        refuses_more_and_less(TaskRead, (await alice.patch(at, json={})).content)
        started = await alice.post("/timer/start", json={"task_id": task["id"], "note": "n"})
        refuses_more_and_less(TimerRead, started.content)
        refuses_more_and_less(EntryRead, json.dumps(started.json()["entry"]).encode())
        refuses_more_and_less(TaskWithEntries, (await alice.get(at)).content)
        stopped = await alice.post("/timer/stop")
        refuses_more_and_less(TimerStopResult, stopped.content)
        refuses_more_and_less(EntryRead, json.dumps(stopped.json()["entry"]).encode())
        refuses_more_and_less(TaskWithEntries, (await alice.get(at)).content)
        refuses_more_and_less(TaskPage, (await alice.get("/tasks")).content)
        week = {"from": ago(days=3), "to": ago(days=-3)}
        summary = await alice.get("/reports/summary", params=week)
        refuses_more_and_less(SummaryRead, summary.content)
        explained = await alice.get("/reports/summary", params={**week, "group_by": "task,day", "explain": "true"})
        (row,) = explained.json()["rows"]
        for kind, shown in ((SummaryRow, row), (ReportRow, row["rows"][0]), (ReportSlice, row["rows"][0]["slices"][0])):
            TypeAdapter(kind).validate_json(json.dumps(shown), strict=True)
        timesheet = await alice.get("/reports/timesheet")
        refuses_more_and_less(TimesheetRead, timesheet.content)
        refuses_more_and_less(TimesheetRow, json.dumps(timesheet.json()["rows"][0]).encode())
        today = await alice.get("/reports/today")
        refuses_more_and_less(TodayRead, today.content)
        refuses_more_and_less(RecentTask, json.dumps(today.json()["recent_tasks"][0]).encode())
        project = await alice.post("/projects", json={"name": "Website"})
        refuses_more_and_less(ProjectRead, project.content)
        rerated = await alice.patch(f"/projects/{project.json()['id']}", json={}, params={"rerate": "true"})
        assert rerated.json() == {**project.json(), "rerated_entries": 0}
        refuses_more_and_less(ProjectPage, (await alice.get("/projects")).content)
        tags = await alice.get("/tags")
        refuses_more_and_less(TagPage, tags.content)
        refuses_more_and_less(TagRead, json.dumps(tags.json()["items"][0]).encode())
        renamed = await alice.post("/tags/rename", json={"from": "a", "to": "b"})
        refuses_more_and_less(TagRenameResult, renamed.content)
        refuses_more_and_less(EntryPage, (await alice.get("/time-entries")).content)
        refuses_more_and_less(EntryPage, (await alice.get(f"{at}/time-entries")).content)
        line = "2026-11-02 09:00,2026-11-02 10:00,Mail"
        made = await alice.read_in(line)
        refuses_more_and_less(ImportRead, json.dumps(made).encode())
        refuses_more_and_less(ImportPage, (await alice.get("/imports")).content)
        refuses_more_and_less(ImportUndoResult, (await alice.delete(f"/imports/{made['id']}")).content)
        refuses_more_and_less(UserRead, (await alice.get("/users/me")).content)
        bob = await make_user("bob@example.com")
        form = {"username": "bob@example.com", "password": PASSWORD}
        refuses_more_and_less(TokenRead, (await bob.post("/auth/token", data=form)).content)

    async def test_match_the_health_too(self, address: str) -> None:
        async with Client(base_url=address) as client:
            refuses_more_and_less(Health, (await client.get("/health")).content)
