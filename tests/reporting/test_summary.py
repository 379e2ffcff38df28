import pytest

from tests.conftest import Database, MakeUser
from tests.reporting.report_requests import (
    EURO,
    GROUPS,
    get_summary,
    get_timesheet,
    get_today,
    insert_project,
    insert_task,
    november_entry,
    seconds_by_key,
)
from tests.support.http import Client, Json
from tests.support.stored_documents import insert_rows, running_entry, task_row, tracked


@pytest.mark.usefixtures("entry_storage")
class TestSummary:
    async def test_summary_without_entries_is_empty(self, alice: Client) -> None:
        assert await get_summary(alice) == {
            "from": "2026-11-16T00:00:00Z",
            "to": "2026-11-23T00:00:00Z",
            "timezone": "UTC",
            "week_start": 0,
            "group_by": "day",
            "rounding": None,
            "rounding_scope": "entry",
            "total_seconds": 0,
            "rounded_total_seconds": 0,
            "running_seconds": 0,
            "overlapping": False,
            "amounts": [],
            "rows": [],
        }

    async def test_rows_are_days_by_default(self, alice: Client, database: Database) -> None:
        await insert_task(
            database,
            alice,
            november_entry("18 09:00", 90, billable=True, hourly_rate=EURO),
            november_entry("17 23:30", 60),
        )
        summary = await get_summary(alice)
        assert summary["rows"] == [
            {
                "key": "2026-11-17",
                "label": "2026-11-17",
                "seconds": 1800,
                "rounded_seconds": 1800,
                "entry_count": 1,
                "amounts": [],
            },
            {
                "key": "2026-11-18",
                "label": "2026-11-18",
                "seconds": 7200,
                "rounded_seconds": 7200,
                "entry_count": 2,
                "amounts": [{"currency": "EUR", "amount": 13500}],
            },
        ]
        assert summary["total_seconds"] == summary["rounded_total_seconds"] == 9000
        assert summary["amounts"] == [{"currency": "EUR", "amount": 13500}]

    async def test_time_zone_and_week_start_default_to_the_users_settings(
        self, make_user: MakeUser, database: Database
    ) -> None:
        ada = await make_user("ada@example.com", timezone="Asia/Kathmandu", week_start=6)
        await insert_task(database, ada, november_entry("17 18:00", 30))  # midnight is at 18:15
        summary = await get_summary(ada, group_by="day")
        assert (summary["timezone"], summary["week_start"], summary["from"]) == (
            "Asia/Kathmandu",
            6,
            "2026-11-15T18:15:00Z",
        )
        assert [(row["key"], row["seconds"]) for row in summary["rows"]] == [("2026-11-17", 900), ("2026-11-18", 900)]
        assert await seconds_by_key(ada, group_by="week") == {"2026-11-15": 1800}
        assert await seconds_by_key(ada, group_by="week", week_start="2") == {"2026-11-11": 900, "2026-11-18": 900}
        assert await seconds_by_key(ada, group_by="day", timezone="UTC") == {"2026-11-17": 1800}

    async def test_changed_settings_apply_to_the_next_report(self, alice: Client) -> None:
        assert (await get_summary(alice))["week_start"] == 0
        await alice.patch("/users/me", json={"week_start": 3, "timezone": "Asia/Tokyo"})
        summary = await get_summary(alice)
        assert (summary["week_start"], summary["timezone"]) == (3, "Asia/Tokyo")

    async def test_range_of_instants_is_truncated_to_seconds(self, alice: Client, database: Database) -> None:
        await insert_task(database, alice, november_entry("18 09:00", 60))
        summary = await get_summary(
            alice, **{"from": "2026-11-18T10:15:00.900+01:00", "to": "2026-11-18T09:45:00.100Z"}
        )
        assert (summary["from"], summary["to"]) == ("2026-11-18T09:15:00Z", "2026-11-18T09:45:00Z")
        assert summary["total_seconds"] == 1800

    async def test_entries_adjacent_to_the_range_are_left_out(self, alice: Client, database: Database) -> None:
        await insert_task(database, alice, november_entry("15 23:00"), november_entry("23 00:00"))
        assert (await get_summary(alice))["rows"] == []

    async def test_entry_without_duration_is_counted(self, alice: Client, database: Database) -> None:
        await insert_task(database, alice, november_entry("16 00:00", 0), november_entry("23 00:00", 0))
        (row,) = (await get_summary(alice))["rows"]
        assert (row["seconds"], row["entry_count"]) == (0, 1)

    async def test_task_in_the_trash_is_left_out_until_it_is_restored(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.write(task)
        await alice.delete(f"/tasks/{task['id']}")
        assert (await get_summary(alice))["total_seconds"] == 0
        await alice.post(f"/tasks/{task['id']}/restore")
        assert (await get_summary(alice))["total_seconds"] == 3600

    async def test_entries_of_other_users_are_never_included(
        self, alice: Client, bob: Client, database: Database
    ) -> None:
        hers = await insert_project(database, alice, client_name="canary")
        task = await insert_task(database, alice, november_entry("18 09:00"), project_id=hers, tags=["canary"])
        await database.tasks.update_one({}, {"$set": {"active": running_entry()}})
        for query in (*({"group_by": group} for group in GROUPS), {"task_id": task}, {"project_id": str(hers)}):
            summary = await get_summary(bob, include_running="true", **query)
            assert (summary["total_seconds"], summary["running_seconds"], summary["rows"]) == (0, 0, [])
        assert (await get_timesheet(bob, date="2026-11-18", include_running="true"))["rows"] == []
        body = await get_today(bob)
        assert (body["timer"], body["week_seconds"], body["recent_tasks"]) == (None, 0, [])


class TestManyTasks:
    async def test_all_tasks_are_added(self, alice: Client, database: Database) -> None:
        rows = [task_row(alice.user["_id"], **tracked(november_entry("18 09:00", number % 7))) for number in range(205)]
        await insert_rows(database, "tasks", rows)
        summary = await get_summary(alice, group_by="task")
        assert {row["key"]: row["seconds"] for row in summary["rows"]} == {
            str(row["_id"]): row["tracked_seconds"] for row in rows
        }
        expected = sorted(
            ((row["seconds"], row["key"]) for row in summary["rows"]), key=lambda pair: (-pair[0], pair[1])
        )
        assert [row["key"] for row in summary["rows"]] == [key for _, key in expected]


@pytest.mark.usefixtures("entry_storage")
class TestGrandTotal:
    async def test_grand_total_is_the_same_for_every_grouping(self, alice: Client, database: Database) -> None:
        rate: Json = {"billable": True, "hourly_rate": {"amount": 12345, "currency": "EUR"}}
        minutes = (1, 5, 9, 12, 14, 15, 16, 30, 7, 8)
        for number, length in enumerate(minutes):
            work = november_entry(f"{number + 1:02} 08:55", length, tags=["a", "b"][: number % 3], **rate)
            await insert_task(database, alice, work, title=f"Task {number % 4}", tags=["c"] * (number % 2))
        groupings = [*GROUPS, *(f"{one},{other}" for one in GROUPS for other in ("tag", "hour") if one != other)]
        totals = []
        for group_by in groupings:
            summary = await get_summary(
                alice, **{"from": "2026-11-01", "to": "2026-12-01"}, group_by=group_by, rounding="up:15"
            )
            totals.append((summary["total_seconds"], summary["rounded_total_seconds"], summary["amounts"]))
        # Twelve quarters of an hour at 30.8625 are 370.35. The rounded amounts of the days would add up to 370.32.
        assert totals == [(sum(minutes) * 60, 12 * 900, [{"currency": "EUR", "amount": 37035}])] * len(groupings)

    @pytest.mark.parametrize(("scope", "rounded"), [("entry", 45), ("day", 30), ("total", 15)])
    async def test_rounded_total_depends_on_the_scope_but_not_on_the_grouping(
        self, alice: Client, database: Database, scope: str, rounded: int
    ) -> None:
        rate: Json = {"billable": True, "hourly_rate": EURO}
        await insert_task(database, alice, november_entry("17 09:00", 4, **rate), november_entry("18 09:00", 4, **rate))
        await insert_task(database, alice, november_entry("18 10:00", 4, **rate), tags=["a", "b"])
        for group_by in (*GROUPS, "task,day", "tag,task"):
            summary = await get_summary(alice, group_by=group_by, rounding="up:15", rounding_scope=scope)
            assert (summary["total_seconds"], summary["rounded_total_seconds"]) == (720, rounded * 60), group_by
            assert summary["amounts"] == [{"currency": "EUR", "amount": rounded * 150}], group_by
