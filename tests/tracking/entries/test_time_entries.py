"""Creating and updating manual time entries."""

import asyncio

import pytest

from tests.conftest import Database, MakeUser
from tests.races.stored_time import assert_stored_time_is_consistent
from tests.support.http import Client, Json, ago, at, clock, instant, pointers, problem
from tests.support.pages.stored_tasks import read_entries
from tests.tracking.entries.requests import entries_path

pytestmark = pytest.mark.usefixtures("consistent_counters")
HOUR: Json = {"started_at": clock("09:00"), "ended_at": clock("10:00")}
RATE: Json = {"amount": 9000, "currency": "EUR"}
MONTH = 31 * 86_400


def ahead(**length: float) -> str:
    return ago(**{unit: -amount for unit, amount in length.items()})


async def project_task(client: Client) -> Json:
    """Create a task of a project with an hourly rate."""
    project = await client.make_project(hourly_rate=RATE)
    return await client.make_task(project_id=project["id"], billable=False)


class TestCreateEntry:
    async def test_create_returns_the_entry_with_location_and_task_version(self, alice: Client) -> None:
        task = await alice.make_task()
        response = await alice.post(entries_path(task), json=HOUR)
        assert response.status_code == 201
        entry = response.json()
        assert entry == {
            "id": entry["id"],
            "task_id": task["id"],
            **HOUR,
            "duration_seconds": 3600,
            "note": None,
            "tags": [],
            "billable": False,
            "source": "manual",
            "timezone": "UTC",
            "needs_review": False,
            "hourly_rate": None,
            "created_at": entry["created_at"],
            "updated_at": entry["created_at"],
        }
        assert response.headers["etag"] == '"2"'
        assert response.headers["location"].endswith(at(entry))
        assert (await alice.get(at(entry))).json() == entry

    async def test_entry_counts_in_its_task_without_changing_the_status(self, alice: Client) -> None:
        task = await alice.make_task()
        later = await alice.write(task, started_at=clock("12:00"), duration_seconds=60)
        first = await alice.write(task)
        stored = await alice.read(task)
        assert (stored["tracked_seconds"], stored["entry_count"], stored["version"]) == (3660, 2, 3)
        assert stored["time_entries"] == [later, first]
        assert stored["status"] == "pending"

    async def test_all_fields_are_stored(self, alice: Client) -> None:
        task = await alice.make_task()
        said = {"note": " as typed ", "tags": [" Deep ", "deep", "b"], "billable": True, "timezone": "Asia/Kolkata"}
        entry = await alice.write(task, **said)
        assert entry["tags"] == ["deep", "b"]
        assert (entry["note"], entry["billable"], entry["timezone"]) == (" as typed ", True, "Asia/Kolkata")

    async def test_instants_with_any_offset_are_truncated_to_seconds(self, alice: Client) -> None:
        sent = {"started_at": "2026-11-18T14:30:00.999+05:30", "ended_at": "2026-11-18T04:00:01.999-05:00"}
        entry = await alice.write(await alice.make_task(), **sent)
        assert (entry["started_at"], entry["ended_at"]) == (clock("09:00"), clock("09:00:01"))
        assert entry["duration_seconds"] == 1

    async def test_defaults_come_from_the_task_and_the_user(self, alice: Client) -> None:
        await alice.patch("/users/me", json={"timezone": "Europe/Berlin"})
        billable, free = await alice.make_task(billable=True), await alice.make_task()
        entry = await alice.write(billable)
        assert (entry["billable"], entry["timezone"]) == (True, "Europe/Berlin")
        assert (await alice.write(billable, billable=False))["billable"] is False
        assert (await alice.write(free))["billable"] is False

    async def test_billable_entry_gets_the_rate_of_the_project(self, alice: Client) -> None:
        task = await project_task(alice)
        assert (await alice.write(task, billable=True))["hourly_rate"] == RATE
        assert (await alice.write(task, billable=False))["hourly_rate"] is None
        assert (await alice.write(await alice.make_task(), billable=True))["hourly_rate"] is None

    async def test_create_succeeds_while_a_timer_runs_on_the_task(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task)
        await alice.write(task)
        stored = await alice.read(task)
        assert (stored["active"], stored["entry_count"]) == (timer["entry"], 1)
        assert (await alice.stop(entry_id=timer["entry"]["id"]))["entry"]["id"] == timer["entry"]["id"]

    @pytest.mark.parametrize("task_id", ["nonsense", "0" * 24])
    async def test_create_on_a_missing_task_is_404(self, alice: Client, task_id: str) -> None:
        problem(await alice.post(entries_path({"id": task_id}), json=HOUR), 404, "task_not_found")

    async def test_create_on_a_trashed_task_is_404(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        problem(await alice.post(entries_path(task), json=HOUR), 404, "task_not_found")

    async def test_stale_if_match_creates_nothing(self, alice: Client) -> None:
        task = await alice.make_task()
        problem(await alice.post(entries_path(task), json=HOUR, headers={"If-Match": '"2"'}), 412, "stale_version")
        assert (await alice.read(task))["entry_count"] == 0
        assert (await alice.post(entries_path(task), json=HOUR, headers={"If-Match": '"1"'})).status_code == 201

    async def test_twenty_concurrent_entries_are_all_stored(self, alice: Client) -> None:
        task = await alice.make_task()
        written = await asyncio.gather(*(alice.write(task, duration_seconds=60) for _ in range(20)))
        stored = await alice.read(task)
        assert {entry["id"] for entry in stored["time_entries"]} == {entry["id"] for entry in written}
        assert (stored["tracked_seconds"], stored["version"]) == (1200, 21)


class TestEntryInterval:
    @pytest.mark.parametrize(
        ("sent", "pointer"),
        [
            ({}, "#/ended_at"),
            ({"ended_at": None, "duration_seconds": None}, "#/ended_at"),
            ({"ended_at": clock("10:00"), "duration_seconds": 3600}, "#/duration_seconds"),
            ({"ended_at": clock("08:59:59")}, "#/ended_at"),
            ({"ended_at": clock("09:00")}, "#/ended_at"),
            ({"ended_at": "2026-11-18T09:00:00.999Z"}, "#/ended_at"),
            ({"duration_seconds": 0}, "#/duration_seconds"),
            ({"duration_seconds": -1}, "#/duration_seconds"),
            ({"duration_seconds": MONTH + 1}, "#/duration_seconds"),
            ({"started_at": "2026-10-18T08:59:59Z", "ended_at": clock("09:00")}, "#/ended_at"),
        ],
    )
    async def test_invalid_interval_is_422_and_stores_nothing(self, alice: Client, sent: Json, pointer: str) -> None:
        task = await alice.make_task()
        response = await alice.post(entries_path(task), json={"started_at": clock("09:00"), **sent})
        assert pointers(response) == {pointer}
        assert (await alice.read(task))["version"] == 1

    async def test_interval_is_at_most_31_days(self, alice: Client) -> None:
        task, began = await alice.make_task(), {"started_at": "2026-10-18T09:00:00Z"}
        for sent in ({"duration_seconds": MONTH}, {"ended_at": clock("09:00")}):
            assert (await alice.write(task, **began, **sent))["duration_seconds"] == MONTH

    async def test_interval_is_at_least_one_second(self, alice: Client) -> None:
        assert (await alice.write(await alice.make_task(), duration_seconds=1))["ended_at"] == clock("09:00:01")

    async def test_interval_ends_at_most_24_hours_from_now(self, alice: Client) -> None:
        task = await alice.make_task()
        planned = await alice.write(task, started_at=ahead(hours=23), ended_at=ahead(hours=23.9))
        for too_far in ({"ended_at": ahead(hours=24.1)}, {"duration_seconds": 90_000}):
            for response in (
                await alice.post(entries_path(task), json={"started_at": ago(), **too_far}),
                await alice.patch(at(planned), json=too_far),
            ):
                assert pointers(response, "in_the_future") == {f"#/{field}" for field in too_far}
        assert (await alice.read(task))["time_entries"] == [planned]

    async def test_interval_begins_in_1970_at_the_earliest(self, alice: Client) -> None:
        task = await alice.make_task()
        assert (await alice.write(task, started_at="1970-01-01T00:00:00Z"))["started_at"] == "1970-01-01T00:00:00Z"
        response = await alice.post(
            entries_path(task), json={"started_at": "1969-12-31T23:59:59Z", "duration_seconds": 1}
        )
        assert pointers(response) == {"#/started_at"}


@pytest.mark.usefixtures("entry_storage")
class TestUpdateEntry:
    @pytest.mark.parametrize(
        ("change", "shown"),
        [
            ({"started_at": clock("08:30")}, {"started_at": clock("08:30"), "duration_seconds": 5400}),
            ({"started_at": clock("09:59:59")}, {"started_at": clock("09:59:59"), "duration_seconds": 1}),
            ({"ended_at": clock("09:20")}, {"ended_at": clock("09:20"), "duration_seconds": 1200}),
            ({"duration_seconds": 60}, {"ended_at": clock("09:01"), "duration_seconds": 60}),
            (
                {"started_at": clock("14:00"), "duration_seconds": 60},
                {"started_at": clock("14:00"), "ended_at": clock("14:01"), "duration_seconds": 60},
            ),
            (
                {"started_at": clock("14:00"), "ended_at": clock("15:30")},
                {"started_at": clock("14:00"), "ended_at": clock("15:30"), "duration_seconds": 5400},
            ),
            ({"note": "other"}, {"note": "other"}),
            ({"note": None}, {"note": None}),
            ({"tags": ["X", "y"]}, {"tags": ["x", "y"]}),
            ({"tags": []}, {"tags": []}),
            ({"billable": True}, {"billable": True}),
            ({"timezone": "Europe/Berlin"}, {"timezone": "Europe/Berlin"}),
            ({"needs_review": True}, {"needs_review": True}),
        ],
    )
    async def test_update_keeps_fields_that_are_not_sent(self, alice: Client, change: Json, shown: Json) -> None:
        task = await alice.make_task()
        entry = await alice.write(task, note="n", tags=["t"])
        response = await alice.patch(at(entry), json=change)
        assert response.status_code == 200
        assert response.headers["etag"] == '"3"'
        changed = response.json()
        assert changed == {**entry, **shown, "updated_at": changed["updated_at"]}
        assert instant(changed["updated_at"]) > instant(entry["updated_at"])
        stored = await alice.read(task)
        assert stored["time_entries"] == [changed]
        assert (stored["tracked_seconds"], stored["version"]) == (changed["duration_seconds"], 3)

    async def test_entries_stay_sorted_by_start(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        first, second, third = [await alice.write(task, started_at=clock(f"{hour}:00")) for hour in (10, 12, 14)]
        await alice.patch(at(second), json={"started_at": clock("16:00"), "duration_seconds": 60})
        await assert_stored_time_is_consistent(database)
        await alice.patch(at(third), json={"started_at": clock("08:00"), "duration_seconds": 30_000})
        await assert_stored_time_is_consistent(database)
        shown = (await alice.read(task))["time_entries"]
        assert [entry["id"] for entry in shown] == [second["id"], first["id"], third["id"]]

    async def test_empty_update_changes_nothing(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task())
        response = await alice.patch(at(entry), json={})
        assert (response.json(), response.headers["etag"]) == (entry, '"2"')

    @pytest.mark.parametrize("field", ["started_at", "ended_at", "duration_seconds", "tags", "billable", "timezone"])
    async def test_null_clears_only_the_note(self, alice: Client, field: str) -> None:
        entry = await alice.write(await alice.make_task())
        assert pointers(await alice.patch(at(entry), json={field: None})) == {f"#/{field}"}

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"started_at": clock("10:00")}, "#/started_at"),
            ({"started_at": "2026-10-18T09:59:59Z"}, "#/started_at"),
            ({"ended_at": clock("09:00")}, "#/ended_at"),
            ({"ended_at": clock("08:00")}, "#/ended_at"),
            ({"ended_at": clock("11:00"), "duration_seconds": 7200}, "#/duration_seconds"),
            ({"duration_seconds": 0}, "#/duration_seconds"),
            ({"started_at": "2026-10-01T00:00:00Z", "ended_at": clock("11:00")}, "#/ended_at"),
            ({"id": "0" * 24}, "#/id"),
            ({"source": "timer"}, "#/source"),
            ({"hourly_rate": None}, "#/hourly_rate"),
        ],
    )
    async def test_invalid_input_is_422_with_pointer(self, alice: Client, change: Json, pointer: str) -> None:
        entry = await alice.write(await alice.make_task())
        assert pointers(await alice.patch(at(entry), json=change)) == {pointer}
        assert (await alice.get(at(entry))).json() == entry

    async def test_long_timer_entry_can_be_updated_when_its_time_stays(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), started_at="2026-01-01T00:00:00Z")
        entry = (await alice.stop(ended_at=clock("09:00")))["entry"]
        settled = await alice.patch(at(entry), json={"note": "left on", "needs_review": False})
        assert (settled.status_code, settled.json()["needs_review"]) == (200, False)
        assert pointers(await alice.patch(at(entry), json={"ended_at": clock("08:00")})) == {"#/ended_at"}

    async def test_entry_that_becomes_billable_gets_the_rate_once(self, alice: Client) -> None:
        task = await project_task(alice)
        entry = await alice.write(task)
        assert (await alice.patch(at(entry), json={"billable": True})).json()["hourly_rate"] == RATE
        dearer = {"hourly_rate": {"amount": 12_000}}
        assert (await alice.patch(f"/projects/{task['project_id']}", json=dearer)).status_code == 200
        for billable in (True, False, True):
            response = await alice.patch(at(entry), json={"billable": billable})
            assert response.json()["hourly_rate"] == RATE
        assert (await alice.patch(at(entry), json={"note": "n"})).json()["hourly_rate"] == RATE

    async def test_stale_if_match_changes_nothing(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task())
        for headers, status in (({"If-Match": '"1"'}, 412), ({"If-Match": '"2"'}, 200), ({"If-Match": "*"}, 200)):
            response = await alice.patch(at(entry), json={"note": "n"}, headers=headers)
            assert response.status_code == status

    async def test_concurrent_updates_lose_no_field(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task())
        changes: list[Json] = [
            {"note": "n"},
            {"tags": ["t"]},
            {"billable": True},
            {"timezone": "Europe/Berlin"},
            {"needs_review": True},
            {"ended_at": clock("11:00")},
        ]
        responses = await asyncio.gather(*(alice.patch(at(entry), json=change) for change in changes))
        assert {response.status_code for response in responses} == {200}
        stored = (await alice.get(at(entry))).json()
        for change in changes:
            assert {**stored, **change} == stored
        assert stored["duration_seconds"] == 7200

    async def test_concurrent_update_and_stop_are_both_stored(self, alice: Client) -> None:
        task = await alice.make_task()
        entry = await alice.write(task)
        for number in range(4):
            started, changed = await asyncio.gather(
                alice.post("/timer/start", json={"task_id": task["id"], "started_at": clock("12:00")}),
                alice.patch(at(entry), json={"note": f"{number}"}),
            )
            stopped, grown = await asyncio.gather(
                alice.post("/timer/stop", json={"ended_at": clock("12:01")}),
                alice.patch(at(entry), json={"duration_seconds": 3600 + number}),
            )
            assert [response.status_code for response in (started, changed, stopped, grown)] == [201, 200, 200, 200]
        stored = await alice.read(task)
        assert (stored["entry_count"], stored["tracked_seconds"]) == (5, 3603 + 4 * 60)
        assert stored["time_entries"][-1]["note"] == "3"


@pytest.mark.usefixtures("entry_storage")
class TestRunningEntry:
    async def test_running_entry_is_not_updated_deleted_split_or_moved(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        entry = (await alice.start(task))["entry"]
        for response in (
            await alice.patch(at(entry), json={"note": "n"}),
            await alice.patch(at(entry), json={}),
            await alice.delete(at(entry)),
            await alice.post(f"{at(entry)}/split", json={"at": clock("09:00")}),
            await alice.post(f"{at(entry)}/move", json={"task_id": other["id"]}),
        ):
            problem(response, 409, "timer_running")
        assert (await alice.get("/timer")).json()["entry"] == entry
        assert (await alice.read(task))["version"] == 2


@pytest.mark.usefixtures("entry_storage")
class TestReview:
    async def test_review_mark_is_cleared_by_an_update(self, make_user: MakeUser) -> None:
        carol = await make_user("carol@example.com")
        await carol.set_preferences(timer_cap_hours=1)
        await carol.start(await carol.make_task(), started_at=clock("09:00"))
        entry = (await carol.stop(ended_at=clock("11:00")))["entry"]
        assert entry["needs_review"] is True
        shorter = (await carol.patch(at(entry), json={"ended_at": clock("10:00")})).json()
        assert shorter["needs_review"] is True
        settled = (await carol.patch(at(entry), json={"needs_review": False})).json()
        assert (settled["needs_review"], settled["duration_seconds"]) == (False, 3600)

    async def test_review_mark_can_be_set(self, alice: Client, database: Database) -> None:
        entry = await alice.write(await alice.make_task())
        assert (await alice.patch(at(entry), json={"needs_review": True})).json()["needs_review"] is True
        (stored,) = await read_entries(database)
        assert stored["needs_review"] is True
