"""Stopping the timer, directly or by an update of its task."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Database, MakeUser
from tests.support.http import Client, Json, ago, instant, pointers, problem
from tests.support.pages.entry_storage import hot_only
from tests.support.pages.stored_tasks import read_task

pytestmark = pytest.mark.usefixtures("entry_storage")


def sorted_entries(entries: list[Json]) -> list[Json]:
    return sorted(entries, key=lambda entry: (entry["started_at"], entry["id"]))


class TestStopTimer:
    async def test_stop_returns_the_entry_and_the_total(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, started_at="2026-11-18T09:00:00Z")
        response = await alice.post("/timer/stop", json={"ended_at": "2026-11-18T09:30:00.700+00:00"})
        assert response.status_code == 200
        stopped = response.json()
        assert stopped["task_id"] == task["id"]
        assert stopped["task_title"] == task["title"]
        assert stopped["tracked_seconds"] == 1800
        entry = stopped["entry"]
        assert entry["id"] == timer["entry"]["id"]
        assert (entry["started_at"], entry["ended_at"]) == ("2026-11-18T09:00:00Z", "2026-11-18T09:30:00Z")
        assert entry["duration_seconds"] == 1800
        assert response.headers["etag"] == '"3"'

    async def test_stopped_entry_is_added_to_the_task(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task, started_at="2026-11-18T09:00:00Z")
        stopped = await alice.stop(ended_at="2026-11-18T10:00:00Z")
        await alice.start(task, started_at="2026-11-18T11:00:00Z")
        later = await alice.stop(ended_at="2026-11-18T11:15:00Z")
        stored = await alice.read(task)
        assert stored["active"] is None
        assert stored["time_entries"] == [later["entry"], stopped["entry"]]
        assert (stored["tracked_seconds"], stored["entry_count"], stored["version"]) == (4500, 2, 5)
        assert stored["status"] == "in_progress"

    async def test_entries_stay_sorted_by_start(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        for hour in (12, 9, 15):
            await alice.start(task, started_at=f"2026-11-18T{hour:02}:00:00Z")
            await alice.stop(ended_at=f"2026-11-18T{hour:02}:30:00Z")
        found = await alice.read(task)
        assert [entry["started_at"][11:13] for entry in found["time_entries"]] == ["15", "12", "09"]
        stored = await read_task(database, task)
        assert sorted(entry["started_at"].hour for entry in stored.entries) == [9, 12, 15]
        assert all(page["entries"] == sorted_entries(page["entries"]) for page in stored.pages)
        assert stored.hot == sorted_entries(stored.hot)
        assert (stored.row["first_started_at"].hour, stored.row["last_ended_at"].hour) == (9, 15)

    async def test_stop_without_a_body_succeeds(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        response = await alice.post("/timer/stop")
        assert response.status_code == 200
        assert response.json()["entry"]["ended_at"]

    async def test_empty_body_of_any_content_type_is_accepted(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await alice.post("/timer/stop", content=b"", headers=form)).status_code == 200

    async def test_valid_end_is_accepted_after_the_clock_was_set_back(self, alice: Client, database: Database) -> None:
        await alice.start(await alice.make_task())
        ahead = (datetime.now(UTC) + timedelta(seconds=20)).replace(microsecond=0)
        await database.tasks.update_one({"active": {"$exists": True}}, {"$set": {"active.started_at": ahead}})
        stopped = await alice.stop(ended_at=(ahead + timedelta(seconds=5)).isoformat())
        assert stopped["entry"]["duration_seconds"] == 0

    async def test_stop_without_a_running_timer_is_404(self, alice: Client) -> None:
        problem(await alice.post("/timer/stop"), 404, "no_running_timer")

    async def test_stop_with_entry_id_is_idempotent(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        first = await alice.stop(entry_id=timer["entry"]["id"])
        await alice.start(await alice.make_task(title="Next"))
        for body in ({}, {"task_id": task["id"]}):
            again = await alice.stop(entry_id=timer["entry"]["id"], **body)
            assert again["entry"] == first["entry"]
        assert (await alice.get("/timer")).json()["task_title"] == "Next"

    async def test_stop_with_entry_id_finds_the_entry_in_another_task(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task())
        first = await alice.stop()
        other = await alice.make_task(title="Other")
        again = await alice.stop(entry_id=timer["entry"]["id"], task_id=other["id"])
        assert again["entry"] == first["entry"]

    async def test_stop_with_entry_id_never_stops_another_timer(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        timer = await alice.start(task)
        problem(await alice.post("/timer/stop", json={"entry_id": "0" * 24}), 404, "entry_not_found")
        problem(await alice.post("/timer/stop", json={"entry_id": "nonsense"}), 404, "entry_not_found")
        refused = problem(await alice.post("/timer/stop", json={"task_id": other["id"]}), 404, "no_running_timer")
        assert refused["detail"] == "No timer is running on this task."
        problem(await alice.post("/timer/stop", json={"task_id": "0" * 24}), 404, "task_not_found")
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]
        assert (await alice.stop(task_id=task["id"]))["entry"]["id"] == timer["entry"]["id"]

    async def test_end_before_start_is_422_and_timer_keeps_running(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task(), started_at="2026-11-18T09:00:00Z")
        response = await alice.post("/timer/stop", json={"ended_at": "2026-11-18T08:59:59Z"})
        assert pointers(response) == {"#/ended_at"}
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    async def test_end_in_the_future_is_422_and_timer_keeps_running(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task())
        response = await alice.post("/timer/stop", json={"ended_at": ago(seconds=-90)})
        assert pointers(response, "in_the_future") == {"#/ended_at"}
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    async def test_end_up_to_60_seconds_ahead_counts_as_now(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        stopped = await alice.stop(ended_at=ago(seconds=-50))
        assert instant(stopped["entry"]["ended_at"]) <= datetime.now(UTC)

    async def test_entry_of_zero_seconds_is_stored(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task, started_at="2026-11-18T09:00:00Z")
        stopped = await alice.stop(ended_at="2026-11-18T09:00:00.900Z")
        assert stopped["entry"]["duration_seconds"] == 0
        assert (await alice.read(task))["entry_count"] == 1

    async def test_start_ahead_of_the_clock_gives_zero_seconds(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await alice.start(task)
        ahead = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
        await database.tasks.update_one({"title": task["title"]}, {"$set": {"active.started_at": ahead}})
        assert (await alice.get("/timer")).json()["elapsed_seconds"] == 0
        entry = (await alice.stop())["entry"]
        assert (entry["duration_seconds"], entry["ended_at"]) == (0, entry["started_at"])

    async def test_entry_over_the_cap_is_marked_for_review(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com")
        await carol.patch("/users/me", json={"preferences": {"timer_cap_hours": 2}})
        task = await carol.make_task()
        await carol.start(task, started_at="2026-11-18T09:00:00Z")
        at_the_cap = await carol.stop(ended_at="2026-11-18T11:00:00Z")
        assert at_the_cap["entry"]["needs_review"] is False
        await carol.start(task, started_at="2026-11-18T12:00:00Z")
        over = await carol.stop(ended_at="2026-11-18T14:00:01Z")
        assert over["entry"]["needs_review"] is True
        assert over["tracked_seconds"] == 2 * 7200 + 1

    async def test_existing_review_mark_is_kept(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await database.tasks.update_one({"title": task["title"]}, {"$set": {"active.needs_review": True}})
        assert (await alice.stop())["entry"]["needs_review"] is True

    async def test_entry_longer_than_a_month_is_stored(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), started_at="2025-01-01T00:00:00Z")
        stopped = await alice.stop(ended_at="2026-01-01T00:00:00Z")
        assert stopped["entry"]["duration_seconds"] == 365 * 86400
        assert stopped["entry"]["needs_review"] is True

    @pytest.mark.parametrize(("policy", "marked"), [("allow", False), ("warn", True), ("forbid", True)])
    async def test_overlapping_entry_is_marked_for_review_by_policy(
        self, alice: Client, policy: str, marked: bool
    ) -> None:
        await alice.patch("/users/me", json={"preferences": {"overlap_policy": policy}})
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        await alice.start(task, started_at="2026-11-18T09:00:00Z")
        await alice.stop(ended_at="2026-11-18T10:00:00Z")
        again = {"task_id": other["id"], "started_at": "2026-11-18T09:59:59Z"}
        assert (await alice.post("/timer/start", params={"overlap": "allow"}, json=again)).status_code == 201
        stopped = await alice.stop(ended_at="2026-11-18T11:00:00Z")
        assert stopped["entry"]["needs_review"] is marked
        await alice.start(other, started_at="2026-11-18T11:00:00Z")
        touching = await alice.stop(ended_at="2026-11-18T12:00:00Z")
        assert touching["entry"]["needs_review"] is False

    async def test_entries_of_another_user_do_not_overlap(self, alice: Client, bob: Client) -> None:
        await alice.patch("/users/me", json={"preferences": {"overlap_policy": "forbid"}})
        for client in (bob, alice):
            await client.start(await client.make_task(), started_at="2026-11-18T09:00:00Z")
            stopped = await client.stop(ended_at="2026-11-18T10:00:00Z")
        assert stopped["entry"]["needs_review"] is False

    async def test_trashed_entries_do_not_overlap(self, alice: Client) -> None:
        await alice.patch("/users/me", json={"preferences": {"overlap_policy": "forbid"}})
        trashed, task = await alice.make_task(), await alice.make_task(title="Other")
        await alice.start(trashed, started_at="2026-11-18T09:00:00Z")
        await alice.stop(ended_at="2026-11-18T10:00:00Z")
        await alice.delete(f"/tasks/{trashed['id']}")
        await alice.start(task, started_at="2026-11-18T09:00:00Z")
        stopped = await alice.stop(ended_at="2026-11-18T10:00:00Z")
        assert stopped["entry"]["needs_review"] is False

    async def test_stale_if_match_stops_no_timer(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task())
        response = await alice.post("/timer/stop", headers={"If-Match": '"1"'})
        problem(response, 412, "stale_version")
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]
        assert (await alice.post("/timer/stop", headers={"If-Match": '"2"'})).status_code == 200

    @hot_only
    @pytest.mark.parametrize(
        ("body", "pointer"),
        [({"ended_at": "2026-11-18T09:00:00"}, "#/ended_at"), ({"entry_id": 1}, "#/entry_id"), ({"x": 1}, "#/x")],
    )
    async def test_invalid_input_is_422_with_pointer(
        self, alice: Client, body: dict[str, object], pointer: str
    ) -> None:
        await alice.start(await alice.make_task())
        assert pointers(await alice.post("/timer/stop", json=body)) == {pointer}
        assert (await alice.get("/timer")).status_code == 200


class TestUpdateTrackedTask:
    @pytest.mark.parametrize("status", ["completed", "pending"])
    async def test_other_status_than_in_progress_stops_the_timer(self, alice: Client, status: str) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, started_at=ago(minutes=5))
        response = await alice.patch(f"/tasks/{task['id']}", json={"status": status, "title": "Done with"})
        changed = response.json()
        assert response.status_code == 200
        assert (changed["active"], changed["status"], changed["title"]) == (None, status, "Done with")
        assert changed["version"] == 3
        assert changed["entry_count"] == 1
        assert 300 <= changed["tracked_seconds"] <= 360
        assert (changed["completed_at"] is not None) == (status == "completed")
        (entry,) = (await alice.read(task))["time_entries"]
        assert entry["id"] == timer["entry"]["id"]
        assert (await alice.get("/timer")).status_code == 204

    async def test_status_in_progress_leaves_the_timer_running(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        await alice.patch(f"/tasks/{task['id']}", json={"status": "in_progress"})
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    async def test_move_to_trash_stops_the_timer_and_keeps_its_time(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, started_at=ago(minutes=5))
        assert (await alice.delete(f"/tasks/{task['id']}")).status_code == 204
        assert (await alice.get("/timer")).status_code == 204
        problem(await alice.post("/timer/stop", json={"entry_id": timer["entry"]["id"]}), 404, "entry_not_found")
        await alice.post(f"/tasks/{task['id']}/restore")
        stored = await alice.read(task)
        assert stored["entry_count"] == 1
        assert stored["tracked_seconds"] >= 300
        assert (await alice.stop(entry_id=timer["entry"]["id"]))["entry"] == stored["time_entries"][0]
