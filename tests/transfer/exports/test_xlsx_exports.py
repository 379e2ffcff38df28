"""Exports as XLSX worksheets."""

import random
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from bson import ObjectId

from app.errors import ValidationError
from services.transfer.export_formats.context import ExportContext
from services.transfer.export_formats.xlsx_file import EntrySheet
from tests.conftest import Database
from tests.support.http import Client, clock
from tests.support.stored_documents import NINE, ended_entry, task_row, tracked
from tests.transfer.exports.files import (
    NOVEMBER,
    create_day_of_work,
    exported,
    sheet,
)


@pytest.mark.usefixtures("entry_storage")
class TestXlsx:
    async def test_cells_are_dates_durations_and_numbers(self, alice: Client) -> None:
        _, task, entry = await create_day_of_work(alice)
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

    async def test_last_row_has_the_total(self, alice: Client) -> None:
        task = await alice.make_task()
        for start in ("09:00", "10:00"):
            await alice.write(task, started_at=clock(start), duration_seconds=45_000)
        content = BytesIO((await exported(alice, "xlsx")).content)
        formulas = openpyxl.load_workbook(content).worksheets[0]
        assert [cell.value for cell in formulas[4]][9:11] == ["=SUM(J2:J3)", "=SUM(K2:K3)"]
        computed = openpyxl.load_workbook(content, data_only=True).worksheets[0]
        total = [cell.value for cell in computed[4]]
        assert (total[0], total[9:11]) == ("Total", [timedelta(hours=25), 25])
        assert formulas["J4"].number_format == "[h]:mm:ss"
        assert (formulas.freeze_panes, formulas.auto_filter.ref) == ("A2", "A1:R3")

    async def test_each_currency_has_a_total(self, alice: Client) -> None:
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
        computed = openpyxl.load_workbook(content, data_only=True).worksheets[0]
        totals = {computed[f"N{row}"].value: computed[f"M{row}"].value for row in (10, 11)}
        assert totals == {"EUR": round(85.49 * 3 * 2_701 / 3_600, 2), "JPY": round(10_001 * 3 * 2_701 / 3_600)}
        report = (await alice.get("/reports/summary", params={**NOVEMBER, "group_by": "day"})).json()
        assert {sum_["currency"]: sum_["amount"] for sum_ in report["amounts"]} == {
            "EUR": round(totals["EUR"] * 100),
            "JPY": round(totals["JPY"]),
        }

    @pytest.mark.parametrize("seed", range(3))
    async def test_totals_equal_the_amounts_of_reports(self, alice: Client, database: Database, seed: int) -> None:
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

    async def test_entry_that_is_not_billable_has_no_amount(self, alice: Client, database: Database) -> None:
        rate = {"amount": 9_550, "currency": "EUR"}
        entry = ended_entry(minutes=60, billable=False, hourly_rate=rate)
        await database.tasks.insert_one(task_row(alice.user["_id"], **tracked(entry)))
        content = BytesIO((await exported(alice, "xlsx")).content)
        computed = openpyxl.load_workbook(content, data_only=True).worksheets[0]
        assert [computed[cell].value for cell in ("L2", "M2", "M3", "N3")] == [95.5, 0, 0, "EUR"]

    async def test_pages_fit_the_width_of_the_paper(self, alice: Client) -> None:
        page = openpyxl.load_workbook(BytesIO((await exported(alice, "xlsx")).content)).worksheets[0]
        fitted = page.sheet_properties.pageSetUpPr
        assert fitted is not None
        assert (page.page_setup.orientation, fitted.fitToPage) == ("landscape", True)
        assert (page.page_setup.fitToWidth or 1, page.page_setup.fitToHeight) == (1, 0)
        assert page.print_title_rows == "$1:$1"

    async def test_columns_have_the_widths_of_their_contents(self, alice: Client) -> None:
        page = openpyxl.load_workbook(BytesIO((await exported(alice, "xlsx")).content)).worksheets[0]
        widths = {letter: int(page.column_dimensions[letter].width) for letter in ("A", "C", "D", "F", "Q")}
        assert widths == {"A": 20, "C": 32, "D": 40, "F": 8, "Q": 26}

    async def test_line_breaks_are_line_feeds(self, alice: Client) -> None:
        await alice.write(await alice.make_task(), note="one\r\ntwo\nthree")
        _, row, _ = await sheet(alice)
        assert row[3] == "one\ntwo\nthree"

    async def test_texts_are_never_formulas(self, alice: Client, database: Database) -> None:
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

    async def test_empty_export_has_a_total(self, alice: Client) -> None:
        _, total = await sheet(alice)
        assert (total[0], total[9]) == ("Total", "=SUM(0)")


class TestEntrySheet:
    def test_too_many_entries_are_refused_before_anything_is_sent(self, tmp_path: Path) -> None:
        row = {**task_row(ObjectId()), "entry": ended_entry()}
        sheet = EntrySheet(tmp_path, ExportContext(ZoneInfo("UTC"), NINE, {}), max_entries=2)
        sheet.add([row, row])
        with pytest.raises(ValidationError) as refused:
            sheet.add([row])
        sheet.close()
        assert [wrong.parameter for wrong in refused.value.errors] == ["from"]
        assert "more than 2 entries" in refused.value.errors[0].detail
