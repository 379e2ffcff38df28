"""Starting and reading the timer."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Database, MakeUser
from tests.support.http import Client, Json, ago, instant, pointers, problem


class TestStartTimer:
    async def test_start_returns_the_timer(self, alice: Client) -> None:
        task = await alice.make_task(billable=True)
        response = await alice.post(
            "/timer/start", json={"task_id": task["id"], "note": "first draft", "tags": ["Deep", "deep "]}
        )
        assert response.status_code == 201
        timer = response.json()
        assert timer["task_id"] == task["id"]
        assert timer["task_title"] == task["title"]
        assert timer["elapsed_seconds"] <= 30
        entry = timer["entry"]
        assert (entry["note"], entry["tags"], entry["billable"], entry["source"]) == (
            "first draft",
            ["deep"],
            True,
            "timer",
        )
        assert entry["ended_at"] is None
        assert entry["duration_seconds"] is None
        assert entry["needs_review"] is False
        assert instant(entry["started_at"]).microsecond == 0
        assert response.headers["etag"] == '"2"'

    async def test_started_timer_is_shown_by_task_and_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        stored = await alice.read(task)
        assert stored["active"] == timer["entry"]
        assert stored["status"] == "in_progress"
        assert stored["time_entries"] == []
        assert (stored["tracked_seconds"], stored["entry_count"], stored["version"]) == (0, 0, 2)
        response = await alice.get("/timer")
        assert response.json()["entry"] == timer["entry"]
        assert response.headers["etag"] == '"2"'

    async def test_answers_name_the_project_of_the_task(self, alice: Client) -> None:
        project = await alice.make_project()
        task = await alice.make_task(project_id=project["id"])
        timer = await alice.start(task)
        corrected = (await alice.patch("/timer", json={"note": "n"})).json()
        running = (await alice.get("/timer")).json()
        today = (await alice.get("/reports/today")).json()["timer"]
        other = await alice.make_task(title="Other")
        switched = (await alice.post("/timer/switch", json={"task_id": other["id"]})).json()
        answers = (timer, corrected, running, today, switched["stopped"])
        assert [answer["project_id"] for answer in answers] == [project["id"]] * 5
        assert switched["started"]["project_id"] is None
        assert (await alice.get("/timer")).json()["project_id"] is None

    async def test_billable_defaults_to_that_of_the_task(self, alice: Client) -> None:
        task = await alice.make_task(billable=True)
        timer = await alice.start(task, billable=False)
        assert timer["entry"]["billable"] is False

    async def test_entry_has_the_timezone_of_the_user(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com", timezone="Asia/Kathmandu")
        timer = await carol.start(await carol.make_task())
        assert timer["entry"]["timezone"] == "Asia/Kathmandu"

    async def test_completed_task_is_reopened(self, alice: Client) -> None:
        task = await alice.make_task(status="completed")
        assert task["completed_at"]
        await alice.start(task)
        stored = await alice.read(task)
        assert (stored["status"], stored["completed_at"]) == ("in_progress", None)

    async def test_start_in_the_past_is_accepted(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task(), started_at=ago(hours=1))
        assert 3600 <= timer["elapsed_seconds"] <= 3660

    async def test_start_is_truncated_to_seconds(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task(), started_at="2026-01-02T03:04:05.999+01:00")
        assert timer["entry"]["started_at"] == "2026-01-02T02:04:05Z"

    async def test_start_up_to_60_seconds_ahead_counts_as_now(self, alice: Client) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        timer = await alice.start(await alice.make_task(), started_at=ago(seconds=-50))
        assert before <= instant(timer["entry"]["started_at"]) <= datetime.now(UTC)

    async def test_start_in_the_future_is_422(self, alice: Client) -> None:
        task = await alice.make_task()
        response = await alice.post("/timer/start", json={"task_id": task["id"], "started_at": ago(seconds=-90)})
        assert pointers(response, "in_the_future") == {"#/started_at"}
        assert (await alice.get("/timer")).status_code == 204

    @pytest.mark.parametrize("target", [{"task_id": "0" * 24}, {"title": "New", "project_id": "0" * 24}])
    @pytest.mark.parametrize(("path", "field"), [("/timer/start", "started_at"), ("/timer/switch", "at")])
    async def test_instant_in_the_future_is_reported_before_a_missing_target(
        self, alice: Client, path: str, field: str, target: Json
    ) -> None:
        response = await alice.post(path, json={**target, field: ago(seconds=-90)})
        assert pointers(response, "in_the_future") == {f"#/{field}"}

    async def test_second_timer_is_refused_with_the_first_in_the_response(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task())
        other = await alice.make_task(title="Something else")
        response = await alice.post("/timer/start", json={"task_id": other["id"]})
        running = problem(response, 409, "timer_already_running")["running"]
        assert running["entry"] == timer["entry"]
        assert running["task_id"] == timer["task_id"]
        assert (await alice.read(other))["version"] == 1

    async def test_start_on_the_same_task_returns_its_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        response = await alice.post("/timer/start", json={"task_id": task["id"], "note": "again"})
        assert response.status_code == 200
        assert response.json()["entry"] == timer["entry"]

    async def test_start_on_a_trashed_task_is_404(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.post("/timer/start", json={"task_id": task["id"]}), 404, "task_not_found")

    @pytest.mark.parametrize("task_id", ["nonsense", "", "0" * 24, "é" * 12])
    async def test_start_on_a_missing_task_is_404(self, alice: Client, task_id: str) -> None:
        problem(await alice.post("/timer/start", json={"task_id": task_id}), 404, "task_not_found")

    async def test_stale_if_match_starts_no_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        response = await alice.post("/timer/start", json={"task_id": task["id"]}, headers={"If-Match": '"7"'})
        problem(response, 412, "stale_version")
        assert (await alice.get("/timer")).status_code == 204

    async def test_stale_if_match_is_412_when_the_timer_already_runs(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        for version, status in (("1", 412), ("2", 200)):
            headers = {"If-Match": f'"{version}"'}
            response = await alice.post("/timer/start", json={"task_id": task["id"]}, headers=headers)
            assert response.status_code == status

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "#"),
            ({"task_id": 7}, "#/task_id"),
            ({"task_id": "x", "note": "n" * 5001}, "#/note"),
            ({"task_id": "x", "note": "a\0b"}, "#/note"),
            ({"task_id": "x", "tags": [f"tag {number}" for number in range(11)]}, "#/tags"),
            ({"task_id": "x", "tags": ["  "]}, "#/tags/0"),
            ({"task_id": "x", "tags": ["t" * 51]}, "#/tags/0"),
            ({"task_id": "x", "billable": "yes"}, "#/billable"),
            ({"task_id": "x", "started_at": "2026-01-02T03:04:05"}, "#/started_at"),
            ({"task_id": "x", "started_at": "2026-01-02"}, "#/started_at"),
            ({"task_id": "x", "started_at": "2026-02-30T03:04:05Z"}, "#/started_at"),
            ({"task_id": "x", "started_at": "1969-12-31T23:59:59Z"}, "#/started_at"),
            ({"task_id": "x", "started_at": "9999-01-01T00:00:00Z"}, "#/started_at"),
            ({"task_id": "x", "started_at": "0001-01-01T00:00:00+14:00"}, "#/started_at"),
            ({"task_id": "x", "started_at": 1760000000}, "#/started_at"),
            ({"task_id": "x", "when": "now"}, "#/when"),
        ],
    )
    async def test_invalid_input_is_422_with_pointer(
        self, alice: Client, body: dict[str, object], pointer: str
    ) -> None:
        assert pointers(await alice.post("/timer/start", json=body)) == {pointer}


class TestGetTimer:
    async def test_timer_is_204_when_none_is_running(self, alice: Client) -> None:
        response = await alice.get("/timer")
        assert (response.status_code, response.content) == (204, b"")

    async def test_known_version_is_304(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        etag = (await alice.get("/timer")).headers["etag"]
        assert (await alice.get("/timer", headers={"If-None-Match": etag})).status_code == 304

    async def test_task_shows_its_newest_hundred_entries(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.stop()
        stored = await database.tasks.find_one({"title": task["title"]})
        assert stored is not None
        start = datetime(2026, 1, 1, tzinfo=UTC)
        entries = [
            {**stored["time_entries"][0], "note": str(number), "started_at": start + timedelta(hours=number)}
            for number in range(150)
        ]
        await database.tasks.update_one({"_id": stored["_id"]}, {"$set": {"time_entries": entries}})
        shown = (await alice.read(task))["time_entries"]
        assert [entry["note"] for entry in shown] == [str(number) for number in range(149, 49, -1)]
