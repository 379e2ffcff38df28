"""The view of imports and exports: the dry run of a file, its import, the undo, and the files of exports."""

import gzip
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Page, Route, expect

from tests.page.browsing import GERMAN, NARROW, Console, accessibility_violations, hold, overflow
from tests.page.conftest import Visit
from tests.support.http import API, Client

HEADER = "Client,Project,Description,Start date,Start time,End date,End time,Duration\n"
ROWS = HEADER + "".join(
    f"Acme,Website,Task {number},2025-11-{18 + number},09:00:00,2025-11-{18 + number},10:30:00,01:30:00\n"
    for number in range(2)
)
OWN_HEADERS = "When;Length;Job;Where\n18.11.2025;1:30;Write the offer;Website\n"
"""A file whose columns no program writes: they have to be chosen."""

DROP = """
(zone, content) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([content], "times.csv", { type: "text/csv" }));
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  zone.dispatchEvent(drop);
  return drop.defaultPrevented;
}
"""
"""Drop a file on an element, and return whether the browser would not open it instead of the page."""

BAD_ROW = HEADER + "Acme,Website,<img src=x>,2025-11-18,10:00:00,2025-11-18,09:00:00,01:00:00\n"
COUNTS = "2 entries, 2 tasks, 1 project"


async def choose(page: Page, content: str) -> None:
    """Choose a file with this content."""
    file: FilePayload = {"name": "times.csv", "mimeType": "text/csv", "buffer": content.encode()}
    await page.get_by_role("button", name=re.compile("^File")).set_input_files(file)


class TestImport:
    async def test_file_is_checked_imported_and_undone(self, page: Page, visit: Visit, api: Client) -> None:
        await visit("#/import")
        await choose(page, ROWS)
        await expect(page.get_by_role("heading", name=re.compile("What would be imported"))).to_be_visible()
        await expect(page.get_by_role("row", name="Project Project Website")).to_be_visible()
        assert (await api.get("/tasks")).json()["items"] == []

        await page.get_by_role("button", name="Import 2 entries").press("Enter")
        await page.get_by_role("button", name="Undo import").click()
        assert len((await api.get("/tasks")).json()["items"]) == 2
        await expect(page.get_by_role("dialog")).to_contain_text(f"it created: {COUNTS}.")
        await page.get_by_role("dialog").get_by_role("button", name="Undo import").click()
        await expect(page.get_by_text(f"Removed: {COUNTS}.")).to_be_visible()
        assert (await api.get("/tasks")).json()["items"] == []

    async def test_dropped_file_is_checked(self, page: Page, visit: Visit) -> None:
        await visit("#/import")
        zone = page.get_by_text("Choose a file, or drop it here")
        assert await zone.evaluate(DROP, ROWS)
        await expect(page.get_by_role("button", name="Import 2 entries")).to_be_enabled()

    async def test_columns_and_start_of_the_day_are_chosen(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"422 .*/imports")
        await visit("#/import")
        await choose(page, OWN_HEADERS)
        await expect(page.get_by_role("alert").filter(has_text="has no column")).to_be_visible()
        chosen = (("When", "Date"), ("Length", "Duration"), ("Job", "Task"), ("Where", "Project"))
        for header, field in chosen:
            select = page.get_by_role("combobox", name=f"Field of column {header}")
            await select.focus()
            async with page.expect_response(re.compile(f"{API}/imports")):
                await select.select_option(field)
            await expect(select).to_be_focused()
        await page.get_by_label("First entry of a day at").fill("07:15")
        await expect(page.get_by_role("row", name="Job Task Write the offer")).to_be_visible()
        await page.get_by_role("combobox", name="Field of column Where").select_option("Not used")
        await expect(page.get_by_text("1 entry, 1 task, 0 projects")).to_be_visible()
        await page.get_by_role("button", name="Import 1 entry").click()
        await expect(page.get_by_role("button", name="Undo import")).to_be_visible()
        (entry,) = (await api.get("/time-entries")).json()["items"]
        assert (entry["task_title"], entry["project_id"]) == ("Write the offer", None)
        assert (entry["started_at"], entry["ended_at"]) == ("2025-11-18T07:15:00Z", "2025-11-18T08:45:00Z")

    async def test_progress_of_a_long_import_is_shown(self, page: Page, visit: Visit) -> None:
        progress = [{"status": "running", "rows": 1000, "rows_done": 250}]

        async def report(route: Route) -> None:
            """Answer as the service does while it imports 1,000 rows. On a busy machine the page asks again."""
            change = progress.pop(0) if progress else {}
            response = await route.fetch()
            await route.fulfill(response=response, json={**await response.json(), **change})

        await page.route(re.compile(f"{API}/imports(\\?wait|/)"), report)
        await visit("#/import")
        await choose(page, ROWS)
        await page.get_by_role("button", name="Import 2 entries").click()
        await expect(page.get_by_role("progressbar", name="Progress of the import")).to_be_visible()
        await expect(page.get_by_text("250 of 1000 rows")).to_be_visible()
        await expect(page.get_by_text(f"Imported: {COUNTS}")).to_be_visible()
        await expect(page.get_by_role("progressbar")).to_have_count(0)

    async def test_import_begins_once_and_keeps_the_file_that_is_chosen_meanwhile(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/import")
        await choose(page, ROWS)
        held = await hold(page, "POST", r"imports\?wait")
        await page.get_by_role("button", name="Import 2 entries").dblclick()
        await held.until(1)
        await expect(page.get_by_role("progressbar", name="Progress of the import")).to_be_visible()
        await choose(page, ROWS.removesuffix(ROWS.splitlines(keepends=True)[-1]).replace("Task 0", "Task 2"))
        held.release()
        await expect(page.get_by_text(f"Imported: {COUNTS}")).to_be_visible()
        await expect(page.get_by_role("button", name="Import 1 entry")).to_be_enabled()
        assert held.count == 1
        assert len((await api.get("/imports")).json()["items"]) == 1

    async def test_import_is_undone_once(self, page: Page, visit: Visit, api: Client) -> None:
        await api.import_csv("2026-11-18 09:00,2026-11-18 10:00,Offer")
        await visit("#/import")
        held = await hold(page, "DELETE", "imports/")
        undo = page.get_by_role("button", name="Undo import")
        await undo.press("Enter")
        await page.get_by_role("dialog").get_by_role("button", name="Undo import").press("Enter")
        await held.until(1)
        await undo.press("Enter")
        assert await page.get_by_role("dialog").count() == 0
        held.release()
        await expect(page.get_by_text("Removed: 1 entry")).to_be_visible()
        await expect(undo).to_be_hidden()
        assert held.count == 1

    async def test_focus_stays_when_another_file_is_imported(self, page: Page, visit: Visit, api: Client) -> None:
        await api.import_csv("2026-11-18 09:00,2026-11-18 10:00,Offer")
        await visit("#/import")
        undo = page.get_by_role("button", name="Undo import")
        await undo.focus()
        await api.import_csv("2026-11-18 10:00,2026-11-18 11:00,News")
        await expect(undo).to_have_count(2)
        await expect(undo.last).to_be_focused()

    async def test_rows_with_errors_are_listed_and_strict_refuses_them(
        self, page: Page, visit: Visit, console: Console
    ) -> None:
        console.allow(r"422 .*/imports")
        await visit("#/import")
        await choose(page, ROWS + BAD_ROW.removeprefix(HEADER))
        await expect(page.get_by_role("region", name="Rows with errors").get_by_role("row")).to_have_count(2)
        await expect(page.get_by_role("button", name="Import 2 entries")).to_be_enabled()
        async with page.expect_response(re.compile(f"{API}/imports")) as checked:
            await page.get_by_label("Import nothing if a row has an error").check()
        assert (await checked.value).status == 422
        await expect(page.get_by_role("button", name="Import 2 entries").and_(page.locator(":enabled"))).to_have_count(
            0
        )

    async def test_file_that_cannot_be_read_is_explained(self, page: Page, visit: Visit, console: Console) -> None:
        console.allow(r"422 .*/imports")
        await visit("#/import")
        await choose(page, "hello")
        await expect(page.get_by_role("alert").filter(has_text="has no column")).to_be_visible()


class TestExport:
    async def test_range_and_account_are_saved(self, page: Page, visit: Visit, api: Client, tmp_path: Path) -> None:
        task = (await api.post("/tasks", json={"title": "Plan"})).json()
        times = {"started_at": "2026-01-05T09:00:00Z", "ended_at": "2026-01-05T10:00:00Z"}
        await api.post(f"/tasks/{task['id']}/time-entries", json=times)
        await visit("#/import")
        await page.get_by_label("From", exact=True).fill("2026-01-05")
        async with page.expect_download() as csv:
            await page.get_by_role("button", name="Export CSV").click()
        await (await csv.value).save_as(tmp_path / "entries.csv")
        assert "Plan" in (tmp_path / "entries.csv").read_text()
        async with page.expect_download() as account:
            await page.get_by_role("button", name="Export account file").click()
        await (await account.value).save_as(tmp_path / "account.gz")
        lines = gzip.decompress((tmp_path / "account.gz").read_bytes()).splitlines()
        assert any("Plan" in json.dumps(json.loads(line)) for line in lines)

    async def test_file_that_is_being_made_is_not_asked_for_again(self, page: Page, visit: Visit) -> None:
        await visit("#/import")
        for name in ("Export CSV", "Export account file"):
            held = await hold(page, "GET", "exports/")
            button = page.get_by_role("button", name=name)
            await button.click()
            await held.until(1)
            await button.click()
            async with page.expect_download():
                held.release()
            assert held.count == 1


class TestPresentation:
    @pytest.mark.parametrize("context_options", [{}, NARROW], ids=["wide", "narrow"])
    async def test_has_no_accessibility_violations_and_fits(self, page: Page, visit: Visit) -> None:
        await visit("#/import")
        await choose(page, ROWS)
        await expect(page.get_by_role("button", name="Import 2 entries")).to_be_visible()
        assert await accessibility_violations(page) == []
        assert await overflow(page) <= 0

    @pytest.mark.parametrize("context_options", [GERMAN], ids=["german"])
    async def test_is_in_german(self, page: Page, visit: Visit) -> None:
        await visit("#/import")
        await expect(page.get_by_role("heading", name="Import und Export")).to_be_visible()
