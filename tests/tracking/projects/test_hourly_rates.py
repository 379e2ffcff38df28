"""The hourly rates of entries, which come from their project."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId

from documents.common.outbox import no_changes
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.tracking.rules.changes import describe_entries
from services.tracking.rules.rates import _rerate_task, rerate_project
from services.tracking.stop import build_ended_entry
from tests.support.http import LONG, Client, Json, parameters
from tests.tracking.projects.requests import (
    HIGHER_RATE,
    RATE,
    count_statuses,
    gather,
    get_project,
    list_rates,
    track_hour,
    update_project,
)


async def test_project_that_was_deleted_meanwhile_changes_no_rates(alice: Client) -> None:
    assert await rerate_project(alice.user["_id"], ObjectId()) == 0


@pytest.mark.usefixtures("entry_storage")
class TestHourlyRateOfEntry:
    async def test_entry_gets_the_rate_of_the_project_when_it_ends(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        timer = await alice.start(task)
        assert timer["entry"]["hourly_rate"] is None
        await update_project(alice, project, {"hourly_rate": HIGHER_RATE})
        assert (await alice.stop())["entry"]["hourly_rate"] == HIGHER_RATE

    async def test_rate_stays_when_the_project_is_changed_or_deleted(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        await track_hour(alice, task)
        await update_project(alice, project, {"hourly_rate": HIGHER_RATE})
        await track_hour(alice, task, 11)
        await update_project(alice, project, {"hourly_rate": None})
        await track_hour(alice, task, 13)
        await alice.delete(f"/projects/{project['id']}")
        await track_hour(alice, task, 15)
        assert await list_rates(alice, task) == [RATE, HIGHER_RATE, None, None]

    async def test_entry_that_is_not_billable_has_no_rate(self, alice: Client) -> None:
        project = await alice.make_project(hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        await track_hour(alice, task)
        await track_hour(alice, task, 11, billable=True)
        other = await alice.make_task(billable=True)
        assert (await track_hour(alice, other, 13))["hourly_rate"] is None
        assert await list_rates(alice, task) == [None, RATE]

    @pytest.mark.parametrize("status", ["completed", "pending"])
    async def test_entry_gets_the_rate_of_the_new_project_of_its_task(self, alice: Client, status: str) -> None:
        cheap = await alice.make_project(name="Cheap", billable=True, hourly_rate=RATE)
        dear = await alice.make_project(name="Dear", hourly_rate=HIGHER_RATE)
        task = await alice.make_task(project_id=cheap["id"])
        await alice.start(task)
        response = await alice.patch(f"/tasks/{task['id']}", json={"project_id": dear["id"], "status": status})
        assert response.status_code == 200
        assert await list_rates(alice, task) == [HIGHER_RATE]

    async def test_entry_that_the_trash_ends_gets_the_rate(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        await alice.start(task)
        await alice.delete(f"/tasks/{task['id']}")
        await alice.post(f"/tasks/{task['id']}/restore")
        assert await list_rates(alice, task) == [RATE]


@pytest.mark.usefixtures("entry_storage")
class TestRerate:
    async def test_rerate_applies_the_rate_to_ended_billable_entries(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        trashed = await alice.make_task(project_id=project["id"])
        elsewhere = await alice.make_task(billable=True)
        await track_hour(alice, task)
        await track_hour(alice, task, 11, billable=False)
        await track_hour(alice, trashed, 13)
        await track_hour(alice, elsewhere, 15)
        await alice.delete(f"/tasks/{trashed['id']}")
        changed = await update_project(
            alice, project, {"hourly_rate": {"amount": HIGHER_RATE["amount"]}}, rerate="true"
        )
        assert (changed["hourly_rate"], changed["rerated_entries"]) == (HIGHER_RATE, 2)
        await alice.post(f"/tasks/{trashed['id']}/restore")
        assert await list_rates(alice, task) == [HIGHER_RATE, None]
        assert await list_rates(alice, trashed) == [HIGHER_RATE]
        assert await list_rates(alice, elsewhere) == [None]
        after = await alice.read(task)
        assert (after["tracked_seconds"], after["entry_count"]) == (7200, 2)
        again = await update_project(alice, project, {}, rerate="true")
        assert again == {**changed, "rerated_entries": 0}
        assert await alice.read(task) == after

    async def test_rerate_clears_the_rate_of_the_entries(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        await track_hour(alice, task)
        changed = await update_project(alice, project, {"hourly_rate": None}, rerate="true")
        assert (changed["hourly_rate"], changed["rerated_entries"]) == (None, 1)
        assert await list_rates(alice, task) == [None]

    async def test_rerate_skips_a_task_that_left_the_project(self, alice: Client) -> None:
        project, other = await alice.make_project(hourly_rate=RATE), await alice.make_project(name="Other")
        task = await alice.make_task(project_id=other["id"])
        await track_hour(alice, task, billable=True)
        for task_id in (ObjectId(task["id"]), ObjectId()):
            assert await _rerate_task(alice.user["_id"], task_id, ObjectId(project["id"]), describe_entries(0)) == 0
        assert await list_rates(alice, task) == [None]

    @pytest.mark.parametrize("sent", [{}, {"rerate": "false"}])
    async def test_entries_keep_their_rate_without_rerate(self, alice: Client, sent: dict[str, str]) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        await track_hour(alice, task)
        assert "rerated_entries" not in await update_project(alice, project, {"hourly_rate": HIGHER_RATE}, **sent)
        assert await list_rates(alice, task) == [RATE]

    async def test_invalid_parameters_are_422_by_name(self, alice: Client) -> None:
        project = await alice.make_project()
        for sent in ({"rerate": "yes"}, {"dry_run": "true"}):
            response = await alice.patch(f"/projects/{project['id']}", json={"name": "New"}, params=sent)
            assert parameters(response) == set(sent)
        assert await get_project(alice, project) == project

    async def test_rerate_with_concurrent_stops_misses_no_entry(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        task = await alice.make_task(project_id=project["id"])
        amounts = range(1, 16 if LONG else 6)
        for amount in amounts:
            await alice.start(task, started_at="2026-11-18T09:00:00Z")
            responses = await gather(
                alice.post("/timer/stop", json={"ended_at": "2026-11-18T10:00:00Z"}),
                alice.patch(
                    f"/projects/{project['id']}", json={"hourly_rate": {"amount": amount}}, params={"rerate": "true"}
                ),
                alice.patch(f"/tasks/{task['id']}", json={"priority": amount % 5}),
            )
            assert count_statuses(responses) == {200: 3}
            assert await list_rates(alice, task) == [{**RATE, "amount": amount}] * amount
        assert (await alice.read(task))["tracked_seconds"] == 3600 * len(amounts)

    async def test_rerate_makes_a_concurrent_stop_retry(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        await alice.start(await alice.make_task(project_id=project["id"]))
        running = await Task.find_running(alice.user["_id"])
        assert running is not None
        user = ActingUser(alice.user["_id"], "UTC", "allow", timer_cap_hours=12, token_version=0, week_start=0)
        entry = await build_ended_entry(user, running, ended_at=datetime.now(UTC))
        assert (await update_project(alice, project, {"hourly_rate": HIGHER_RATE}, rerate="true"))[
            "rerated_entries"
        ] == 0
        assert await Task.stop_timer(running, entry, {}, no_changes) is None
        assert (await alice.stop())["entry"]["hourly_rate"] == HIGHER_RATE

    async def test_concurrent_rerates_end_with_the_rate_of_the_project(self, alice: Client) -> None:
        project = await alice.make_project(billable=True, hourly_rate=RATE)
        tasks = [await alice.make_task(project_id=project["id"]) for _ in range(4)]
        for hour, task in enumerate(tasks):
            await track_hour(alice, task, hour)
        for number in range(5 if LONG else 2):
            bodies: list[Json] = [{"hourly_rate": {"amount": number * 10 + step}} for step in range(3)]
            at = f"/projects/{project['id']}"
            await gather(*(alice.patch(at, json=body, params={"rerate": "true"}) for body in bodies))
            rate = (await get_project(alice, project))["hourly_rate"]
            assert [await list_rates(alice, task) for task in tasks] == [[rate]] * len(tasks)
