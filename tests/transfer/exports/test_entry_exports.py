"""Exports of time entries in any format: which entries they contain."""

import asyncio
import csv
import json
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import ClassVar

import openpyxl
import pytest

from tests.conftest import Database
from tests.support.http import Client, Json, ago, clock, instant, parameters
from tests.support.pages.entry_storage import hot_only
from tests.support.stored_documents import ended_entry, short_entries, task_row, tracked
from tests.transfer.exports.files import (
    FORMATS,
    NOVEMBER,
    create_day_of_work,
    events,
    exported,
    lines,
    sheet,
    table,
)

WRONG: list[tuple[Json, set[str]]] = [
    ({"from": None}, {"from"}),
    ({"to": None}, {"to"}),
    ({"from": None, "to": None}, {"from", "to"}),
    ({"from": "2026-12-01"}, {"from"}),
    ({"to": "yesterday"}, {"to"}),
    ({"from": "2026-11-01T00:00:00"}, {"from"}),
    ({"timezone": "Mars/Olympus"}, {"timezone"}),
    ({"task_id": "nonsense"}, {"task_id"}),
    ({"project_id": "nonsense"}, {"project_id"}),
    ({"status": "done"}, {"status"}),
    ({"billable": "1"}, {"billable"}),
    ({"include_running": "yes"}, {"include_running"}),
    ({"tag": ""}, {"tag"}),
    ({"limit": "3"}, {"limit"}),
    ({"bom": "1"}, {"bom"}),
    ({"cut": "1"}, {"cut"}),
    ({"delimiter": "|"}, {"delimiter"}),
    ({"delimiter": ""}, {"delimiter"}),
    ({"decimal": ";"}, {"decimal"}),
]
"""Changes of a valid query (None removes a parameter), and the parameters that are invalid then."""


@pytest.mark.usefixtures("entry_storage")
class TestEachFormat:
    @pytest.mark.parametrize("form", FORMATS)
    async def test_response_is_an_attachment_with_dates(self, alice: Client, form: str) -> None:
        response = await exported(alice, form)
        name = f'attachment; filename="task-timer-2026-11-01--2026-12-01.{form}"'
        assert response.headers["content-disposition"] == name
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["transfer-encoding"] == "chunked"

    @pytest.mark.parametrize("form", FORMATS)
    async def test_head_has_the_same_headers_and_no_body(self, alice: Client, form: str) -> None:
        await create_day_of_work(alice)
        head = await alice.head(f"/exports/time-entries.{form}", params=NOVEMBER)
        whole = await exported(alice, form)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-disposition", "cache-control"):
            assert head.headers[name] == whole.headers[name]

    @hot_only
    async def test_invalid_parameters_are_refused(self, alice: Client) -> None:
        for form in FORMATS:
            for changes, wrong in WRONG:
                asked = {name: value for name, value in {**NOVEMBER, **changes}.items() if value is not None}
                refused = parameters(await alice.get(f"/exports/time-entries.{form}", params=asked))
                assert refused == (wrong if form == "csv" or "bom" not in changes else {"bom"}), (form, changes)

    async def test_contains_only_entries_of_the_user(self, alice: Client, bob: Client) -> None:
        project, task, _ = await create_day_of_work(alice)
        for query in ({}, {"task_id": task["id"]}, {"project_id": project["id"]}, {"tag": "sales"}):
            assert await lines(bob, **query) == []
            assert await table(bob, **query) == []
            assert await events(bob, **query) == []
            assert len(await sheet(bob, **query)) == 2


@pytest.mark.usefixtures("entry_storage")
class TestExportedEntries:
    async def test_entries_are_whole_and_sorted_by_start(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        for on, start in ((task, "11:00"), (other, "09:00"), (task, "10:00"), (task, "08:00"), (other, "12:00")):
            await alice.write(on, started_at=clock(start))
        found = await lines(alice, **{"from": clock("09:30"), "to": clock("12:00")})
        assert [(line["started_at"], line["duration_seconds"]) for line in found] == [
            (clock(start), 3600) for start in ("09:00", "10:00", "11:00")
        ]

    async def test_days_are_in_the_time_zone(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task(), started_at="2026-10-31T23:30:00Z", duration_seconds=60)
        october = {"from": "2026-10-01", "to": "2026-11-01"}
        assert [line["id"] for line in await lines(alice, **october)] == [entry["id"]]
        assert await lines(alice, **october, timezone="Europe/Berlin") == []
        await alice.patch("/users/me", json={"timezone": "Europe/Berlin"})
        assert await lines(alice, **october) == []

    async def test_filters_are_applied(self, alice: Client) -> None:
        project, task, entry = await create_day_of_work(alice)
        other = await alice.make_task(title="Other", status="completed")
        bare = await alice.write(other, started_at=clock("12:00"), tags=["deep"])
        for query, expected in (
            ({}, [entry, bare]),
            ({"task_id": other["id"]}, [bare]),
            ({"project_id": project["id"]}, [entry]),
            ({"project_id": "none"}, [bare]),
            ({"tag": "web"}, [entry]),
            ({"tag": ["deep"]}, [entry, bare]),
            ({"status": "completed"}, [bare]),
            ({"status": ["pending", "completed"]}, [entry, bare]),
            ({"billable": "true"}, [entry]),
            ({"billable": "false", "tag": "web"}, []),
        ):
            assert [line["id"] for line in await lines(alice, **query)] == [each["id"] for each in expected], query
        assert task["status"] == "pending"

    async def test_trash_is_left_out(self, alice: Client) -> None:
        _, task, _ = await create_day_of_work(alice)
        await alice.delete(f"/tasks/{task['id']}")
        assert await lines(alice) == []
        await alice.post(f"/tasks/{task['id']}/restore")
        assert len(await lines(alice)) == 1

    @pytest.mark.parametrize("form", FORMATS)
    async def test_entries_of_several_batches_are_complete(self, alice: Client, database: Database, form: str) -> None:
        entries = short_entries(601)
        rows = [task_row(alice.user["_id"], **tracked(*entries[number::2])) for number in range(2)]
        await database.tasks.insert_many(rows)
        expected = [str(entry["id"]) for entry in entries]
        content = (await exported(alice, form)).content
        if form == "csv":
            found = [line["entry_id"] for line in csv.DictReader(StringIO(content.decode(), newline=""))]
        elif form == "ndjson":
            found = [json.loads(line)["id"] for line in content.splitlines()]
        elif form == "ics":
            found = [line[4:28].decode() for line in content.split(b"\r\n") if line.startswith(b"UID:")]
        else:
            book = openpyxl.load_workbook(BytesIO(content), read_only=True)
            found = [row[16] for row in book.worksheets[0].iter_rows(values_only=True)][1:-1]
            book.close()
        assert found == expected


@pytest.mark.usefixtures("entry_storage")
class TestCut:
    OCTOBER: ClassVar = {"from": "2026-10-01", "to": "2026-11-01"}

    async def entry_over_midnight(self, client: Client) -> Json:
        """Create an entry of five hours, two of them in October."""
        return await client.write(
            await client.make_task(), started_at="2026-10-31T22:00:00Z", duration_seconds=18_000, note="late"
        )

    async def test_adjacent_files_add_up(self, alice: Client) -> None:
        entry = await self.entry_over_midnight(alice)
        whole = [await lines(alice, **span) for span in (self.OCTOBER, {})]
        assert [[found["duration_seconds"] for found in file] for file in whole] == [[18_000], [18_000]]
        (october,), (november,) = [await lines(alice, **span, cut="true") for span in (self.OCTOBER, {})]
        assert (october["id"], november["id"]) == (entry["id"], entry["id"])
        assert (october["started_at"], october["ended_at"]) == ("2026-10-31T22:00:00Z", "2026-11-01T00:00:00Z")
        assert (november["started_at"], november["ended_at"]) == ("2026-11-01T00:00:00Z", "2026-11-01T03:00:00Z")
        assert (october["duration_seconds"], november["duration_seconds"]) == (7_200, 10_800)

    async def test_entries_are_cut_in_every_format(self, alice: Client) -> None:
        await self.entry_over_midnight(alice)
        (row,) = await table(alice, cut="true")
        assert (row["duration_seconds"], row["duration_hours"]) == ("10800", "3.0000")
        assert (await sheet(alice, cut="true"))[1][9] == timedelta(hours=3)
        (event,) = await events(alice, cut="true")
        assert event.decoded("dtend") - event.decoded("dtstart") == timedelta(hours=3)

    async def test_parts_of_an_entry_have_different_uids(self, alice: Client) -> None:
        await self.entry_over_midnight(alice)
        uids = [str((await events(alice, **span, cut="true"))[0]["uid"]) for span in (self.OCTOBER, {})]
        assert len(set(uids)) == 2

    async def test_entries_inside_the_range_are_unchanged(self, alice: Client, database: Database) -> None:
        await create_day_of_work(alice)
        nothing = ended_entry(minutes=0)
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(nothing)))
        assert await lines(alice, cut="true") == await lines(alice)

    async def test_running_timer_is_cut(self, alice: Client) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        before, since, until, later = ((now + timedelta(minutes=n)).isoformat() for n in (-120, -60, -30, 60))
        await alice.start(await alice.make_task(), started_at=before)
        query = {"from": since, "include_running": "true", "cut": "true"}
        (running,) = await lines(alice, **query, to=later)
        assert (instant(running["started_at"]), running["ended_at"]) == (instant(since), None)
        (row,) = await table(alice, **query, to=later)
        assert 3_600 <= int(row["duration_seconds"]) < 4_200
        (past,) = await lines(alice, **query, to=until)
        assert (instant(past["ended_at"]), past["duration_seconds"]) == (instant(until), 1_800)


class TestRunningTimer:
    async def test_is_included_only_on_request(self, alice: Client) -> None:
        task = await alice.make_task()
        timer = await alice.start(task, started_at=ago(hours=1))
        around = {"from": ago(days=1), "to": ago(days=-1)}
        assert await lines(alice, **around) == []
        (line,) = await lines(alice, **around, include_running="true")
        assert line == {
            **timer["entry"],
            "task_title": task["title"],
            "task_tags": [],
            "status": "in_progress",
            "project_id": None,
            "project_name": None,
            "client_name": None,
        }

    async def test_has_no_end_and_its_present_duration(self, alice: Client) -> None:
        await alice.start(await alice.make_task(), started_at=ago(hours=1))
        around = {"from": ago(days=1), "to": ago(days=-1), "include_running": "true"}
        (row,) = await table(alice, **around)
        assert row["end"] == ""
        assert 3600 <= int(row["duration_seconds"]) < 7200
        cells = dict(zip(*(await sheet(alice, **around))[:2], strict=True))
        assert cells["end"] is None
        assert timedelta(hours=1) <= cells["duration"] < timedelta(hours=2)
        (event,) = await events(alice, **around)
        assert timedelta(hours=1) <= event.decoded("dtend") - event.decoded("dtstart") < timedelta(hours=2)

    async def test_is_sorted_and_filtered_like_other_entries(self, alice: Client) -> None:
        task = await alice.make_task()
        first = await alice.write(task, started_at=ago(hours=3), duration_seconds=60)
        later = await alice.write(task, started_at=ago(hours=1), duration_seconds=60)
        timer = await alice.start(task, started_at=ago(hours=2), tags=["deep"])
        around = {"from": ago(days=1), "to": ago(days=-1), "include_running": "true"}
        found = [line["id"] for line in await lines(alice, **around)]
        assert found == [first["id"], timer["entry"]["id"], later["id"]]
        assert [line["id"] for line in await lines(alice, **around, tag="deep")] == [timer["entry"]["id"]]
        assert await lines(alice, **around, tag="other") == []

    async def test_is_exported_once_when_stopped_during_the_export(self, alice: Client) -> None:
        task = await alice.make_task()
        around = {"from": ago(days=1), "to": ago(days=-1), "include_running": "true"}
        for number in range(1, 9):
            timer = await alice.start(task, started_at=ago(hours=number))
            stopping = asyncio.create_task(alice.stop())
            found = await asyncio.gather(*(lines(alice, **around) for _ in range(4)))
            await stopping
            for file in found:
                ids = [line["id"] for line in file]
                assert timer["entry"]["id"] in ids
                assert len(ids) == len(set(ids)) == number
