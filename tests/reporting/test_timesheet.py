from datetime import UTC, datetime

import pytest

from tests.conftest import Database
from tests.reporting.report_requests import get_timesheet, insert_project, insert_task, november_entry
from tests.support.http import Client
from tests.support.stored_documents import ended_entry

pytestmark = pytest.mark.usefixtures("entry_storage")


class TestTimesheet:
    async def test_timesheet_is_a_grid_of_tasks_and_days(self, alice: Client, database: Database) -> None:
        second = await insert_task(
            database, alice, november_entry("22 23:30", 60), november_entry("16 09:00", 10), title="b"
        )
        first = await insert_task(
            database, alice, november_entry("18 23:30", 60), november_entry("23 09:00", 60), title="a"
        )
        assert await get_timesheet(alice, date="2026-11-18") == {
            "timezone": "UTC",
            "week_start": 0,
            "days": [f"2026-11-{day}" for day in range(16, 23)],
            "rows": [
                {
                    "task_id": first,
                    "title": "a",
                    "project_id": None,
                    "seconds": [0, 0, 1800, 1800, 0, 0, 0],
                    "total": 3600,
                },
                {
                    "task_id": second,
                    "title": "b",
                    "project_id": None,
                    "seconds": [600, 0, 0, 0, 0, 0, 1800],
                    "total": 2400,
                },
            ],
            "day_totals": [600, 0, 1800, 1800, 0, 0, 1800],
            "total": 6000,
        }

    async def test_skipped_date_is_a_day_without_time(self, alice: Client, database: Database) -> None:
        task = ended_entry(at=datetime(2011, 12, 30, 9), minutes=120)  # noqa: DTZ001 -- as it is stored
        await insert_task(database, alice, task)
        sheet = await get_timesheet(alice, date="2011-12-30", timezone="Pacific/Apia", week_start=6)
        assert sheet["days"] == [f"2011-12-{day}" for day in range(25, 32)]
        assert sheet["day_totals"] == [0, 0, 0, 0, 3600, 0, 3600]

    async def test_current_week_is_the_default(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        before = datetime.now(UTC).date().isoformat()
        sheet = await get_timesheet(alice, include_running="true")
        assert {before, datetime.now(UTC).date().isoformat()} & set(sheet["days"])
        assert len(sheet["rows"]) == 1
        assert (await get_timesheet(alice))["rows"] == []

    async def test_filters_limit_the_entries(self, alice: Client, database: Database) -> None:
        shop = await insert_project(database, alice)
        await insert_task(database, alice, november_entry("18 09:00"), project_id=shop)
        await insert_task(database, alice, november_entry("18 09:00", 30))
        assert (await get_timesheet(alice, date="2026-11-18", project_id=str(shop)))["total"] == 3600
        (row,) = (await get_timesheet(alice, date="2026-11-18", project_id=str(shop)))["rows"]
        assert row["project_id"] == str(shop)

    async def test_first_and_last_supported_week_are_accepted(self, alice: Client) -> None:
        assert (await get_timesheet(alice, date="1970-01-01"))["days"][0] == "1969-12-29"
        assert (await get_timesheet(alice, date="9998-12-31", timezone="Pacific/Kiritimati"))["total"] == 0
