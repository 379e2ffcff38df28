"""Import options: formats, users, currencies, columns and the start of the day."""

import json
from typing import Any

import httpx
import pytest
from bson import ObjectId

from tests.conftest import Database
from tests.paths import SAMPLES
from tests.support.http import Client, Json, pointers
from tests.support.import_reading import (
    CLOCKIFY,
    HARVEST,
    KIMAI,
    SOLIDTIME_ENTRIES,
    SOLIDTIME_TABLES,
    TIMEWARRIOR_INTERVALS,
    to_zip,
)
from tests.transfer.test_background_imports import wait_until_done

TEAM = (
    "start,hours,task,user\n"
    "2026-11-02 09:00,1.0,Mail,Ada\n"
    "2026-11-02 09:00,2.0,Mail,Bob\n"
    "2026-11-02 09:00,3.0,Mail,Bob\n"
)


async def send(client: Client, file: str | bytes, **fields: Any) -> httpx.Response:
    """Upload this file. Return the response."""
    form = {"format": "auto", "timezone": "Europe/Berlin", **fields}
    data = {name: value for name, value in form.items() if value is not None}
    content = file.encode() if isinstance(file, str) else file
    return await client.post("/imports", data=data, files={"file": ("time", content)})


async def import_file(client: Client, file: str | bytes, **fields: Any) -> Json:
    response = await send(client, file, **fields)
    assert response.status_code == (200 if "dry_run" in fields else 201), response.text
    result: Json = response.json()
    return result


async def entries(client: Client) -> list[Json]:
    """Return all entries, oldest first."""
    response = await client.get("/exports/time-entries.ndjson", params={"from": "2019-01-01", "to": "2027-01-01"})
    assert response.status_code == 200, response.text
    found: list[Json] = [json.loads(line) for line in response.text.splitlines()]
    return sorted(found, key=lambda entry: (entry["started_at"], entry["duration_seconds"]))


async def amounts(client: Client) -> list[Json]:
    """Return the total amounts of all entries."""
    sent = {"from": "2019-01-01", "to": "2027-01-01", "group_by": "project"}
    found: list[Json] = (await client.get("/reports/summary", params=sent)).json()["amounts"]
    return found


OWN = (
    "entry_id,task_id,project,client,task,note,tags,billable,start,end,timezone,duration_seconds,duration_hours,"
    "hourly_rate,currency,source,status\n"
    + "".join(
        f"6b09ff282c83e67d05f2cf{last},6b09ff282c83e67d05f2cf8b,,,T,call,{tag},false,2026-06-22T10:00:00+02:00,"
        "2026-06-22T10:13:00+02:00,Europe/Berlin,780,0.2167,,,manual,pending\n"
        for last, tag in (("8c", "a"), ("8d", "b"), ("8e", "b"))
    )
)


def own_parts(*times: tuple[str, str]) -> str:
    """Return our own export of an entry that was divided into parts with these times."""
    header, row = OWN.splitlines(keepends=True)[:2]
    return header + "".join(
        row.replace("10:00:00", f"{start}:00").replace("10:13:00", f"{end}:00").replace("780,0.2167", ",")
        for start, end in times
    )


class TestDistinctRows:
    async def test_rows_with_different_entry_ids_are_separate_entries(self, alice: Client) -> None:
        assert (await import_file(alice, OWN, format="csv"))["created"]["entries"] == 3
        assert sum(entry["duration_seconds"] for entry in await entries(alice)) == 2_340
        again = await import_file(alice, OWN)
        assert (again["created"]["entries"], again["duplicates"]) == (0, 3)

    async def test_row_matches_the_part_of_a_divided_entry_that_it_overlaps(self, alice: Client) -> None:
        await import_file(alice, own_parts(("09:00", "10:00"), ("14:00", "15:00")), format="csv")
        again = await import_file(alice, own_parts(("14:10", "14:50"), ("09:30", "14:00")), format="csv")
        assert (again["created"]["entries"], again["duplicates"]) == (0, 2)

    @pytest.mark.parametrize("format", ["clockify", "csv"])
    async def test_rows_with_different_tags_are_separate_entries(self, format: str, alice: Client) -> None:  # noqa: A002
        header, row = CLOCKIFY.format("EUR").splitlines(keepends=True)
        result = await import_file(
            alice, header + row.replace(",,Yes", ",a,Yes") + row.replace(",,Yes", ",b,Yes"), format=format
        )
        assert (result["created"]["entries"], result["duplicates"]) == (2, 0)
        assert sorted(entry["tags"] for entry in await entries(alice)) == [["a"], ["b"]]


class TestFormatDetection:
    @pytest.mark.parametrize(
        ("file", "format", "seconds"),
        [
            ((SAMPLES / "toggl-detailed.csv").read_bytes(), "toggl", 5_400 + 900 + 2_700 + 2_700),
            ((SAMPLES / "clockify-mdy-12h.csv").read_bytes(), "clockify", 5_400 + 900 + 2_700 + 2_700),
            (HARVEST, "harvest", 5_400 + 5_400 + 36 + 4_500),
            (json.dumps(TIMEWARRIOR_INTERVALS), "timewarrior", 5_400 + 3_600),
            (to_zip(time_entries=SOLIDTIME_ENTRIES, **SOLIDTIME_TABLES), "solidtime", 3_601),
            (KIMAI, "csv", 27_000 + 14_400),
        ],
        ids=["toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv"],
    )
    async def test_format_is_detected(self, file: str | bytes, format: str, seconds: int, alice: Client) -> None:  # noqa: A002
        result = await import_file(alice, file)
        assert result["format"] == format
        assert sum(entry["duration_seconds"] for entry in await entries(alice)) == seconds
        listed = (await alice.get(f"/imports/{result['id']}")).json()
        assert (listed["format"], listed["ignored_columns"]) == (format, result["ignored_columns"])

    async def test_account_file_is_detected(self, alice: Client, bob: Client) -> None:
        await alice.make_task(title="Mail")
        exported = (await alice.get("/exports/account.ndjson.gz")).content
        result = await import_file(bob, exported, timezone=None)
        assert (result["format"], result["created"]["tasks"], result["ignored_columns"]) == ("account", 1, [])

    async def test_file_with_instants_needs_no_time_zone(self, alice: Client) -> None:
        await alice.patch("/users/me", json={"timezone": "Asia/Tokyo"})
        await import_file(alice, json.dumps(TIMEWARRIOR_INTERVALS), timezone=None)
        assert {entry["timezone"] for entry in await entries(alice)} == {"Asia/Tokyo"}
        assert pointers(await send(alice, KIMAI, timezone=None)) == {"#/timezone"}

    async def test_unknown_format_is_refused(self, alice: Client, database: Database) -> None:
        for file in ('{"buckets": {}}', to_zip(other="x"), b"\x1f\x8b\x08"):
            assert pointers(await send(alice, file)) == {"#/file"}
        assert await database.import_batches.count_documents({}) == 0


class TestTeamFile:
    async def test_all_users_are_imported_with_a_notice(self, alice: Client) -> None:
        result = await import_file(alice, TEAM)
        assert result["created"]["entries"] == 3
        assert [notice["message"] for notice in result["notices"]] == [
            "names 2 users; the rows of all were read: Bob (2), Ada (1)"
        ]

    async def test_one_user_can_be_selected(self, alice: Client) -> None:
        result = await import_file(alice, TEAM, user="bob")
        assert [entry["duration_seconds"] for entry in await entries(alice)] == [7_200, 10_800]
        assert (result["errors"], result["skipped"]) == ([], 0)
        assert result["notices"] == [
            {"row": 0, "column": "user", "message": "names 2 users; 1 row of 1 other user ignored: Ada (1)"}
        ]

    async def test_interrupted_import_continues_only_for_the_same_user(self, alice: Client, database: Database) -> None:
        first = await import_file(alice, TEAM, user="bob")
        interrupted = {"$set": {"state": "interrupted"}}
        await database.import_batches.update_one({"_id": ObjectId(first["id"])}, interrupted)
        assert (await import_file(alice, TEAM, user="ada"))["id"] != first["id"]
        assert (await import_file(alice, TEAM, user="bob"))["id"] == first["id"]

    @pytest.mark.parametrize(
        "other",
        [
            {"user": "ada"},
            {"currency": "usd"},
            {"columns": '{"note": "task"}'},
            {"day_start": "08:00"},
            {"timezone": "Europe/Paris"},
            {"date_order": "ymd"},
            {"overlap": "warn"},
        ],
        ids=lambda other: next(iter(other)),
    )
    async def test_other_options_begin_a_new_import(
        self, other: dict[str, str], alice: Client, database: Database
    ) -> None:
        """All rows of an import are read with the same options, also after an interruption."""
        first = await import_file(alice, TEAM)
        interrupted = {"$set": {"state": "interrupted"}}
        await database.import_batches.update_one({"_id": ObjectId(first["id"])}, interrupted)
        fields = dict(other)
        params = {"overlap": fields.pop("overlap", "allow")}
        data = {"format": "csv", "timezone": "Europe/Berlin"} | fields
        response = await alice.post("/imports", params=params, data=data, files={"file": ("time", TEAM)})
        assert response.status_code == 201, response.text
        assert response.json()["id"] != first["id"]
        assert (await import_file(alice, TEAM))["id"] == first["id"]

    async def test_unknown_user_is_refused(self, alice: Client) -> None:
        assert pointers(await send(alice, TEAM, user="Eve")) == {"#/user"}


class TestMoney:
    async def test_unreadable_rate_is_not_replaced_by_the_project_rate(self, alice: Client) -> None:
        await alice.make_project(name="Site", hourly_rate={"amount": 9_999, "currency": "EUR"})
        result = await import_file(alice, CLOCKIFY.format("$"))
        (entry,) = await entries(alice)
        assert (entry["billable"], entry["hourly_rate"]) == (True, None)
        assert {notice["column"] for notice in result["notices"]} == {"Billable Rate ($)", "Billable Amount ($)"}

    async def test_row_without_a_rate_takes_the_project_rate(self, alice: Client) -> None:
        await alice.make_project(name="Site", hourly_rate={"amount": 9_999, "currency": "EUR"})
        await import_file(alice, "start,hours,task,project,billable\n2026-11-02 09:00,1.0,x,Site,yes\n")
        (entry,) = await entries(alice)
        assert entry["hourly_rate"] == {"amount": 9_999, "currency": "EUR"}

    async def test_currency_of_the_form_is_used(self, alice: Client) -> None:
        await import_file(alice, CLOCKIFY.format("$"), currency="usd")
        (entry,) = await entries(alice)
        assert entry["hourly_rate"] == {"amount": 2_625, "currency": "USD"}

    async def test_import_with_a_currency_later_adds_nothing(self, alice: Client) -> None:
        await import_file(alice, CLOCKIFY.format("$"))
        again = await import_file(alice, CLOCKIFY.format("$"), currency="usd")
        assert (again["created"]["entries"], again["duplicates"]) == (0, 1)

    async def test_amount_of_a_row_is_exact(self, alice: Client) -> None:
        await import_file(
            alice,
            "Date,Begin,End,Duration,Rate,Currency,Customer,Project,Activity,Billable\n"
            "2019-04-25,09:00,13:00,4:00,400.00,EUR,Acme,Site,Design,yes\n",
        )
        assert await amounts(alice) == [{"currency": "EUR", "amount": 40_000}]


class TestColumns:
    file = "Begin,End,Was gemacht,Ort\n2026-11-02 09:00,2026-11-02 10:00,Draw,Berlin\n"

    async def test_missing_column_can_be_mapped(self, alice: Client) -> None:
        assert pointers(await send(alice, self.file)) == {"#/columns"}
        columns = json.dumps({"title": "Was gemacht"})
        rehearsed = await import_file(alice, self.file, columns=columns, dry_run="True")
        assert rehearsed["columns"] == {
            "start": {"header": "Begin", "values": ["2026-11-02 09:00"]},
            "end": {"header": "End", "values": ["2026-11-02 10:00"]},
            "task": {"header": "Was gemacht", "values": ["Draw"]},
        }
        assert rehearsed["ignored_columns"] == ["Ort"]
        result = await import_file(alice, self.file, columns=columns)
        assert (result["ignored_columns"], result["created"]["entries"]) == (["Ort"], 1)
        assert "columns" not in result

    async def test_background_import_uses_the_mapping(self, alice: Client) -> None:
        form = {"columns": json.dumps({"task": "Was gemacht", "note": None}), "day_start": "07:15", "currency": "EUR"}
        response = await send(alice, self.file, wait="false", **form)
        assert response.status_code == 202, response.text
        result = await wait_until_done(alice, response.json())
        assert (result["status"], result["created"]["entries"], result["ignored_columns"]) == ("done", 1, ["Ort"])

    @pytest.mark.parametrize(
        ("field", "value"), [("duration_seconds", "5400"), ("duration_minutes", "90"), ("duration_hours", "1.5")]
    )
    async def test_duration_column_can_be_named(self, field: str, value: str, alice: Client) -> None:
        file = f"start,spent,task\n2026-11-02 09:00,{value},Mail\n"
        await import_file(alice, file, columns=json.dumps({field: "spent"}))
        assert [entry["duration_seconds"] for entry in await entries(alice)] == [5_400]

    async def test_at_most_1000_ignored_columns_are_listed(self, alice: Client) -> None:
        others = ",".join(f"c{number}{'x' * 300}" for number in range(1_200))
        result = await import_file(alice, f"start,hours,task,{others}\n2026-11-02 09:00,1.0,x\n")
        assert len(result["ignored_columns"]) == 1_000
        assert max(map(len, result["ignored_columns"])) == 200
        (listed,) = (await alice.get("/imports")).json()["items"]
        assert listed["ignored_columns"] == result["ignored_columns"][:10]


class TestRowsWithoutTimeOfDay:
    @pytest.mark.parametrize(
        ("options", "starts"), [({"day_start": "07:30"}, ("06:30", "08:00")), ({}, ("08:00", "09:30"))]
    )
    async def test_first_entry_begins_at_day_start(self, options: Json, starts: tuple[str, str], alice: Client) -> None:
        await import_file(alice, "Date,Hours,Task\n2026-11-02,1.5,a\n2026-11-02,2,b\n", **options)
        assert [(entry["started_at"], entry["duration_seconds"]) for entry in await entries(alice)] == [
            (f"2026-11-02T{starts[0]}:00Z", 5_400),
            (f"2026-11-02T{starts[1]}:00Z", 7_200),
        ]


class TestNotes:
    async def test_note_of_more_than_5000_characters_is_an_error(self, alice: Client) -> None:
        rows = [f"2026-11-02 09:00,1.0,x,{'n' * length}" for length in (5_000, 5_001)]
        result = await import_file(alice, "start,hours,task,note\n" + "\n".join(rows))
        assert [(error["row"], error["column"]) for error in result["errors"]] == [(2, "note")]
        assert [len(entry["note"]) for entry in await entries(alice)] == [5_000]
