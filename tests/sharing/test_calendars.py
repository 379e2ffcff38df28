"""The calendars of feeds: which entries they contain, and how."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from tests.conftest import Database
from tests.sharing.calendar_requests import create_feed, events, notes, read, valid_events
from tests.support.http import Client, ago, clock, instant
from tests.support.stored_documents import NINE, ended_entry, paged_task, task_row, tracked
from tests.transfer.exports.files import create_day_of_work, exported

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def without_feed_properties(content: bytes) -> bytes:
    """Return the lines of a calendar that are not about the feed itself."""
    own = (b"NAME:", b"X-WR-CALNAME:", b"REFRESH-INTERVAL;", b"X-PUBLISHED-TTL:")
    return b"\r\n".join(line for line in content.split(b"\r\n") if not line.startswith(own))


class TestContents:
    @pytest.mark.usefixtures("entry_storage")
    async def test_events_are_those_of_the_ics_export(self, alice: Client, anonymous: Client) -> None:
        _, task, _ = await create_day_of_work(alice)
        for hour in range(10, 20):
            await alice.write(task, started_at=clock(f"{hour}:00"), note=f"Hour {hour}; one, two\nthree", tags=["z"])
        response = await read(anonymous, await create_feed(alice))
        assert response.headers["content-type"] == "text/calendar; charset=utf-8"
        assert response.headers["content-disposition"] == 'inline; filename="task-timer.ics"'
        assert len(valid_events(response.content)) == 11
        exported_file = await exported(alice, "ics")
        assert without_feed_properties(response.content) == without_feed_properties(exported_file.content)

    async def test_calendar_has_the_name_of_the_feed(self, alice: Client, anonymous: Client) -> None:
        name = 'One, two; three \\ "four": Grüße 🕑'
        content = (await read(anonymous, await create_feed(alice, name=name))).content
        assert valid_events(content) == []
        escaped = name.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;").encode()
        assert b"\r\nNAME:" + escaped + b"\r\n" in content
        assert b"\r\nX-WR-CALNAME:" + escaped + b"\r\n" in content

    async def test_calendar_says_how_often_to_read_it(self, alice: Client, anonymous: Client) -> None:
        response = await read(anonymous, await create_feed(alice))
        assert b"\r\nREFRESH-INTERVAL;VALUE=DURATION:PT5M\r\n" in response.content
        assert b"\r\nX-PUBLISHED-TTL:PT5M\r\n" in response.content
        assert response.headers["cache-control"] == "private, max-age=300"

    async def test_entry_of_0_seconds_lasts_one_second(
        self, alice: Client, anonymous: Client, database: Database
    ) -> None:
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(ended_entry(minutes=0))))
        (event,) = await events(anonymous, await create_feed(alice))
        assert event.decoded("dtend") - event.decoded("dtstart") == timedelta(seconds=1)

    async def test_time_of_other_users_and_deleted_time_is_left_out(
        self, alice: Client, bob: Client, anonymous: Client
    ) -> None:
        task, trashed = await alice.make_task(), await alice.make_task()
        await alice.write(task, note="mine")
        await alice.write(trashed, note="in the trash")
        deleted = await alice.write(task, note="deleted", started_at=clock("12:00"))
        await alice.delete(f"/tasks/{task['id']}/time-entries/{deleted['id']}")
        await alice.delete(f"/tasks/{trashed['id']}")
        await bob.write(await bob.make_task(title="canary 7f3a"), note="canary 7f3a")
        response = await read(anonymous, await create_feed(alice))
        assert b"canary" not in response.content
        assert [str(event["description"]) for event in valid_events(response.content)] == ["mine"]

    async def test_entries_of_pages_are_included(self, alice: Client, anonymous: Client, database: Database) -> None:
        old = [ended_entry(at=NINE - timedelta(days=days), note=f"old {days}") for days in range(9, 1, -1)]
        row, pages = paged_task(alice.user["_id"], old, [ended_entry(note="new")])
        await database.tasks.insert_one(row)
        await database.task_pages.insert_many(pages)
        feed = await create_feed(alice)
        assert await notes(anonymous, feed) == {"new", *(f"old {days}" for days in range(2, 10))}


class TestRange:
    async def test_days_back_are_days_of_the_user(self, alice: Client, anonymous: Client) -> None:
        zone = "Pacific/Kiritimati"  # 14 hours ahead of UTC
        await alice.patch("/users/me", json={"timezone": zone})
        today = (datetime.now(UTC) + 14 * HOUR).replace(hour=0, minute=0, second=0, microsecond=0)
        midnight = today - timedelta(days=2) - 14 * HOUR
        task = await alice.make_task()
        for note, start, end in (
            ("before", midnight - 3 * HOUR, midnight),
            ("across", midnight - 2 * HOUR, midnight + HOUR),
            ("after", midnight, midnight + HOUR),
            ("now", datetime.now(UTC) - HOUR, datetime.now(UTC)),
            ("ahead", datetime.now(UTC) + HOUR, datetime.now(UTC) + 2 * HOUR),
        ):
            await alice.write(task, note=note, started_at=start.isoformat(), ended_at=end.isoformat())
        assert await notes(anonymous, await create_feed(alice, days_back=2)) == {"across", "after", "now", "ahead"}
        assert await notes(anonymous, await create_feed(alice, days_back=1)) == {"now", "ahead"}

    async def test_entry_that_begins_before_the_range_is_shown_whole(self, alice: Client, anonymous: Client) -> None:
        start = instant(ago(days=3)).replace(microsecond=0)
        end = start + timedelta(days=2)
        await alice.write(await alice.make_task(), started_at=start.isoformat(), ended_at=end.isoformat())
        (event,) = await events(anonymous, await create_feed(alice, days_back=1))
        assert (event.decoded("dtstart"), event.decoded("dtend")) == (start, end)


class TestRunning:
    async def test_running_timer_is_an_event_up_to_now(self, alice: Client, anonymous: Client) -> None:
        task = await alice.make_task(title="Call")
        timer = await alice.start(task, started_at=ago(minutes=5))
        assert await events(anonymous, await create_feed(alice)) == []
        (event,) = await events(anonymous, await create_feed(alice, include_running=True))
        assert str(event["uid"]) == f"{timer['entry']['id']}@task-timer"
        assert timedelta(0) <= datetime.now(UTC) - event.decoded("dtend") < timedelta(minutes=1)
        stopped = (await alice.stop())["entry"]
        (event,) = await events(anonymous, await create_feed(alice))
        assert str(event["uid"]) == f"{stopped['id']}@task-timer"
        assert event.decoded("dtend") == instant(stopped["ended_at"])


class TestFilters:
    async def test_filters_select_entries(self, alice: Client, anonymous: Client) -> None:
        project = await alice.make_project()
        inside = await alice.make_task(project_id=project["id"], tags=["deep"])
        outside = await alice.make_task()
        await alice.write(inside, note="a", billable=True)
        await alice.write(inside, note="b", billable=False, started_at=clock("11:00"))
        await alice.write(outside, note="c", billable=True, tags=["deep"], started_at=clock("13:00"))
        await alice.write(outside, note="d", billable=False, started_at=clock("15:00"))
        for fields, expected in (
            ({}, "abcd"),
            ({"project_id": project["id"]}, "ab"),
            ({"project_id": "none"}, "cd"),
            ({"tag": "Deep"}, "abc"),
            ({"billable": True}, "ac"),
            ({"billable": False}, "bd"),
            ({"billable": True, "project_id": "none", "tag": "deep"}, "c"),
            ({"tag": "other"}, ""),
        ):
            assert await notes(anonymous, await create_feed(alice, **fields)) == set(expected), fields

    async def test_filters_apply_to_the_running_timer(self, alice: Client, anonymous: Client) -> None:
        await alice.start(await alice.make_task(tags=["deep"]), note="running", billable=True)
        for fields, expected in (
            ({"tag": "deep"}, {"running"}),
            ({"tag": "other"}, set()),
            ({"billable": False}, set()),
            ({"project_id": "none"}, {"running"}),
        ):
            feed = await create_feed(alice, include_running=True, **fields)
            assert await notes(anonymous, feed) == expected, fields

    async def test_feed_of_a_deleted_project_is_empty(self, alice: Client, anonymous: Client) -> None:
        project = await alice.make_project()
        await alice.write(await alice.make_task(project_id=project["id"]))
        feed = await create_feed(alice, project_id=project["id"])
        assert len(await events(anonymous, feed)) == 1
        await alice.delete(f"/projects/{project['id']}")
        assert await events(anonymous, feed) == []
        assert ObjectId.is_valid(feed["project_id"])


class TestChangeOfTheClocks:
    @pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Australia/Lord_Howe"])
    async def test_feed_begins_at_the_local_midnight_before_the_last_change_of_the_clocks(
        self, zone: str, alice: Client, anonymous: Client, database: Database
    ) -> None:
        assert (await alice.patch("/users/me", json={"timezone": zone})).status_code == 200
        local, today = ZoneInfo(zone), datetime.now(ZoneInfo(zone)).date()
        midnights = [datetime.combine(today - timedelta(days=days), time(), local) for days in range(400)]
        days_back = next(
            days for days in range(2, 399) if midnights[days].utcoffset() != midnights[days - 1].utcoffset()
        )
        begin = midnights[days_back].astimezone(UTC).replace(tzinfo=None)
        entries = [
            ended_entry(at=at, ended_at=at + 20 * MINUTE, duration_seconds=1200, note=note)
            for at, note in [
                (begin - 30 * MINUTE, "day before"),
                (begin, "first"),
                (begin + timedelta(days=1), "next day"),
            ]
        ]
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(*entries)))
        feed = await create_feed(alice, days_back=days_back)
        starts = {str(event["description"]): event.decoded("dtstart") for event in await events(anonymous, feed)}
        assert starts == {
            "first": begin.replace(tzinfo=UTC),
            "next day": begin.replace(tzinfo=UTC) + timedelta(days=1),
        }
