import pytest

from services.reporting.summary import MAX_FILLED_ROWS
from tests.conftest import Database
from tests.reporting.report_requests import (
    DOLLAR,
    EURO,
    WEEK,
    get_summary,
    insert_project,
    insert_task,
    november_entry,
    seconds_by_key,
)
from tests.support.http import Client, Json, ago, parameters

pytestmark = pytest.mark.usefixtures("entry_storage")


class TestGroups:
    @pytest.fixture
    async def tracked_week(self, alice: Client, database: Database) -> dict[str, str]:
        """Insert three tasks with 3, 2 and 1 hours: with a project and a client, with a project only, with neither."""
        site = await insert_project(database, alice, name="Site", client_name="Ada")
        shop = await insert_project(database, alice, name="Shop")
        first = await insert_task(
            database,
            alice,
            november_entry("16 09:00", 120, billable=True, hourly_rate=EURO, tags=["mail"]),
            november_entry("17 09:00", 60, tags=["web"]),
            title="First",
            project_id=site,
            tags=["web"],
        )
        second = await insert_task(
            database,
            alice,
            november_entry("17 13:00", 120, billable=True, hourly_rate=DOLLAR),
            title="Second",
            project_id=shop,
            status="completed",
        )
        third = await insert_task(database, alice, november_entry("22 23:00", 60), title="Third")
        return {"site": str(site), "shop": str(shop), "first": first, "second": second, "third": third}

    async def test_rows_are_grouped_by_each_key(self, alice: Client, tracked_week: dict[str, str]) -> None:
        hour, ids = 3600, tracked_week
        assert await seconds_by_key(alice, group_by="task") == {
            ids["first"]: 3 * hour,
            ids["second"]: 2 * hour,
            ids["third"]: hour,
        }
        assert await seconds_by_key(alice, group_by="project") == {
            ids["site"]: 3 * hour,
            ids["shop"]: 2 * hour,
            None: hour,
        }
        assert await seconds_by_key(alice, group_by="client") == {"Ada": 3 * hour, None: 3 * hour}
        assert await seconds_by_key(alice, group_by="tag") == {"web": 3 * hour, None: 3 * hour, "mail": 2 * hour}
        assert await seconds_by_key(alice, group_by="status") == {"in_progress": 4 * hour, "completed": 2 * hour}
        assert await seconds_by_key(alice, group_by="billable") == {"true": 4 * hour, "false": 2 * hour}
        assert await seconds_by_key(alice, group_by="weekday") == {"0": 2 * hour, "1": 3 * hour, "6": hour}
        assert await seconds_by_key(alice, group_by="week") == {"2026-11-16": 6 * hour}
        assert await seconds_by_key(alice, group_by="month") == {"2026-11": 6 * hour}
        assert await seconds_by_key(alice, group_by="quarter") == {"2026-Q4": 6 * hour}
        assert await seconds_by_key(alice, group_by="year") == {"2026": 6 * hour}
        assert await seconds_by_key(alice, group_by="hour") == {
            "09": 2 * hour,
            "10": hour,
            "13": hour,
            "14": hour,
            "23": hour,
        }

    async def test_rows_have_labels_and_are_sorted_by_descending_seconds(
        self, alice: Client, tracked_week: dict[str, str]
    ) -> None:
        assert tracked_week
        for group, labels in {
            "task": ["First", "Second", "Third"],
            "project": ["Site", "Shop", "(no project)"],
            "client": ["(no client)", "Ada"],
            "tag": ["(no tag)", "web", "mail"],
            "status": ["in progress", "completed"],
            "billable": ["billable", "not billable"],
            "weekday": ["Monday", "Tuesday", "Sunday"],
        }.items():
            assert [row["label"] for row in (await get_summary(alice, group_by=group))["rows"]] == labels

    async def test_rows_by_tag_may_overlap_but_the_total_counts_each_entry_once(
        self, alice: Client, tracked_week: dict[str, str]
    ) -> None:
        assert tracked_week
        summary = await get_summary(alice, group_by="tag", rounding="up:45", rounding_scope="total")
        assert summary["overlapping"] is True
        assert summary["total_seconds"] == 6 * 3600 < sum(row["seconds"] for row in summary["rows"])
        assert summary["rounded_total_seconds"] == 6 * 3600  # 8 times 45 minutes, rounded as one total
        assert summary["amounts"] == [{"currency": "EUR", "amount": 18000}, {"currency": "USD", "amount": 12000}]

    async def test_two_keys_give_nested_rows(self, alice: Client, tracked_week: dict[str, str]) -> None:
        summary = await get_summary(alice, group_by="project,task")
        assert summary["group_by"] == "project,task"
        assert [(row["key"], [inner["label"] for inner in row["rows"]]) for row in summary["rows"]] == [
            (tracked_week["site"], ["First"]),
            (tracked_week["shop"], ["Second"]),
            (None, ["Third"]),
        ]
        for row in summary["rows"]:
            (inner,) = row["rows"]
            assert {**inner, "key": row["key"], "label": row["label"], "rows": [inner]} == row

    async def test_nested_days_are_sorted_by_date(self, alice: Client, tracked_week: dict[str, str]) -> None:
        summary = await get_summary(alice, group_by="project,day", task_id=tracked_week["first"])
        (row,) = summary["rows"]
        assert [inner["key"] for inner in row["rows"]] == ["2026-11-16", "2026-11-17"]

    async def test_hours_can_be_the_outer_or_the_inner_group(self, alice: Client, tracked_week: dict[str, str]) -> None:
        summary = await get_summary(alice, group_by="hour,task", explain="true")
        assert [row["key"] for row in summary["rows"]] == ["09", "10", "13", "14", "23"]
        nine, *_ = summary["rows"]
        assert [(inner["label"], inner["seconds"], inner["entry_count"]) for inner in nine["rows"]] == [
            ("First", 7200, 2)
        ]
        assert [(piece["from"], piece["to"]) for piece in nine["rows"][0]["slices"]] == [
            ("2026-11-16T09:00:00Z", "2026-11-16T10:00:00Z"),
            ("2026-11-17T09:00:00Z", "2026-11-17T10:00:00Z"),
        ]
        inverted = await get_summary(alice, group_by="task,hour", task_id=tracked_week["first"])
        (row,) = inverted["rows"]
        assert {inner["key"]: inner["seconds"] for inner in row["rows"]} == {"09": 7200, "10": 3600}
        filled = await get_summary(alice, group_by="hour,task", fill="true")
        assert [row["key"] for row in filled["rows"]] == [f"{hour:02}" for hour in range(24)]
        assert [row for row in filled["rows"] if row["seconds"]] == (await get_summary(alice, group_by="hour,task"))[
            "rows"
        ]
        assert filled["rows"][0]["rows"] == []
        long = {"from": "2025-12-31", "to": "2027-01-02", "fill": "true"}
        assert list(await seconds_by_key(alice, **long, group_by="year")) == ["2025", "2026", "2027"]
        assert list(await seconds_by_key(alice, **long, group_by="quarter,hour")) == [
            "2025-Q4",
            *(f"2026-Q{quarter}" for quarter in range(1, 5)),
            "2027-Q1",
        ]

    async def test_filters_limit_the_entries(self, alice: Client, tracked_week: dict[str, str]) -> None:
        ids = tracked_week
        for query, hours in (
            ({"task_id": ids["first"]}, 3),
            ({"project_id": ids["shop"]}, 2),
            ({"project_id": "none"}, 1),
            ({"tag": "mail"}, 2),
            ({"tag": "web"}, 3),
            ({"tag": ["mail", "other"], "group_by": "day"}, 2),
            ({"status": "completed"}, 2),
            ({"status": ["completed", "in_progress"]}, 6),
            ({"billable": "true"}, 4),
            ({"billable": "false", "task_id": ids["first"]}, 1),
            ({"tag": "$tags"}, 0),
            ({"task_id": "0" * 24}, 0),
        ):
            assert (await get_summary(alice, **query))["total_seconds"] == hours * 3600, query

    async def test_explain_lists_the_slices_of_each_row(self, alice: Client, database: Database) -> None:
        late = november_entry("16 23:30", 60)
        task = await insert_task(database, alice, late, november_entry("16 09:00", 30))
        summary = await get_summary(alice, group_by="task", explain="true")
        (row,) = summary["rows"]
        assert [piece["seconds"] for piece in row["slices"]] == [1800, 1800, 1800]
        assert row["slices"][1:] == [
            {
                "task_id": task,
                "entry_id": str(late["id"]),
                "from": f"2026-11-{since}Z",
                "to": f"2026-11-{until}Z",
                "seconds": 1800,
            }
            for since, until in (("16T23:30:00", "17T00:00:00"), ("17T00:00:00", "17T00:30:00"))
        ]
        assert "slices" not in (await get_summary(alice))["rows"][0]
        (outer,) = (await get_summary(alice, group_by="task,day", explain="true"))["rows"]
        assert "slices" not in outer
        assert [len(inner["slices"]) for inner in outer["rows"]] == [2, 1]

    async def test_fill_adds_rows_for_periods_without_entries(self, alice: Client, database: Database) -> None:
        await insert_task(database, alice, november_entry("18 09:00"))
        summary = await get_summary(alice, fill="true", to="2026-11-20")
        assert [row["seconds"] for row in summary["rows"]] == [0, 0, 3600, 0]
        assert summary["rows"][0] == {**summary["rows"][2], "key": "2026-11-16", "label": "2026-11-16"} | {
            "seconds": 0,
            "rounded_seconds": 0,
            "entry_count": 0,
        }
        assert await seconds_by_key(alice, fill="true", group_by="task") == await seconds_by_key(alice, group_by="task")
        days = {"from": "2013-01-01", "fill": "true"}
        assert len(await seconds_by_key(alice, **days, to="2026-09-10")) == MAX_FILLED_ROWS
        refused = await alice.get("/reports/summary", params={**days, "to": "2026-09-11", "group_by": "day"})
        assert parameters(refused) == {"fill"}
        years = {"from": "1996-01-01", "to": "2027-01-01", "group_by": "weekday", "fill": "true"}
        assert list(await seconds_by_key(alice, **years)) == list("0123456")
        apia = {"from": "2011-12-28", "to": "2012-01-02", "timezone": "Pacific/Apia", "fill": "true"}
        assert list(await seconds_by_key(alice, **apia)) == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]

    async def test_rounding_leaves_the_raw_seconds_unchanged(self, alice: Client, database: Database) -> None:
        rate: Json = {"billable": True, "hourly_rate": EURO}
        await insert_task(
            database, alice, november_entry("18 09:00", 10, **rate), november_entry("18 10:00", 10, **rate)
        )
        for scope, rounded, amount in (("entry", 1800, 4500), ("day", 1800, 4500), ("total", 1800, 4500)):
            summary = await get_summary(alice, rounding="up:15", rounding_scope=scope)
            assert (summary["total_seconds"], summary["rounded_total_seconds"]) == (1200, rounded)
            assert summary["amounts"] == [{"currency": "EUR", "amount": amount}]
            assert (summary["rounding"], summary["rounding_scope"]) == ("up:15", scope)
        down = await get_summary(alice, rounding="down:15", rounding_scope="entry")
        assert (down["rounded_total_seconds"], down["rows"][0]["rounded_seconds"]) == (0, 0)
        assert (await get_summary(alice, rounding_scope="total"))["rounded_total_seconds"] == 1200

    async def test_amounts_can_be_arbitrarily_large(self, alice: Client, database: Database) -> None:
        rate = {"amount": 2**62, "currency": "USD"}
        await insert_task(
            database, alice, november_entry("18 09:00", 600, billable=True, hourly_rate=rate), title="Grüße"
        )
        summary = await get_summary(alice, group_by="task")
        assert summary["amounts"] == summary["rows"][0]["amounts"] == [{"currency": "USD", "amount": 10 * 2**62}]
        assert summary["rows"][0]["label"] == "Grüße"


class TestSeveralSummaries:
    GROUPS = ("project", "day,project", "weekday,hour", "tag,task")

    @pytest.mark.parametrize(
        "options",
        [{}, {"fill": "true"}, {"explain": "true"}, {"rounding": "up:15", "rounding_scope": "day"}],
    )
    async def test_each_is_equal_to_the_summary_by_itself(
        self, alice: Client, database: Database, options: dict[str, str]
    ) -> None:
        project = await insert_project(database, alice, name="Site")
        money = {"billable": True, "hourly_rate": EURO, "tags": ["mail"]}
        for day in (16, 18, 20):
            entries = november_entry(f"{day} 09:10", 25, **money), november_entry(f"{day} 23:30", 61)
            await insert_task(database, alice, *entries, project_id=project, tags=["web", str(day)])
        await insert_task(database, alice, november_entry("17 12:00", 7, **money))
        response = await alice.get("/reports/summaries", params={**WEEK, **options, "group_by": self.GROUPS})
        assert response.status_code == 200, response.text
        several = response.json()["items"]
        assert several == [await get_summary(alice, group_by=groups, **options) for groups in self.GROUPS]
        assert [len(summary["rows"]) > 0 for summary in several] == [True] * len(self.GROUPS)

    async def test_running_timer_counts_in_each(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), started_at=ago(minutes=10))
        query = {"from": ago(days=1), "to": ago(days=-1), "include_running": "true", "group_by": ["task", "day"]}
        for summary in (await alice.get("/reports/summaries", params=query)).json()["items"]:
            assert sum(row["seconds"] for row in summary["rows"]) == summary["total_seconds"] >= 600
            assert summary["running_seconds"] == summary["total_seconds"]
