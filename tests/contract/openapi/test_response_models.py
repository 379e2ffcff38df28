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
    SummariesRead,
    SummaryRead,
    SummaryRow,
    TimesheetRead,
    TimesheetRow,
    TodayRead,
)
from services.tracking.schemas.entries import EntryPage, EntryRead, EntryWithTask, EntryWithTaskPage
from services.tracking.schemas.projects import ProjectPage, ProjectRead
from services.tracking.schemas.tags import TagPage, TagRead, TagRenameResult
from services.tracking.schemas.tasks import TaskPage, TaskRead, TaskWithEntries
from services.tracking.schemas.timer import TimerRead, TimerStopResult
from services.transfer.schemas.imports import ImportPage, ImportRead, ImportUndoResult
from tests.conftest import MakeUser
from tests.support.http import PASSWORD, Client, ago


def assert_exact_model(model: Any, raw: bytes, *, optional: str = "") -> None:
    """Assert that the model accepts the body, and neither more nor fewer members, except for an optional one."""
    adapter = TypeAdapter(model)
    adapter.validate_json(raw, strict=True)
    body = json.loads(raw)
    with pytest.raises(ValidationError, match="extra_forbidden"):
        adapter.validate_python({**body, "more": 1})
    for name in body.keys() - {optional}:
        with pytest.raises(ValidationError, match="missing"):
            adapter.validate_python({key: value for key, value in body.items() if key != name})


class TestResponseModels:
    async def test_tasks_entries_and_timer_match_their_models(self, alice: Client) -> None:
        task = await alice.make_task(description="d", tags=["a"], priority=1, due_at="2026-12-01T12:00:00Z")
        at = f"/tasks/{task['id']}"
        assert_exact_model(TaskRead, (await alice.patch(at, json={})).content)
        started = await alice.post("/timer/start", json={"task_id": task["id"], "note": "n"})
        assert_exact_model(TimerRead, started.content)
        assert_exact_model(EntryRead, json.dumps(started.json()["entry"]).encode())
        assert_exact_model(TaskWithEntries, (await alice.get(at)).content)
        stopped = await alice.post("/timer/stop")
        assert_exact_model(TimerStopResult, stopped.content)
        assert_exact_model(EntryRead, json.dumps(stopped.json()["entry"]).encode())
        assert_exact_model(TaskWithEntries, (await alice.get(at)).content)
        assert_exact_model(TaskPage, (await alice.get("/tasks")).content)
        listed = await alice.get("/time-entries")
        assert_exact_model(EntryWithTaskPage, listed.content)
        assert_exact_model(EntryWithTask, json.dumps(listed.json()["items"][0]).encode())
        assert_exact_model(EntryPage, (await alice.get(f"{at}/time-entries")).content)

    async def test_reports_match_their_models(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        await alice.stop()
        week = {"from": ago(days=3), "to": ago(days=-3)}
        summary = await alice.get("/reports/summary", params=week)
        assert_exact_model(SummaryRead, summary.content)
        explained = await alice.get("/reports/summary", params={**week, "group_by": "task,day", "explain": "true"})
        (row,) = explained.json()["rows"]
        for model, part in ((SummaryRow, row), (ReportRow, row["rows"][0]), (ReportSlice, row["rows"][0]["slices"][0])):
            TypeAdapter(model).validate_json(json.dumps(part), strict=True)
        summaries = await alice.get("/reports/summaries", params={**week, "group_by": ["day", "task"]})
        assert_exact_model(SummariesRead, summaries.content)
        timesheet = await alice.get("/reports/timesheet")
        assert_exact_model(TimesheetRead, timesheet.content)
        assert_exact_model(TimesheetRow, json.dumps(timesheet.json()["rows"][0]).encode())
        today = await alice.get("/reports/today")
        assert_exact_model(TodayRead, today.content)
        assert_exact_model(RecentTask, json.dumps(today.json()["recent_tasks"][0]).encode())

    async def test_projects_and_tags_match_their_models(self, alice: Client) -> None:
        await alice.make_task(tags=["a"])
        project = await alice.post("/projects", json={"name": "Website"})
        assert_exact_model(ProjectRead, project.content)
        rerated = await alice.patch(f"/projects/{project.json()['id']}", json={}, params={"rerate": "true"})
        assert rerated.json() == {**project.json(), "rerated_entries": 0}
        assert_exact_model(ProjectPage, (await alice.get("/projects")).content)
        tags = await alice.get("/tags")
        assert_exact_model(TagPage, tags.content)
        assert_exact_model(TagRead, json.dumps(tags.json()["items"][0]).encode())
        renamed = await alice.post("/tags/rename", json={"from": "a", "to": "b"})
        assert_exact_model(TagRenameResult, renamed.content)

    async def test_imports_match_their_models(self, alice: Client) -> None:
        batch = await alice.import_csv("2026-11-02 09:00,2026-11-02 10:00,Mail")
        assert_exact_model(ImportRead, json.dumps(batch).encode())
        assert_exact_model(ImportPage, (await alice.get("/imports")).content)
        assert_exact_model(ImportUndoResult, (await alice.delete(f"/imports/{batch['id']}")).content)

    async def test_accounts_match_their_models(self, make_user: MakeUser, alice: Client) -> None:
        assert_exact_model(UserRead, (await alice.get("/users/me")).content)
        bob = await make_user("bob@example.com")
        form = {"username": "bob@example.com", "password": PASSWORD}
        signed_in = await bob.post("/auth/token", data=form)
        assert_exact_model(TokenRead, signed_in.content, optional="refresh_token")

    async def test_health_matches_its_model(self, address: str) -> None:
        async with Client(base_url=address) as client:
            assert_exact_model(Health, (await client.get("/health")).content)
