"""The view of imports and exports: the dry run of a file, its import, the undo, and the files of exports."""

import gzip
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Page, expect

from tests.page.browsing import GERMAN, NARROW, Console, accessibility_violations, overflow
from tests.page.conftest import Visit
from tests.support.http import Client

HEADER = "Client,Project,Description,Start date,Start time,End date,End time,Duration\n"
ROWS = HEADER + "".join(
    f"Acme,Website,Task {number},2025-11-{18 + number},09:00:00,2025-11-{18 + number},10:30:00,01:30:00\n"
    for number in range(2)
)
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
        await expect(page.get_by_role("row", name="project Project Website")).to_be_visible()
        assert (await api.get("/tasks")).json()["items"] == []

        await page.get_by_role("button", name="Import 2 entries").press("Enter")
        await page.get_by_role("button", name="Undo import").click()
        assert len((await api.get("/tasks")).json()["items"]) == 2
        await expect(page.get_by_role("dialog")).to_contain_text(f"it created: {COUNTS}.")
        await page.get_by_role("dialog").get_by_role("button", name="Undo import").click()
        await expect(page.get_by_text(f"Removed: {COUNTS}.")).to_be_visible()
        assert (await api.get("/tasks")).json()["items"] == []

    async def test_rows_with_errors_are_listed_and_strict_refuses_them(self, page: Page, visit: Visit) -> None:
        await visit("#/import")
        await choose(page, BAD_ROW)
        await expect(page.get_by_role("region", name="Rows with errors").get_by_role("row").nth(1)).to_be_visible()
        await expect(page.get_by_role("button", name="Import 0 entries")).to_be_disabled()

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
