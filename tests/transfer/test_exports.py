"""Time entries as files: each format read back by a program that is not ours."""

import asyncio
import csv
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import httpx
import openpyxl
import pytest
from bson import ObjectId
from icalendar import Calendar

from app.errors import ValidationError
from documents.tracking.tasks import Task
from documents.transfer.export_queries import MAX_CONCURRENT_READS, read_batches
from services.transfer.export_formats.context import ExportContext
from services.transfer.export_formats.xlsx_file import EntrySheet
from tests.conftest import Database
from tests.support.http import Client, Json, ago, clock, instant, parameters, problem
from tests.support.stored_documents import NINE, ended_entry, project_row, short_entries, task_row, tracked

FORMATS = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ndjson": "application/x-ndjson",
    "ics": "text/calendar; charset=utf-8",
}
NOVEMBER = {"from": "2026-11-01", "to": "2026-12-01"}
COLUMNS = (
    "entry_id,task_id,project,client,task,note,tags,billable,start,end,timezone,"
    "duration_seconds,duration_hours,hourly_rate,currency,source,status"
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
"""What is changed of a good query, None for what is left out, and the parameters that are then wrong."""


async def exported(client: Client, form: str, **query: Any) -> httpx.Response:
    """The file of November, or of what is asked for."""
    response = await client.get(f"/exports/time-entries.{form}", params=NOVEMBER | query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == FORMATS[form]
    return response


async def table(client: Client, **query: Any) -> list[Json]:
    """The rows of the CSV file by the names of their columns."""
    content = (await exported(client, "csv", **query)).content.decode()
    return list(csv.DictReader(StringIO(content, newline=""), strict=True))


async def lines(client: Client, **query: Any) -> list[Json]:
    """The objects of the file of JSON lines."""
    return [json.loads(line) for line in (await exported(client, "ndjson", **query)).content.splitlines()]


async def sheet(client: Client, **query: Any) -> list[tuple[Any, ...]]:
    """The cells of the worksheet, row by row."""
    book = openpyxl.load_workbook(BytesIO((await exported(client, "xlsx", **query)).content))
    return list(book.worksheets[0].iter_rows(values_only=True))


async def events(client: Client, **query: Any) -> list[Any]:
    """The events of the calendar."""
    content = (await exported(client, "ics", **query)).content
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    return Calendar.from_ical(content).walk("VEVENT")


async def a_day_of_work(client: Client) -> tuple[Json, Json, Json]:
    """A project, a task of it, and an entry of an hour on it."""
    project = await client.make_project(
        name="Site", client_name="Ada & Sons", hourly_rate={"amount": 9550, "currency": "EUR"}
    )
    task = await client.make_task(project_id=project["id"], tags=["sales", "web"], billable=True)
    entry = await client.write(task, note="First draft", tags=["deep", "sales"], timezone="Europe/Berlin")
    return project, task, entry


class TestAnyFormat:
    @pytest.mark.parametrize("form", FORMATS)
    async def test_is_a_file_with_a_dated_name_that_nobody_keeps(self, alice: Client, form: str) -> None:
        response = await exported(alice, form)
        name = f'attachment; filename="task-timer-2026-11-01--2026-12-01.{form}"'
        assert response.headers["content-disposition"] == name
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["transfer-encoding"] == "chunked"

    @pytest.mark.parametrize("form", FORMATS)
    async def test_answers_head_without_the_file(self, alice: Client, form: str) -> None:
        await a_day_of_work(alice)
        head = await alice.head(f"/exports/time-entries.{form}", params=NOVEMBER)
        whole = await exported(alice, form)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-disposition", "cache-control"):
            assert head.headers[name] == whole.headers[name]

    async def test_refuses_what_it_cannot_know(self, alice: Client) -> None:
        for form in FORMATS:
            for changes, wrong in WRONG:
                asked = {name: value for name, value in {**NOVEMBER, **changes}.items() if value is not None}
                refused = parameters(await alice.get(f"/exports/time-entries.{form}", params=asked))
                assert refused == (wrong if form == "csv" or "bom" not in changes else {"bom"}), (form, changes)

    async def test_shows_only_ones_own(self, alice: Client, bob: Client) -> None:
        project, task, _ = await a_day_of_work(alice)
        for query in ({}, {"task_id": task["id"]}, {"project_id": project["id"]}, {"tag": "sales"}):
            assert await lines(bob, **query) == []
            assert await table(bob, **query) == []
            assert await events(bob, **query) == []
            assert len(await sheet(bob, **query)) == 2


class TestWhichEntries:
    async def test_are_whole_and_the_oldest_first(self, alice: Client) -> None:
        task, other = await alice.make_task(), await alice.make_task(title="Other")
        for on, start in ((task, "11:00"), (other, "09:00"), (task, "10:00"), (task, "08:00"), (other, "12:00")):
            await alice.write(on, started_at=clock(start))
        found = await lines(alice, **{"from": clock("09:30"), "to": clock("12:00")})
        assert [(line["started_at"], line["duration_seconds"]) for line in found] == [
            (clock(start), 3600) for start in ("09:00", "10:00", "11:00")
        ]

    async def test_are_those_of_the_days_of_a_zone(self, alice: Client) -> None:
        entry = await alice.write(await alice.make_task(), started_at="2026-10-31T23:30:00Z", duration_seconds=60)
        october = {"from": "2026-10-01", "to": "2026-11-01"}
        assert [line["id"] for line in await lines(alice, **october)] == [entry["id"]]
        assert await lines(alice, **october, timezone="Europe/Berlin") == []
        await alice.patch("/users/me", json={"timezone": "Europe/Berlin"})
        assert await lines(alice, **october) == []

    async def test_are_narrowed_by_the_filters(self, alice: Client) -> None:
        project, task, entry = await a_day_of_work(alice)
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

    async def test_are_not_those_in_the_trash(self, alice: Client) -> None:
        _, task, _ = await a_day_of_work(alice)
        await alice.delete(f"/tasks/{task['id']}")
        assert await lines(alice) == []
        await alice.post(f"/tasks/{task['id']}/restore")
        assert len(await lines(alice)) == 1

    @pytest.mark.parametrize("form", FORMATS)
    async def test_are_more_than_are_read_at_once(self, alice: Client, database: Database, form: str) -> None:
        entries = short_entries(1201)
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


class TestWhatIsCut:
    OCTOBER: ClassVar = {"from": "2026-10-01", "to": "2026-11-01"}

    async def over_midnight(self, client: Client) -> Json:
        """An entry of five hours, two of them in October."""
        return await client.write(
            await client.make_task(), started_at="2026-10-31T22:00:00Z", duration_seconds=18_000, note="late"
        )

    async def test_adds_up_over_two_files(self, alice: Client) -> None:
        entry = await self.over_midnight(alice)
        whole = [await lines(alice, **span) for span in (self.OCTOBER, {})]
        assert [[found["duration_seconds"] for found in file] for file in whole] == [[18_000], [18_000]]
        (october,), (november,) = [await lines(alice, **span, cut="true") for span in (self.OCTOBER, {})]
        assert (october["id"], november["id"]) == (entry["id"], entry["id"])
        assert (october["started_at"], october["ended_at"]) == ("2026-10-31T22:00:00Z", "2026-11-01T00:00:00Z")
        assert (november["started_at"], november["ended_at"]) == ("2026-11-01T00:00:00Z", "2026-11-01T03:00:00Z")
        assert (october["duration_seconds"], november["duration_seconds"]) == (7_200, 10_800)

    async def test_is_cut_in_every_format(self, alice: Client) -> None:
        await self.over_midnight(alice)
        (row,) = await table(alice, cut="true")
        assert (row["duration_seconds"], row["duration_hours"]) == ("10800", "3.0000")
        assert (await sheet(alice, cut="true"))[1][9] == timedelta(hours=3)
        (event,) = await events(alice, cut="true")
        assert event.decoded("dtend") - event.decoded("dtstart") == timedelta(hours=3)

    async def test_is_another_event_in_each_file(self, alice: Client) -> None:
        await self.over_midnight(alice)
        uids = [str((await events(alice, **span, cut="true"))[0]["uid"]) for span in (self.OCTOBER, {})]
        assert len(set(uids)) == 2

    async def test_leaves_whole_what_is_within(self, alice: Client, database: Database) -> None:
        await a_day_of_work(alice)
        nothing = ended_entry(minutes=0)
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(nothing)))
        assert await lines(alice, cut="true") == await lines(alice)

    async def test_is_a_running_timer_too(self, alice: Client) -> None:
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


class TestJsonLines:
    async def test_break_nowhere_but_at_their_ends(self, alice: Client, database: Database) -> None:
        note = "a\u0085b\u2028c\u2029d\u00c2\u2027"
        entries = [ended_entry(note=note), ended_entry(note="plain", at=NINE + timedelta(hours=1))]
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(*entries)))
        content = (await exported(alice, "ndjson")).content.decode()
        assert [json.loads(line)["note"] for line in content.splitlines()] == [note, "plain"]


class TestTheRunningTimer:
    async def test_is_left_out_unless_it_is_asked_for(self, alice: Client) -> None:
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

    async def test_has_no_end_and_lasts_until_now(self, alice: Client) -> None:
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

    async def test_stands_in_its_place_and_meets_the_filters(self, alice: Client) -> None:
        task = await alice.make_task()
        first = await alice.write(task, started_at=ago(hours=3), duration_seconds=60)
        later = await alice.write(task, started_at=ago(hours=1), duration_seconds=60)
        timer = await alice.start(task, started_at=ago(hours=2), tags=["deep"])
        around = {"from": ago(days=1), "to": ago(days=-1), "include_running": "true"}
        found = [line["id"] for line in await lines(alice, **around)]
        assert found == [first["id"], timer["entry"]["id"], later["id"]]
        assert [line["id"] for line in await lines(alice, **around, tag="deep")] == [timer["entry"]["id"]]
        assert await lines(alice, **around, tag="other") == []

    async def test_is_there_once_when_it_is_stopped_meanwhile(self, alice: Client) -> None:
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


class TestCsv:
    async def test_says_all_of_an_entry(self, alice: Client) -> None:
        _, task, entry = await a_day_of_work(alice)
        response = await exported(alice, "csv", timezone="Asia/Kathmandu")
        assert response.content.decode() == (
            f"{COLUMNS}\r\n"
            f"{entry['id']},{task['id']},Site,Ada & Sons,Write the offer,First draft,"
            '"deep, sales, web",true,2026-11-18T14:45:00+05:45,2026-11-18T15:45:00+05:45,Europe/Berlin,'
            "3600,1.0000,95.50,EUR,manual,pending\r\n"
        )

    async def test_of_no_entry_has_its_columns(self, alice: Client) -> None:
        assert (await exported(alice, "csv")).content.decode() == f"{COLUMNS}\r\n"

    async def test_has_a_byte_order_mark_for_the_asking(self, alice: Client) -> None:
        plain = (await exported(alice, "csv", bom="false")).content
        assert (await exported(alice, "csv", bom="true")).content == b"\xef\xbb\xbf" + plain

    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
    async def test_has_nothing_that_a_spreadsheet_would_run(
        self, alice: Client, database: Database, begin: str
    ) -> None:
        bad = f'{begin}cmd|"/c calc"!A1'
        project = project_row(alice.user["_id"], name=bad, client_name=bad)
        entry = ended_entry(note=bad, tags=[begin])
        task = task_row(alice.user["_id"], title=bad, project_id=project["_id"], **tracked(entry))
        await database.projects.insert_one(project)
        await database.tasks.insert_one(task)
        (row,) = await table(alice)
        assert {row[name] for name in ("project", "client", "task", "note")} == {f"'{bad}"}
        assert begin in row["tags"]
        assert not any(cell[:1] in {"=", "+", "-", "@", "\t", "\r"} for cell in row.values())

    async def test_keeps_every_character(self, alice: Client) -> None:
        note = "He said \"no\",\r\nthen\nnothing; 🕑 é\u2028 'x' end "
        task = await alice.make_task(title="Grüße, 世界", tags=["a, b", 'c"d', "e;f", "g"])
        await alice.write(task, note=note)
        (row,) = await table(alice)
        assert (row["task"], row["note"]) == ("Grüße, 世界", note)
        assert row["tags"] == '"a, b", "c""d", "e;f", g'

    async def test_tells_the_hours_of_a_repeated_hour_apart(self, alice: Client) -> None:
        task = await alice.make_task()
        for start in ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"):
            await alice.write(task, started_at=start, duration_seconds=1000)
        found = await table(alice, **{"from": "2026-10-25", "to": "2026-10-26"}, timezone="Europe/Berlin")
        assert [(row["start"], row["duration_hours"]) for row in found] == [
            ("2026-10-25T02:30:00+02:00", "0.2777777778"),
            ("2026-10-25T02:30:00+01:00", "0.2777777778"),
        ]

    @pytest.mark.parametrize(
        ("amount", "currency", "shown"), [(9000, "JPY", "9000"), (5, "EUR", "0.05"), (12345, "KWD", "12.345")]
    )
    async def test_shows_a_rate_in_major_units(
        self, alice: Client, database: Database, amount: int, currency: str, shown: str
    ) -> None:
        entry = ended_entry(billable=True, hourly_rate={"amount": amount, "currency": currency})
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(entry)))
        (row,) = await table(alice)
        assert (row["hourly_rate"], row["currency"]) == (shown, currency)

    @pytest.mark.parametrize(
        ("sent", "mark"), [("comma", ","), (",", ","), ("semicolon", ";"), (";", ";"), ("tab", "\t"), ("\t", "\t")]
    )
    async def test_has_the_marks_between_cells_that_are_asked_for(self, alice: Client, sent: str, mark: str) -> None:
        await alice.write(await alice.make_task(title="a;b,c"), note="d\te")
        content = (await exported(alice, "csv", delimiter=sent)).content.decode()
        header, row = csv.reader(StringIO(content, newline=""), delimiter=mark, strict=True)
        assert ",".join(header) == COLUMNS
        assert row[4:6] == ["a;b,c", "d\te"]

    @pytest.mark.parametrize(("sent", "mark"), [("point", "."), (".", "."), ("comma", ","), (",", ",")])
    async def test_has_the_mark_before_decimals_that_is_asked_for(self, alice: Client, sent: str, mark: str) -> None:
        await a_day_of_work(alice)
        (row,) = await table(alice, decimal=sent)
        assert (row["duration_hours"], row["hourly_rate"]) == (f"1{mark}0000", f"95{mark}50")

    async def test_has_hours_that_add_up_to_the_second(self, alice: Client, database: Database) -> None:
        entries = [ended_entry(at=NINE + timedelta(seconds=n), minutes=0) for n in range(500)]
        for number, entry in enumerate(entries):
            entry["ended_at"] += timedelta(seconds=number * 7 + 1)
            entry["duration_seconds"] = number * 7 + 1
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(*entries)))
        rows = await table(alice)
        exact = sum(int(row["duration_seconds"]) for row in rows)
        assert abs(sum(float(row["duration_hours"]) for row in rows) * 3_600 - exact) < 0.01

    @pytest.mark.parametrize("marks", [{"delimiter": "semicolon", "decimal": "comma"}, {"delimiter": "tab"}])
    async def test_is_read_in_again_however_it_is_written(self, alice: Client, bob: Client, marks: Json) -> None:
        await a_day_of_work(alice)
        content = (await exported(alice, "csv", **marks)).content
        form = {"format": "csv", "timezone": "UTC"}
        made = (await bob.post("/imports", data=form, files={"file": ("time.csv", content)})).json()
        assert (made["created"]["entries"], made["errors"], made["notices"]) == (1, [], [])
        (row,) = await table(bob)
        assert (row["hourly_rate"], row["currency"], row["duration_seconds"]) == ("95.50", "EUR", "3600")


class TestXlsx:
    async def test_has_real_dates_and_durations(self, alice: Client) -> None:
        _, task, entry = await a_day_of_work(alice)
        names, row, _ = await sheet(alice, timezone="America/New_York")
        assert dict(zip(names, row, strict=True)) == {
            "project": "Site",
            "client": "Ada & Sons",
            "task": "Write the offer",
            "note": "First draft",
            "tags": "deep, sales, web",
            "billable": True,
            "start": datetime(2026, 11, 18, 4),  # noqa: DTZ001 -- a worksheet knows no zone
            "end": datetime(2026, 11, 18, 5),  # noqa: DTZ001
            "timezone": "Europe/Berlin",
            "duration": timedelta(hours=1),
            "duration_hours": 1,
            "hourly_rate": 95.5,
            "amount": 95.5,
            "currency": "EUR",
            "source": "manual",
            "status": "pending",
            "entry_id": entry["id"],
            "task_id": task["id"],
        }
        assert names[-2:] == ("entry_id", "task_id")

    async def test_adds_up(self, alice: Client) -> None:
        task = await alice.make_task()
        for start in ("09:00", "10:00"):
            await alice.write(task, started_at=clock(start), duration_seconds=45_000)
        content = BytesIO((await exported(alice, "xlsx")).content)
        formulas = openpyxl.load_workbook(content).worksheets[0]
        assert [cell.value for cell in formulas[4]][9:11] == ["=SUM(J2:J3)", "=SUM(K2:K3)"]
        reckoned = openpyxl.load_workbook(content, data_only=True).worksheets[0]
        total = [cell.value for cell in reckoned[4]]
        assert (total[0], total[9:11]) == ("Total", [timedelta(hours=25), 25])
        assert formulas["J4"].number_format == "[h]:mm:ss"
        assert (formulas.freeze_panes, formulas.auto_filter.ref) == ("A2", "A1:R3")

    async def test_adds_up_what_each_currency_comes_to(self, alice: Client) -> None:
        for amount, currency in ((8_549, "EUR"), (10_001, "JPY")):
            project = await alice.make_project(name=currency, hourly_rate={"amount": amount, "currency": currency})
            task = await alice.make_task(title=currency, project_id=project["id"], billable=True)
            for start in ("09:00", "10:00", "11:00"):
                await alice.write(task, started_at=clock(start), duration_seconds=2_701)
            await alice.write(task, started_at=clock("12:00"), duration_seconds=60, billable=False)
        content = BytesIO((await exported(alice, "xlsx")).content)
        formulas = openpyxl.load_workbook(content).worksheets[0]
        assert [formulas["M10"].value, formulas["M11"].value] == [
            '=ROUND(SUMIF(N2:N9,"EUR",M2:M9),2)',
            '=ROUND(SUMIF(N2:N9,"JPY",M2:M9),0)',
        ]
        reckoned = openpyxl.load_workbook(content, data_only=True).worksheets[0]
        totals = {reckoned[f"N{row}"].value: reckoned[f"M{row}"].value for row in (10, 11)}
        assert totals == {"EUR": round(85.49 * 3 * 2_701 / 3_600, 2), "JPY": round(10_001 * 3 * 2_701 / 3_600)}
        report = (await alice.get("/reports/summary", params={**NOVEMBER, "group_by": "day"})).json()
        assert {sum_["currency"]: sum_["amount"] for sum_ in report["amounts"]} == {
            "EUR": round(totals["EUR"] * 100),
            "JPY": round(totals["JPY"]),
        }

    @pytest.mark.parametrize("seed", range(3))
    async def test_adds_up_to_the_amounts_of_a_report_by_whatever_rows(
        self, alice: Client, database: Database, seed: int
    ) -> None:
        chance = random.Random(seed)
        for number in range(chance.randint(2, 6)):
            entries = [
                ended_entry(
                    at=NINE + timedelta(seconds=chance.randrange(500_000)),
                    minutes=chance.choice((0, 1, 7, 50)),
                    billable=chance.random() < 0.8,
                    tags=chance.sample(["a", "b", "c"], chance.randint(0, 3)),
                    hourly_rate={"amount": chance.choice((1, 30, 12_345)), "currency": chance.choice(("EUR", "KWD"))},
                )
                for _ in range(chance.randint(1, 12))
            ]
            entries.sort(key=lambda entry: (entry["started_at"], entry["id"]))
            await database.tasks.insert_one(task_row(alice.user["_id"], title=f"{number}", **tracked(*entries)))
        book = openpyxl.load_workbook(BytesIO((await exported(alice, "xlsx")).content), data_only=True)
        rows: list[Any] = list(book.worksheets[0].iter_rows(min_row=2, values_only=True))
        first_total = next(number for number, row in enumerate(rows) if row[0] == "Total")
        totals = {row[13]: row[12] for row in rows[first_total:]}
        for group_by in ("day", "task", "tag", "hour", "tag,task", "month"):
            report = (await alice.get("/reports/summary", params={**NOVEMBER, "group_by": group_by})).json()
            shown = {sum_["currency"]: sum_["amount"] for sum_ in report["amounts"]}
            minor = {"EUR": 100, "KWD": 1000}
            assert shown.keys() <= totals.keys()
            assert {currency: shown.get(currency, 0) / minor[currency] for currency in totals} == totals, group_by

    async def test_has_no_amount_for_what_is_not_billable(self, alice: Client, database: Database) -> None:
        rate = {"amount": 9_550, "currency": "EUR"}
        entry = ended_entry(minutes=60, billable=False, hourly_rate=rate)
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(entry)))
        content = BytesIO((await exported(alice, "xlsx")).content)
        reckoned = openpyxl.load_workbook(content, data_only=True).worksheets[0]
        assert [reckoned[cell].value for cell in ("L2", "M2", "M3", "N3")] == [95.5, 0, 0, "EUR"]

    async def test_prints_on_pages_as_wide_as_the_paper(self, alice: Client) -> None:
        page = openpyxl.load_workbook(BytesIO((await exported(alice, "xlsx")).content)).worksheets[0]
        fitted = page.sheet_properties.pageSetUpPr
        assert fitted is not None
        assert (page.page_setup.orientation, fitted.fitToPage) == ("landscape", True)
        assert (page.page_setup.fitToWidth or 1, page.page_setup.fitToHeight) == (1, 0)
        assert page.print_title_rows == "$1:$1"

    async def test_breaks_lines_by_line_feeds_alone(self, alice: Client) -> None:
        await alice.write(await alice.make_task(), note="one\r\ntwo\nthree")
        _, row, _ = await sheet(alice)
        assert row[3] == "one\ntwo\nthree"

    async def test_has_no_formula_but_its_own(self, alice: Client, database: Database) -> None:
        bad = ["=1+1", "+1", "-1", "@SUM(A1)", "http://example.com", "{=1}", "0012", "_x0041_"]
        for text in bad:
            await alice.write(await alice.make_task(title="x"), note=text)
        stored_earlier = tracked(ended_entry(note="\x0b_x0041_", at=NINE + timedelta(hours=1)))
        await database.tasks.insert_one(task_row(alice.user["_id"], **stored_earlier))
        content = BytesIO((await exported(alice, "xlsx")).content)
        cells = openpyxl.load_workbook(content).worksheets[0]["D"][1:-1]
        assert {cell.data_type for cell in cells} == {"s"}
        assert not any(cell.hyperlink for cell in cells)
        assert [cell.value for cell in cells][:7] == bad[:7]

    async def test_of_no_entry_has_a_total_of_nothing(self, alice: Client) -> None:
        _, total = await sheet(alice)
        assert (total[0], total[9]) == ("Total", "=SUM(0)")


class TestIcs:
    async def test_has_an_event_an_entry(self, alice: Client) -> None:
        _, _, entry = await a_day_of_work(alice)
        (event,) = await events(alice)
        assert str(event["uid"]) == f"{entry['id']}@task-timer"
        assert event.decoded("dtstart") == datetime(2026, 11, 18, 9, tzinfo=UTC)
        assert event.decoded("dtend") == datetime(2026, 11, 18, 10, tzinfo=UTC)
        assert (str(event["summary"]), str(event["description"])) == ("Write the offer", "First draft")
        assert event.categories == ["deep", "sales", "web", "Site"]
        changed = datetime.fromisoformat(entry["updated_at"]).replace(microsecond=0)
        assert event.decoded("last-modified") == event.decoded("dtstamp") == event.decoded("created") == changed

    async def test_is_a_calendar_with_a_name(self, alice: Client) -> None:
        content = (await exported(alice, "ics")).content
        assert content.startswith(b"BEGIN:VCALENDAR\r\n")
        assert content.endswith(b"\r\nEND:VCALENDAR\r\n")
        calendar = Calendar.from_ical(content)
        assert (str(calendar["version"]), str(calendar["x-wr-calname"])) == ("2.0", "Task Timer")
        assert str(calendar["prodid"]).startswith("-//Task Timer//")

    async def test_keeps_every_character(self, alice: Client) -> None:
        note = "one; two, three\nfour \\ five: " + "Grüße 世界 🕑" * 20
        task = await alice.make_task(title="a;b,c\\d", tags=["x, y", "z;"])
        await alice.write(task, note=note)
        (event,) = await events(alice)
        assert (str(event["summary"]), str(event["description"])) == ("a;b,c\\d", note)
        assert event.categories == ["x, y", "z;"]

    async def test_has_none_of_the_characters_that_a_calendar_may_not_have(
        self, alice: Client, database: Database
    ) -> None:
        stored_earlier = tracked(ended_entry(note="one\ttwo\x0b\r\nthree"))
        row = task_row(alice.user["_id"], title="a\x01b", tags=["x\x7fy"], **stored_earlier)
        await database.tasks.insert_one(row)
        (event,) = await events(alice)
        assert (str(event["summary"]), str(event["description"])) == ("ab", "one\ttwo\nthree")
        assert event.categories == ["xy"]

    async def test_ends_a_second_later_where_an_entry_has_no_time(self, alice: Client, database: Database) -> None:
        entry = ended_entry(minutes=0)
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(entry)))
        (event,) = await events(alice)
        assert event.decoded("dtstart") == NINE.replace(tzinfo=UTC)
        assert event.decoded("dtend") == (NINE + timedelta(seconds=1)).replace(tzinfo=UTC)

    async def test_keeps_the_uid_of_an_entry_that_is_changed(self, alice: Client) -> None:
        _, task, entry = await a_day_of_work(alice)
        (before,) = await events(alice)
        await alice.patch(f"/tasks/{task['id']}/time-entries/{entry['id']}", json={"note": "Second draft"})
        (after,) = await events(alice)
        assert before["uid"] == after["uid"]
        assert str(after["description"]) == "Second draft"


BROKEN = {"tags": 7, "created_at": "never"}
"""Of the last entry: what no format can write."""


async def many_entries(client: Client, database: Database, **fields: Any) -> None:
    """So many entries of this user, of so many bytes, that their file does not fit into what two sockets hold."""
    entries = [ended_entry(minutes=1, at=NINE + timedelta(minutes=n), note="🕑" * 1000) for n in range(1500)]
    entries[-1] |= fields
    row = task_row(client.user["_id"], **tracked(*entries))
    await database.tasks.insert_one(row, bypass_document_validation=True)


async def open_cursors(database: Database) -> int:
    status = await database.client.admin.command("serverStatus")
    return int(status["metrics"]["cursor"]["open"]["total"])


class TestAnExportThatIsCutShort:
    @pytest.mark.parametrize("form", ["csv", "ndjson"])
    async def test_does_not_look_whole(self, alice: Client, database: Database, form: str) -> None:
        await many_entries(alice, database, **BROKEN)
        async with alice.stream("GET", f"/exports/time-entries.{form}", params=NOVEMBER) as response:
            assert response.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                await response.aread()
        assert (await alice.get("/users/me")).status_code == 200

    async def test_is_an_ordinary_error_where_it_is_known_before_the_first_byte(
        self, alice: Client, database: Database
    ) -> None:
        await many_entries(alice, database, **BROKEN)
        problem(await alice.get("/exports/time-entries.xlsx", params=NOVEMBER), 500, "internal_error")

    async def test_by_its_client_leaves_no_query_behind(self, alice: Client, database: Database) -> None:
        await many_entries(alice, database)
        before = await open_cursors(database)
        async with alice.stream("GET", "/exports/time-entries.ndjson", params=NOVEMBER) as response:
            await anext(response.aiter_raw())  # what comes after it may lie in the sockets already
        for _ in range(1200):
            if await open_cursors(database) <= before:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the cursor stays open")


class _HeldCursor:
    """A cursor of nothing, which it says when it is released."""

    def __init__(self, *, held: bool = True) -> None:
        self.asked, self.released = asyncio.Event(), asyncio.Event()
        if not held:
            self.released.set()

    async def to_list(self, _length: int) -> list[Json]:
        self.asked.set()
        await self.released.wait()
        return []

    async def close(self) -> None:
        """It holds nothing."""


async def _all_of(batches: AsyncIterator[list[Any]]) -> list[Any]:
    return [batch async for batch in batches]


class TestReadingInBatches:
    async def test_closes_the_cursor_when_nobody_reads_on(self, alice: Client, database: Database) -> None:
        await database.tasks.insert_many([task_row(alice.user["_id"]) for _ in range(5)])
        found: Any = Task.collection().find({"user_id": alice.user["_id"]}, batch_size=2)
        batches = read_batches(alice.user["_id"], found, 2)
        assert len(await anext(batches)) == 2
        assert found.alive
        await batches.aclose()
        assert not found.alive

    async def test_of_one_user_keeps_nobody_else_waiting(self) -> None:
        alice, bob, held = ObjectId(), ObjectId(), _HeldCursor()
        reading = [asyncio.create_task(_all_of(read_batches(alice, held, 1))) for _ in range(MAX_CONCURRENT_READS + 1)]
        await asyncio.wait_for(held.asked.wait(), 5)
        assert await asyncio.wait_for(_all_of(read_batches(bob, _HeldCursor(held=False), 1)), 5) == []
        held.released.set()
        assert await asyncio.gather(*reading) == [[]] * len(reading)


class TestAWorksheet:
    def test_says_that_there_is_no_room_before_it_is_too_late(self, tmp_path: Path) -> None:
        row = {**task_row(ObjectId()), "entry": ended_entry()}
        sheet = EntrySheet(tmp_path, ExportContext(ZoneInfo("UTC"), NINE, {}), max_entries=2)
        sheet.add([row, row])
        with pytest.raises(ValidationError) as refused:
            sheet.add([row])
        sheet.close()
        assert [wrong.parameter for wrong in refused.value.errors] == ["from"]
        assert "more than 2 entries" in refused.value.errors[0].detail
