"""Updating and resuming the timer."""

import asyncio

import pytest

from tests.conftest import Database
from tests.support.http import Client, Json, ago, at, pointers, problem
from tests.support.pages.inserting import insert_paged
from tests.support.stored_documents import NINE, ended_entry, remove_stored_responses


class TestUpdateTimer:
    async def test_update_keeps_fields_that_are_not_sent(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, note="first", tags=["a"])
        response = await alice.patch("/timer", json={"started_at": "2026-11-18T09:00:00.9+01:00", "billable": True})
        assert response.status_code == 200
        assert response.headers["etag"] == '"3"'
        entry = response.json()["entry"]
        changed = {"started_at": "2026-11-18T08:00:00Z", "billable": True, "updated_at": entry["updated_at"]}
        assert entry == {**timer["entry"], **changed}
        assert (await alice.read(task))["active"] == entry

    async def test_null_clears_only_the_note(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), note="first")
        assert (await alice.patch("/timer", json={"note": None})).json()["entry"]["note"] is None
        for field in ("started_at", "tags", "billable"):
            assert pointers(await alice.patch("/timer", json={field: None})) == {f"#/{field}"}

    async def test_empty_update_changes_nothing(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task())
        response = await alice.patch("/timer", json={})
        assert response.json()["entry"] == timer["entry"]
        assert response.headers["etag"] == '"2"'

    async def test_stopped_entry_has_the_updated_start(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        await alice.patch("/timer", json={"started_at": "2026-11-18T09:00:00Z", "tags": ["Late"], "note": "all day"})
        stopped = await alice.stop(ended_at="2026-11-18T10:00:00Z")
        assert stopped["tracked_seconds"] == 3600
        assert (stopped["entry"]["tags"], stopped["entry"]["note"]) == (["late"], "all day")

    async def test_start_up_to_60_seconds_ahead_counts_as_now_and_later_is_422(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), started_at=ago(hours=1))
        refused = await alice.patch("/timer", json={"started_at": ago(seconds=-90)})
        assert pointers(refused, "in_the_future") == {"#/started_at"}
        response = await alice.patch("/timer", json={"started_at": ago(seconds=-50)})
        assert response.json()["elapsed_seconds"] <= 30

    async def test_update_without_a_running_timer_is_404(self, alice: Client, bob: Client) -> None:
        await bob.start(await bob.make_task())
        problem(await alice.patch("/timer", json={"note": "x"}), 404, "no_running_timer")

    async def test_stale_if_match_changes_nothing(self, alice: Client) -> None:
        timer = await alice.start(await alice.make_task())
        response = await alice.patch("/timer", json={"note": "x"}, headers={"If-Match": '"1"'})
        problem(response, 412, "stale_version")
        assert (await alice.get("/timer")).json()["entry"] == timer["entry"]

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"started_at": "2026-11-18T09:00:00"}, "#/started_at"),
            ({"note": "n" * 5001}, "#/note"),
            ({"tags": ["a", 1]}, "#/tags/1"),
            ({"billable": 1}, "#/billable"),
            ({"ended_at": "2026-11-18T09:00:00Z"}, "#/ended_at"),
        ],
    )
    async def test_invalid_input_is_422_with_pointer(self, alice: Client, body: Json, pointer: str) -> None:
        await alice.start(await alice.make_task())
        assert pointers(await alice.patch("/timer", json=body)) == {pointer}

    async def test_update_concurrent_with_a_stop_is_not_lost(self, alice: Client, database: Database) -> None:
        for number in range(8):
            task = await alice.make_task(title=str(number))
            await alice.start(task, started_at="2026-11-18T09:00:00Z")
            corrected, _ = await asyncio.gather(
                alice.patch("/timer", json={"started_at": "2026-11-18T08:00:00Z"}),
                alice.post("/timer/stop", json={"ended_at": "2026-11-18T10:00:00Z"}),
            )
            stored = await alice.read(task)
            hours = 2 if corrected.status_code == 200 else 1
            assert corrected.status_code in {200, 404}
            assert stored["tracked_seconds"] == stored["time_entries"][0]["duration_seconds"] == hours * 3600
        assert await database.tasks.count_documents({"active": {"$exists": True}}) == 0

    async def test_concurrent_updates_lose_no_field(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        changes: list[Json] = [{"note": "n"}, {"tags": ["t"]}, {"billable": True}, {"started_at": ago(hours=2)}]
        responses = await asyncio.gather(*(alice.patch("/timer", json=change) for change in changes))
        assert {response.status_code for response in responses} == {200}
        timer = (await alice.get("/timer")).json()
        assert (timer["entry"]["note"], timer["entry"]["tags"], timer["entry"]["billable"]) == ("n", ["t"], True)
        assert timer["elapsed_seconds"] >= 7200


@pytest.mark.usefixtures("entry_storage")
class TestResumeTimer:
    async def test_resume_starts_the_last_tracked_task_with_its_fields(self, alice: Client) -> None:
        first, second = await alice.make_task(title="first"), await alice.make_task(title="second")
        await alice.start(first, started_at="2026-11-18T11:00:00Z", note="last one", tags=["x"], billable=True)
        await alice.stop(ended_at="2026-11-18T12:00:00Z")
        await alice.start(first, started_at="2026-11-18T09:00:00Z", note="earlier")
        await alice.stop(ended_at="2026-11-18T09:30:00Z")
        await alice.start(second, started_at="2026-11-18T10:00:00Z")
        await alice.stop(ended_at="2026-11-18T11:00:00Z")
        response = await alice.post("/timer/resume")
        assert response.status_code == 201
        timer = response.json()
        assert timer["task_title"] == "first"
        entry = timer["entry"]
        assert (entry["note"], entry["tags"], entry["billable"]) == ("last one", ["x"], True)
        assert entry["ended_at"] is None
        assert timer["elapsed_seconds"] <= 30

    async def test_stale_if_match_starts_no_timer(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.stop()
        problem(await alice.post("/timer/resume", headers={"If-Match": '"2"'}), 412, "stale_version")
        assert (await alice.get("/timer")).status_code == 204
        assert (await alice.post("/timer/resume", headers={"If-Match": '"3"'})).status_code == 201

    async def test_completed_task_is_reopened(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.patch(f"/tasks/{task['id']}", json={"status": "completed"})
        assert (await alice.post("/timer/resume")).status_code == 201
        assert (await alice.read(task))["status"] == "in_progress"

    async def test_resume_without_tracked_time_is_404(self, alice: Client, bob: Client) -> None:
        await bob.start(await bob.make_task())
        await bob.stop()
        await alice.make_task()
        problem(await alice.post("/timer/resume"), 404, "nothing_to_resume")

    async def test_resume_ignores_trashed_tasks(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.post("/timer/resume"), 404, "nothing_to_resume")

    async def test_resume_with_another_running_timer_is_refused(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        await alice.start(task)
        await alice.stop()
        timer = await alice.start(other)
        refused = problem(await alice.post("/timer/resume"), 409, "timer_already_running")
        assert refused["running"]["entry"] == timer["entry"]

    async def test_concurrent_resumes_start_one_timer(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        await alice.stop()
        responses = await asyncio.gather(*(alice.post("/timer/resume") for _ in range(20)))
        assert sorted(response.status_code for response in responses) == [200] * 19 + [201]
        assert len({response.json()["entry"]["id"] for response in responses}) == 1

    async def test_retried_resume_returns_the_first_response(self, alice: Client, database: Database) -> None:
        task, key = await alice.make_task(), {"Idempotency-Key": "go-on"}
        entry = await alice.write(task)
        first = await alice.post("/timer/resume", headers=key)
        assert first.status_code == 201
        assert (await alice.delete("/timer")).status_code == 204
        assert (await alice.delete(at(entry))).status_code == 204
        again = await alice.post("/timer/resume", headers=key)
        assert (again.status_code, again.content) == (201, first.content)
        await remove_stored_responses(database)
        repeated = await alice.post("/timer/resume", headers=key)
        assert (repeated.status_code, repeated.json()["entry"]["id"]) == (201, first.json()["entry"]["id"])
        assert (await alice.get("/timer")).status_code == 204


class TestResumeWithoutThePage:
    async def test_last_entry_in_a_missing_page_is_404(self, alice: Client, database: Database) -> None:
        await insert_paged(database, alice, [ended_entry(at=NINE)], [])
        await database.task_pages.delete_many({})
        problem(await alice.post("/timer/resume"), 404, "nothing_to_resume")
