"""Exports as CSV and JSON lines."""

import csv
import json
from datetime import timedelta
from io import StringIO

import pytest

from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import NINE, ended_entry, project_row, task_row, tracked
from tests.transfer.exports.files import COLUMNS, create_day_of_work, exported, table


class TestCsv:
    @pytest.mark.usefixtures("entry_storage")
    async def test_row_has_all_fields_of_the_entry(self, alice: Client) -> None:
        _, task, entry = await create_day_of_work(alice)
        response = await exported(alice, "csv", timezone="Asia/Kathmandu")
        assert response.content.decode() == (
            f"{COLUMNS}\r\n"
            f"{entry['id']},{task['id']},Site,Ada & Sons,Write the offer,First draft,"
            '"deep, sales, web",true,2026-11-18T14:45:00+05:45,2026-11-18T15:45:00+05:45,Europe/Berlin,'
            "3600,1.0000,95.50,EUR,manual,pending\r\n"
        )

    async def test_empty_export_has_the_header(self, alice: Client) -> None:
        assert (await exported(alice, "csv")).content.decode() == f"{COLUMNS}\r\n"

    async def test_bom_is_added_on_request(self, alice: Client) -> None:
        plain = (await exported(alice, "csv", bom="false")).content
        assert (await exported(alice, "csv", bom="true")).content == b"\xef\xbb\xbf" + plain

    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
    async def test_formulas_are_escaped(self, alice: Client, database: Database, begin: str) -> None:
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

    async def test_texts_that_are_no_formulas_are_unchanged(self, alice: Client) -> None:
        await alice.write(await alice.make_task(title="_=1"), note="'_=1")
        (row,) = await table(alice)
        assert (row["task"], row["note"]) == ("_=1", "'_=1")

    async def test_special_characters_are_quoted(self, alice: Client) -> None:
        note = "He said \"no\",\r\nthen\nnothing; 🕑 é\u2028 'x' end "
        task = await alice.make_task(title="Grüße, 世界", tags=["a, b", 'c"d', "e;f", "g"])
        await alice.write(task, note=note)
        (row,) = await table(alice)
        assert (row["task"], row["note"]) == ("Grüße, 世界", note)
        assert row["tags"] == '"a, b", "c""d", "e;f", g'

    @pytest.mark.usefixtures("entry_storage")
    async def test_repeated_hour_is_distinguished_by_the_offset(self, alice: Client) -> None:
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
    async def test_rate_is_in_major_units(
        self, alice: Client, database: Database, amount: int, currency: str, shown: str
    ) -> None:
        entry = ended_entry(billable=True, hourly_rate={"amount": amount, "currency": currency})
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(entry)))
        (row,) = await table(alice)
        assert (row["hourly_rate"], row["currency"]) == (shown, currency)

    @pytest.mark.parametrize(
        ("sent", "mark"), [("comma", ","), (",", ","), ("semicolon", ";"), (";", ";"), ("tab", "\t"), ("\t", "\t")]
    )
    async def test_delimiter_can_be_chosen(self, alice: Client, sent: str, mark: str) -> None:
        await alice.write(await alice.make_task(title="a;b,c"), note="d\te")
        content = (await exported(alice, "csv", delimiter=sent)).content.decode()
        header, row = csv.reader(StringIO(content, newline=""), delimiter=mark, strict=True)
        assert ",".join(header) == COLUMNS
        assert row[4:6] == ["a;b,c", "d\te"]

    @pytest.mark.parametrize(("sent", "mark"), [("point", "."), (".", "."), ("comma", ","), (",", ",")])
    async def test_decimal_separator_can_be_chosen(self, alice: Client, sent: str, mark: str) -> None:
        await create_day_of_work(alice)
        (row,) = await table(alice, decimal=sent)
        assert (row["duration_hours"], row["hourly_rate"]) == (f"1{mark}0000", f"95{mark}50")

    @pytest.mark.usefixtures("entry_storage")
    async def test_hours_add_up_to_the_second(self, alice: Client, database: Database) -> None:
        entries = [ended_entry(at=NINE + timedelta(seconds=n), minutes=0) for n in range(500)]
        for number, entry in enumerate(entries):
            entry["ended_at"] += timedelta(seconds=number * 7 + 1)
            entry["duration_seconds"] = number * 7 + 1
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(*entries)))
        rows = await table(alice)
        exact = sum(int(row["duration_seconds"]) for row in rows)
        assert abs(sum(float(row["duration_hours"]) for row in rows) * 3_600 - exact) < 0.01

    @pytest.mark.parametrize("marks", [{"delimiter": "semicolon", "decimal": "comma"}, {"delimiter": "tab"}])
    async def test_every_dialect_can_be_imported(self, alice: Client, bob: Client, marks: Json) -> None:
        await create_day_of_work(alice)
        content = (await exported(alice, "csv", **marks)).content
        form = {"format": "csv", "timezone": "UTC"}
        result = (await bob.post("/imports", data=form, files={"file": ("time.csv", content)})).json()
        assert (result["created"]["entries"], result["errors"], result["notices"]) == (1, [], [])
        (row,) = await table(bob)
        assert (row["hourly_rate"], row["currency"], row["duration_seconds"]) == ("95.50", "EUR", "3600")


class TestJsonLines:
    async def test_unicode_line_breaks_are_escaped(self, alice: Client, database: Database) -> None:
        note = "a\u0085b\u2028c\u2029d\u00c2\u2027"
        entries = [ended_entry(note=note), ended_entry(note="plain", at=NINE + timedelta(hours=1))]
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(*entries)))
        content = (await exported(alice, "ndjson")).content.decode()
        assert [json.loads(line)["note"] for line in content.splitlines()] == [note, "plain"]
