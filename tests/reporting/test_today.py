from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import Database
from tests.reporting.report_requests import get_today, insert_task, november_entry
from tests.support.http import Client, ago, instant
from tests.support.stored_documents import ended_entry

pytestmark = pytest.mark.usefixtures("entry_storage")


class TestToday:
    async def test_new_user_has_no_time_and_no_tasks(self, alice: Client) -> None:
        body = await get_today(alice, timezone="Asia/Tokyo")
        assert body == {
            "date": instant(body["server_time"]).astimezone(ZoneInfo("Asia/Tokyo")).date().isoformat(),
            "timezone": "Asia/Tokyo",
            "week_start": 0,
            "today_seconds": 0,
            "week_seconds": 0,
            "timer": None,
            "recent_tasks": [],
            "server_time": body["server_time"],
        }

    async def test_running_timer_counts_up_to_the_server_time(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.start(task)
        body = await get_today(alice)
        assert body["timer"]["task_id"] == task["id"]
        assert body["timer"]["server_time"] == body["server_time"]
        elapsed = body["timer"]["elapsed_seconds"]
        assert body["today_seconds"] <= elapsed  # midnight may have passed
        assert body["week_seconds"] <= elapsed
        (recent,) = body["recent_tasks"]
        assert recent == {
            "id": task["id"],
            "title": task["title"],
            "project_id": None,
            "project_name": None,
            "project_color": None,
            "status": "in_progress",
            "tags": [],
            "tracked_seconds": 0,
            "last_tracked_at": body["server_time"],
        }

    async def test_recent_task_has_its_project_and_tags(self, alice: Client) -> None:
        project = await alice.make_project(color="#2f6fde")
        tracked, running = [await alice.make_task(project_id=project["id"], tags=[tag]) for tag in ("a", "b")]
        await alice.write(tracked)
        await alice.start(running)
        recent = (await get_today(alice))["recent_tasks"]
        assert [(task["id"], task["tags"]) for task in recent] == [(running["id"], ["b"]), (tracked["id"], ["a"])]
        for task in recent:
            labels = (task["project_id"], task["project_name"], task["project_color"])
            assert labels == (project["id"], "Website", "#2f6fde")
        await alice.delete(f"/projects/{project['id']}")
        for task in (await get_today(alice))["recent_tasks"]:
            assert (task["project_id"], task["project_name"], task["project_color"]) == (None, None, None)

    async def test_running_timer_is_part_of_the_totals(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), started_at=ago(days=9))
        body = await get_today(alice)
        now = instant(body["server_time"])
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        assert body["today_seconds"] == int((now - midnight).total_seconds())
        assert body["week_seconds"] == body["today_seconds"] + now.weekday() * 86_400

    async def test_recent_tasks_are_the_five_tracked_last(self, alice: Client, database: Database) -> None:
        ids = [await insert_task(database, alice, november_entry(f"{day} 09:00")) for day in range(10, 17)]
        trashed = await insert_task(database, alice, november_entry("17 09:00"), deleted_at=datetime(2026, 11, 18))  # noqa: DTZ001
        await insert_task(database, alice)
        recent = [task["id"] for task in (await get_today(alice))["recent_tasks"]]
        assert recent == ids[:1:-1]
        assert trashed not in recent
        await alice.start({"id": ids[3]})
        recent = [task["id"] for task in (await get_today(alice))["recent_tasks"]]
        assert recent == [ids[3], ids[6], ids[5], ids[4], ids[2]]

    async def test_totals_are_those_of_today_and_this_week(self, alice: Client, database: Database) -> None:
        while True:
            now = datetime.now(UTC).replace(tzinfo=None)
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            monday = midnight - timedelta(days=midnight.weekday())
            today_entry = ended_entry(at=midnight, minutes=60)
            monday_entry = ended_entry(at=monday - timedelta(minutes=30), minutes=60)
            await database.tasks.delete_many({})
            await insert_task(database, alice, today_entry, monday_entry)
            body = await get_today(alice)
            if body["date"] == now.date().isoformat():
                break
        assert body["today_seconds"] == (5400 if monday == midnight else 3600)
        assert body["week_seconds"] == 5400

    async def test_entry_after_this_week_makes_its_task_recent_but_does_not_count(
        self, alice: Client, database: Database
    ) -> None:
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        ids = [await insert_task(database, alice, ended_entry(at=now, minutes=0)) for _ in range(6)]
        later = await insert_task(database, alice, ended_entry(at=now + timedelta(days=8)))
        body = await get_today(alice)
        recent = [task["id"] for task in body["recent_tasks"]]
        assert recent[0] == later
        assert set(recent[1:]) < set(ids)
        assert (body["today_seconds"], body["week_seconds"]) == (0, 0)

    @pytest.mark.parametrize("tracked_this_week", [2, 6])
    async def test_entry_across_the_start_of_the_week_counts_from_then(
        self, alice: Client, database: Database, tracked_this_week: int
    ) -> None:
        zone = "Pacific/Auckland"
        first = datetime.fromisoformat((await get_today(alice, timezone=zone))["date"]).replace(tzinfo=ZoneInfo(zone))
        monday = (first - timedelta(days=first.weekday())).astimezone(UTC).replace(tzinfo=None)
        for _ in range(tracked_this_week):
            await insert_task(database, alice, ended_entry(at=monday - timedelta(days=20), minutes=20 * 1440 + 1))
        await insert_task(database, alice, ended_entry(at=monday - timedelta(minutes=30)))  # ends with the last week
        body = await get_today(alice, timezone=zone)
        assert body["week_seconds"] == tracked_this_week * 60
        assert len(body["recent_tasks"]) == min(tracked_this_week + 1, 5)
