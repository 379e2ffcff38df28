import pytest

from tests.reporting.report_requests import WEEK
from tests.support.http import Client, Json, parameters, problem


class TestInvalidQuery:
    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ({"from": "2026-11-23"}, "from"),
            ({"from": "2026-11-22T23:59:59.500Z", "to": "2026-11-22T23:59:59.900Z"}, "from"),
            ({"from": "yesterday"}, "from"),
            ({"to": "2026-11-18T09:00:00"}, "to"),
            ({"timezone": "Mars/Olympus"}, "timezone"),
            ({"task_id": "nonsense"}, "task_id"),
            ({"project_id": "nonsense"}, "project_id"),
            ({"tag": " "}, "tag"),
            ({"status": "done"}, "status"),
            ({"billable": "1"}, "billable"),
            ({"include_running": "yes"}, "include_running"),
            ({"group_by": "minute"}, "group_by"),
            ({"group_by": "hour,hour"}, "group_by"),
            ({"group_by": ""}, "group_by"),
            ({"group_by": "day,"}, "group_by"),
            ({"group_by": "day,day"}, "group_by"),
            ({"group_by": "day,task,tag"}, "group_by"),
            ({"group_by": ["day", "task"]}, "group_by"),
            ({"week_start": "7"}, "week_start"),
            ({"week_start": "1.0"}, "week_start"),
            ({"rounding": "up"}, "rounding"),
            ({"rounding": "up:0"}, "rounding"),
            ({"rounding": "up:1441"}, "rounding"),
            ({"rounding": "up:15.5"}, "rounding"),
            ({"rounding": "up:-15"}, "rounding"),
            ({"rounding": "off:15"}, "rounding"),
            ({"rounding": f"up:{'9' * 5000}"}, "rounding"),
            ({"rounding_scope": "week"}, "rounding_scope"),
            ({"fill": "1"}, "fill"),
            ({"fill": "true", "from": "1970-01-01"}, "fill"),
            ({"explain": "1"}, "explain"),
            ({"date": "2026-11-18"}, "date"),
        ],
    )
    async def test_invalid_summary_parameter_is_422_with_its_name(
        self, alice: Client, query: Json, parameter: str
    ) -> None:
        assert parameters(await alice.get("/reports/summary", params={**WEEK, **query})) == {parameter}

    async def test_missing_range_is_422(self, alice: Client) -> None:
        assert parameters(await alice.get("/reports/summary")) == {"from", "to"}
        assert parameters(await alice.get("/reports/summary", params={"from": "2026-11-18"})) == {"to"}

    @pytest.mark.parametrize("groups", [[], ["day"] * 5, ["day", "minute"], ["day", ""], ["day,task,tag"]])
    async def test_invalid_groups_of_several_summaries_are_422(self, alice: Client, groups: list[str]) -> None:
        response = await alice.get("/reports/summaries", params={**WEEK, "group_by": groups})
        assert parameters(response) == {"group_by"}

    @pytest.mark.parametrize(
        ("path", "query"),
        [
            ("timesheet", {"date": "2026-11-18T09:00:00Z"}),
            ("timesheet", {"date": "2026-02-30"}),
            ("timesheet", {"date": "9999-01-01"}),
            ("timesheet", {"week_start": "-1"}),
            ("timesheet", {"from": "2026-11-18"}),
            ("timesheet", {"group_by": "day"}),
            ("today", {"timezone": ""}),
            ("today", {"date": "2026-11-18"}),
        ],
    )
    async def test_invalid_timesheet_or_today_parameter_is_422_with_its_name(
        self, alice: Client, path: str, query: Json
    ) -> None:
        assert parameters(await alice.get(f"/reports/{path}", params=query)) == set(query)


class TestAuthentication:
    @pytest.mark.parametrize("path", ["summary", "timesheet", "today"])
    async def test_request_without_a_token_is_401(self, anonymous: Client, path: str) -> None:
        problem(await anonymous.get(f"/reports/{path}"), 401, "not_authenticated")
