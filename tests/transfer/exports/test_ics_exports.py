"""Exports as iCalendar files."""

from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar

from tests.conftest import Database
from tests.support.http import Client
from tests.support.stored_documents import NINE, ended_entry, task_row, tracked
from tests.transfer.exports.files import create_day_of_work, events, exported

pytestmark = pytest.mark.usefixtures("entry_storage")


class TestIcs:
    async def test_entry_is_an_event(self, alice: Client) -> None:
        _, _, entry = await create_day_of_work(alice)
        (event,) = await events(alice)
        assert str(event["uid"]) == f"{entry['id']}@task-timer"
        assert event.decoded("dtstart") == datetime(2026, 11, 18, 9, tzinfo=UTC)
        assert event.decoded("dtend") == datetime(2026, 11, 18, 10, tzinfo=UTC)
        assert (str(event["summary"]), str(event["description"])) == ("Write the offer", "First draft")
        assert event.categories == ["deep", "sales", "web", "Site"]
        changed = datetime.fromisoformat(entry["updated_at"]).replace(microsecond=0)
        assert event.decoded("last-modified") == event.decoded("dtstamp") == event.decoded("created") == changed

    async def test_calendar_has_a_name(self, alice: Client) -> None:
        content = (await exported(alice, "ics")).content
        assert content.startswith(b"BEGIN:VCALENDAR\r\n")
        assert content.endswith(b"\r\nEND:VCALENDAR\r\n")
        calendar = Calendar.from_ical(content)
        assert (str(calendar["version"]), str(calendar["x-wr-calname"])) == ("2.0", "Task Timer")
        assert str(calendar["prodid"]).startswith("-//Task Timer//")

    async def test_special_characters_are_escaped(self, alice: Client) -> None:
        note = "one; two, three\nfour \\ five: " + "Grüße 世界 🕑" * 20
        task = await alice.make_task(title="a;b,c\\d", tags=["x, y", "z;"])
        await alice.write(task, note=note)
        (event,) = await events(alice)
        assert (str(event["summary"]), str(event["description"])) == ("a;b,c\\d", note)
        assert event.categories == ["x, y", "z;"]

    async def test_control_characters_are_removed(self, alice: Client, database: Database) -> None:
        stored_earlier = tracked(ended_entry(note="one\ttwo\x0b\r\nthree"))
        row = task_row(alice.user["_id"], title="a\x01b", tags=["x\x7fy"], **stored_earlier)
        await database.tasks.insert_one(row)
        (event,) = await events(alice)
        assert (str(event["summary"]), str(event["description"])) == ("ab", "one\ttwo\nthree")
        assert event.categories == ["xy"]

    async def test_entry_of_0_seconds_lasts_one_second(self, alice: Client, database: Database) -> None:
        entry = ended_entry(minutes=0)
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(entry)))
        (event,) = await events(alice)
        assert event.decoded("dtstart") == NINE.replace(tzinfo=UTC)
        assert event.decoded("dtend") == (NINE + timedelta(seconds=1)).replace(tzinfo=UTC)

    async def test_uid_is_stable_when_the_entry_changes(self, alice: Client) -> None:
        _, task, entry = await create_day_of_work(alice)
        (before,) = await events(alice)
        await alice.patch(f"/tasks/{task['id']}/time-entries/{entry['id']}", json={"note": "Second draft"})
        (after,) = await events(alice)
        assert before["uid"] == after["uid"]
        assert str(after["description"]) == "Second draft"
