"""Reports: what they show is what the API says, and what people do with them."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.page.browsing import GERMAN, NARROW, Console, accessibility_violations, hold, overflow
from tests.page.conftest import NewContext, Visit
from tests.support.http import Client, Json, clock

NOVEMBER = "#/reports?range=custom&from=2026-11-01&to=2026-11-30"
RANGE = {"from": "2026-11-01", "to": "2026-12-01"}
DAY = timedelta(days=1)
COLUMNS = ["Project", "Time", "Percent", "Entries", "Amount", "Explain"]
HOSTILE = "<img src=x onerror=alert(1)> &amp; " + "W" * 160


async def track(api: Client) -> Json:
    """Track 0:50 and 1:05 for a project at 90 euros an hour, and 2:00 for none. Return the project."""
    rate = {"amount": 9000, "currency": "EUR"}
    project = await api.make_project(name="Website", color="#2563eb", billable=True, hourly_rate=rate)
    offer = await api.make_task(title="Write the offer", project_id=project["id"])
    news = await api.make_task(title=HOSTILE)
    await api.write(offer, started_at=clock("09:00"), duration_seconds=3000, note="First draft")
    await api.write(offer, started_at="2026-11-19T23:30:00Z", duration_seconds=3900)
    await api.write(news, started_at=clock("13:00"), duration_seconds=7200)
    return project


def preset(name: str, today: date) -> tuple[date, date]:
    """Return the first and the last day of a range that the page offers."""
    if name == "last_week":
        monday = today - DAY * today.weekday()
        return monday - 7 * DAY, monday - DAY
    last = today.replace(day=1) - DAY if name == "last_month" else today - DAY
    return (last.replace(day=1) if name == "last_month" else last), last


async def summary(api: Client, **query: str) -> Json:
    """Return the report of November that the API computes."""
    response = await api.get("/reports/summary", params={**RANGE, **query})
    assert response.status_code == 200, response.text
    report: Json = response.json()
    return report


def hours(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}"


def rows_of(page: Page, name: str) -> Locator:
    return page.get_by_role("table", name=name, exact=True).get_by_role("row")


async def top(element: Locator) -> float:
    """Return the distance of an element from the top of the window."""
    box = await element.bounding_box()
    assert box is not None
    return box["y"]


async def expect_rows(page: Page, name: str, rows: list[tuple[str, int]]) -> None:
    """Expect rows that begin with these names and durations, below the head of the table."""
    patterns = [re.compile(rf"^{re.escape(label)}\s*{hours(seconds)}") for label, seconds in rows]
    await expect(rows_of(page, name).locator("nth=0")).to_contain_text("Time")
    for number, pattern in enumerate(patterns, start=1):
        await expect(rows_of(page, name).nth(number)).to_have_text(pattern)


class TestNumbers:
    async def test_groups_and_rounding_show_the_numbers_of_the_api(self, page: Page, visit: Visit, api: Client) -> None:
        await track(api)
        await visit(NOVEMBER)
        report = await summary(api, group_by="project")
        labels = [row["label"].replace("(no project)", "No project") for row in report["rows"]]
        expected = [(label, row["seconds"]) for label, row in zip(labels, report["rows"], strict=True)]
        await expect_rows(page, "By Project", [*expected, ("Total", report["total_seconds"])])

        await page.get_by_label("Then by").select_option("Day")
        await page.get_by_label("Rounding").select_option("Up")
        await page.get_by_label("Minutes", exact=True).select_option("30")
        await expect(page).to_have_url(re.compile("group_by=project,day&rounding=up:30&rounding_scope=entry"))
        report = await summary(api, group_by="project,day", rounding="up:30")
        website = next(row for row in report["rows"] if row["label"] == "Website")
        row = rows_of(page, "By Project and Day").filter(has_text="Website")
        await expect(row).to_contain_text(f"{hours(website['rounded_seconds'])}{hours(website['seconds'])}")
        await expect(row).to_contain_text(f"€{website['amounts'][0]['amount'] / 100:.2f}")
        total = rows_of(page, "By Project and Day").last
        await expect(total).to_contain_text(hours(report["rounded_total_seconds"]))

    async def test_filters_and_presets_stand_in_the_address(self, page: Page, visit: Visit, api: Client) -> None:
        project = await track(api)
        await visit("#/reports?range=yesterday")
        await expect(page.get_by_text("No time was tracked in this range")).to_be_visible()
        await page.get_by_label("Range", exact=True).select_option("This year")
        await page.get_by_label("Project", exact=True).and_(page.get_by_role("combobox")).last.select_option("Website")
        await expect(page).to_have_url(re.compile(f"range=year&project_id={project['id']}"))
        await page.get_by_label("From").fill("2026-11-19")
        await page.get_by_label("To", exact=True).fill("2026-11-20")
        await expect(page).to_have_url(re.compile("range=custom&from=2026-11-19&to=2026-11-20"))
        await expect_rows(page, "By Project", [("Website", 3900)])
        await page.reload()
        await expect_rows(page, "By Project", [("Website", 3900)])

    async def test_presets_hold_their_first_and_last_day(self, page: Page, visit: Visit, api: Client) -> None:
        today = datetime.now(UTC).date()
        days = {name: preset(name, today) for name in ("yesterday", "last_week", "last_month")}
        edges = {edge for first, last in days.values() for edge in (first - DAY, first, last, last + DAY)}
        tracked = sorted(edge for edge in edges if edge < today)
        task = await api.make_task()
        for day in tracked:
            await api.write(task, started_at=f"{day}T23:00:00Z")
        for name, (first, last) in days.items():
            await visit(f"#/reports?range={name}")
            total = sum(first <= day <= last for day in tracked) * 3600
            await expect_rows(page, "By Project", [("No project", total), ("Total", total)])

    async def test_tables_sort_by_their_columns(self, page: Page, visit: Visit, api: Client) -> None:
        await track(api)
        await visit(NOVEMBER)
        table = page.get_by_role("table", name="By Project", exact=True)
        await expect(rows_of(page, "By Project").nth(1)).to_contain_text("No project")
        await table.get_by_role("button", name="Entries").click()
        await expect(rows_of(page, "By Project").nth(1)).to_contain_text("Website")
        await expect(table.get_by_role("columnheader", name="Entries")).to_have_attribute("aria-sort", "descending")


class TestLoading:
    async def test_later_parts_do_not_draw_earlier_ones_again(self, page: Page, visit: Visit, api: Client) -> None:
        await track(api)
        is_released = asyncio.Event()

        async def wait(route: Route) -> None:
            await is_released.wait()
            await route.continue_()

        # Only the charts have rows for days without time, so the table has a request of its own.
        await page.route(re.compile("reports/summaries.*fill=true"), wait)
        await visit(f"{NOVEMBER}&group_by=day")
        table = page.get_by_role("table", name="By Day", exact=True)
        days = rows_of(page, "By Day")
        await expect(days.nth(1)).to_contain_text("2:50")
        await expect(page.get_by_text("Loading")).to_have_count(3)
        sort = table.get_by_role("button", name="Entries")
        await sort.click()
        first = await days.nth(1).inner_text()
        await table.evaluate("element => { element.wasThere = true }")
        above = await top(table)
        is_released.set()
        await expect(page.get_by_role("group", name="Time by day")).to_be_visible()
        await expect(page.get_by_text("Loading")).to_have_count(0)
        assert await table.evaluate("element => element.wasThere")
        assert await days.nth(1).inner_text() == first
        await expect(sort).to_be_focused()
        assert await top(table) == pytest.approx(above, abs=8)

    async def test_task_that_is_typed_while_the_filter_is_loaded_stays(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        task = await api.make_task(title="Write the offer")
        held = await hold(page, "GET", f"tasks/{task['id']}")
        await visit(f"{NOVEMBER}&task_id={task['id']}")
        field = page.get_by_role("combobox", name="Task")
        await field.fill("Support")
        await held.until(1)
        async with page.expect_response(re.compile(f"tasks/{task['id']}")):
            held.release()
        await expect(field).to_have_value("Support")
        await page.keyboard.press("Escape")
        await expect(field).to_have_value("Write the offer")

    async def test_table_stays_sorted_when_its_numbers_change(self, page: Page, visit: Visit, api: Client) -> None:
        project = await track(api)
        await visit(NOVEMBER)
        table = page.get_by_role("table", name="By Project", exact=True)
        await table.get_by_role("button", name="Entries").click()
        task = await api.make_task(title="Call", project_id=project["id"])
        await api.write(task, started_at=clock("15:00"), duration_seconds=600)
        await expect_rows(page, "By Project", [("Website", 3000 + 3900 + 600), ("No project", 7200)])

    async def test_focus_stays_when_the_numbers_change(self, page: Page, visit: Visit, api: Client) -> None:
        project = await track(api)
        task = await api.make_task(title="Call", project_id=project["id"])
        await visit(NOVEMBER)
        table = page.get_by_role("table", name="By Project", exact=True)
        bar = page.get_by_role("group", name="Time by day").get_by_role("img", name="18 Nov")
        seconds = 3000 + 3900
        # The third change gives both rows another place.
        for name in ("Entries", "Explain No project", "Explain Website", "Bar", "Show as a table"):
            button = (
                page.get_by_text(name).first if name == "Show as a table" else table.get_by_role("button", name=name)
            )
            focused = bar if name == "Bar" else button
            await focused.focus()
            await api.write(task, started_at=clock("15:00"), duration_seconds=120)
            seconds += 120
            await expect(rows_of(page, "By Project").filter(has_text="Website")).to_contain_text(hours(seconds))
            await expect(bar).to_have_accessible_name(re.compile(f"Website: {hours(seconds - 3900)}"))
            await expect(focused).to_be_focused()

    @pytest.mark.parametrize("context_options", [NARROW])
    @pytest.mark.parametrize("name", ["Entries", "Explain Website"])
    async def test_focus_and_scroll_position_stay_when_a_column_appears(
        self, name: str, page: Page, visit: Visit, api: Client
    ) -> None:
        task = await api.make_task(title="Call")
        project = await api.make_project(name="Website")
        await api.write(await api.make_task(project_id=project["id"]))
        await visit(NOVEMBER)
        table = page.get_by_role("table", name="By Project", exact=True)
        focused = table.get_by_role("button", name=name)
        await focused.focus()
        scroller = page.get_by_role("group", name="By Project", exact=True)
        await scroller.evaluate("element => { element.scrollLeft = 40 }")
        await expect(table.get_by_role("columnheader", name="Amount")).to_have_count(0)
        rate = {"amount": 9000, "currency": "EUR"}
        await api.patch(f"/projects/{project['id']}", json={"billable": True, "hourly_rate": rate})
        paid = await api.make_task(title="Paid", project_id=project["id"])
        await api.write(paid, started_at=clock("12:00"))
        await api.write(task, started_at=clock("15:00"))
        await expect(rows_of(page, "By Project").filter(has_text="Website")).to_contain_text("€90.00")
        await expect(rows_of(page, "By Project").last).to_contain_text("3:00€90.00")
        headers = table.get_by_role("columnheader")
        await expect(headers).to_have_text([re.compile(name) for name in COLUMNS])
        await expect(focused).to_be_focused()
        assert await scroller.evaluate("element => element.scrollLeft") == 40

    async def test_table_of_a_chart_keeps_the_focus_when_a_project_appears(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await track(api)
        await visit(NOVEMBER)
        await page.get_by_text("Show as a table").first.click()
        table = page.get_by_role("table", name="Time by day")
        focused = table.get_by_role("button", name="Total")
        await focused.press("Enter")
        other = await api.make_project(name="Shop")
        await api.write(await api.make_task(title="Call", project_id=other["id"]), started_at=clock("17:00"))
        await expect(table.get_by_role("button", name="Shop")).to_be_visible()
        await expect(focused).to_be_focused()
        await expect(table.get_by_role("columnheader", name="Total")).to_have_attribute("aria-sort", "descending")
        await expect(rows_of(page, "Time by day").nth(1)).to_contain_text("18 Nov")

    async def test_table_stays_sorted_and_in_place_when_it_is_grouped_otherwise(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await track(api)
        await visit(NOVEMBER)
        table = page.get_by_role("table", name="By Project", exact=True)
        await table.get_by_role("button", name="Entries").click()
        await table.evaluate("element => { element.wasThere = true }")
        await page.get_by_label("Group by").select_option("Day")
        table = page.get_by_role("table", name="By Day", exact=True)
        await expect(table.get_by_role("columnheader").first).to_have_text("Day")
        await expect(rows_of(page, "By Day").nth(1)).to_contain_text("18 Nov")
        assert await table.evaluate("element => element.wasThere")
        await expect(table.get_by_role("columnheader", name="Entries")).to_have_attribute("aria-sort", "descending")
        await expect(page.get_by_role("heading", name="By Day", exact=True)).to_be_visible()


class TestCharts:
    async def test_arrow_keys_go_through_the_bars(self, page: Page, visit: Visit, api: Client) -> None:
        await track(api)
        await visit("#/reports?range=custom&from=2026-11-18&to=2026-11-20")
        bars = page.get_by_role("group", name="Time by day").get_by_role("img")
        await expect(bars).to_have_count(3)
        await bars.first.focus()
        await expect(bars.first).to_have_accessible_name(re.compile("18 Nov.*2:50.*No project: 2:00.*Website: 0:50"))
        await page.keyboard.press("ArrowRight")
        await expect(bars.nth(1)).to_be_focused()
        await expect(bars.nth(1)).to_have_accessible_name(re.compile("19 Nov.*: 0:30"))

    async def test_many_projects_are_summed_up_as_other(self, page: Page, visit: Visit, api: Client) -> None:
        hours_and_minutes = [(f"{9 + number // 4:02}", 59 - number) for number in range(12)]
        lines = [
            f"2026-11-18T{hour}:00:00Z,2026-11-18T{hour}:{minute}:00Z,T{minute},P{minute}"
            for hour, minute in hours_and_minutes
        ]
        response = await api.post(
            "/imports",
            data={"format": "csv", "timezone": "UTC"},
            files={"file": ("time.csv", "\n".join(("Start,End,Task,Project", *lines)).encode(), "text/csv")},
        )
        assert response.status_code in {200, 201}, response.text
        await visit(NOVEMBER)
        await expect(rows_of(page, "Time by project")).to_have_count(10)
        await expect(rows_of(page, "Time by project").last).to_have_text(re.compile("Other \\(4\\)"))
        await expect(rows_of(page, "By Project")).to_have_count(14)


class TestExplain:
    async def test_shows_the_entries_behind_a_number(self, page: Page, visit: Visit, api: Client) -> None:
        await track(api)
        await visit(NOVEMBER)
        await page.get_by_role("button", name="Explain Website").click()
        dialog = page.get_by_role("dialog", name="Website")
        await expect(dialog.get_by_text("1:55:00 in 2 entries")).to_be_visible()
        times = [re.compile(r"18 Nov.*0:50:00"), re.compile(r"19 Nov.*0:30:00"), re.compile(r"20 Nov.*0:35:00")]
        for number, pattern in enumerate(times, start=1):
            await expect(dialog.get_by_role("row").nth(number)).to_have_text(pattern)
        await dialog.get_by_role("link", name=re.compile("19 Nov")).click()
        await expect(dialog).to_be_hidden()
        await expect(page).to_have_url(re.compile("#/today/2026-11-19$"))


class TestExport:
    @pytest.mark.parametrize("extension", ["csv", "xlsx", "ics"])
    async def test_downloads_the_file_of_the_api(self, extension: str, page: Page, visit: Visit, api: Client) -> None:
        await track(api)
        await visit(NOVEMBER)
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name=f"Export as {extension.upper()}").click()
        download = await downloading.value
        content = (await download.path()).read_bytes()
        response = await api.get(f"/exports/time-entries.{extension}", params={**RANGE, "cut": "true"})
        assert download.suggested_filename == re.findall('filename="(.*)"', response.headers["content-disposition"])[0]
        if extension == "csv":
            assert content == response.content
        assert content[:8] == response.content[:8]
        assert len(content) == pytest.approx(len(response.content), abs=64)


class TestShare:
    async def test_link_is_read_without_an_account_until_it_is_revoked(
        self, page: Page, visit: Visit, api: Client, new_context: NewContext, console: Console
    ) -> None:
        console.allow(r"404 .*/shared/")
        await track(api)
        await visit(f"{NOVEMBER}&group_by=task")
        await expect(page.get_by_role("table").first).to_be_attached()
        await page.get_by_role("button", name="Share", exact=True).first.click()
        await page.get_by_label("Title").fill("November for Ada")
        await page.get_by_label("Show the notes of the entries").check()
        await page.get_by_role("button", name="Create link").click()
        link = await page.get_by_label("Link", exact=True).input_value()
        (share,) = (await api.get("/shares")).json()["items"]
        assert share["report"]["from"] == RANGE["from"]
        assert share["report"]["to"] == RANGE["to"]
        assert (share["name"], share["include_notes"]) == ("November for Ada", True)

        reader = await (await new_context()).new_page()
        await reader.goto(link)
        await expect(reader.get_by_role("heading", name="November for Ada", level=1)).to_be_visible()
        await expect_rows(reader, "By Task", [(HOSTILE, 7200), ("Write the offer", 6900)])
        await expect(reader.get_by_text("First draft")).to_be_visible()
        assert await accessibility_violations(reader) == []

        await page.get_by_role("button", name="Revoke November for Ada").click()
        await page.get_by_role("dialog", name="Revoke “November for Ada”?").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_text("Nothing is shared.")).to_be_visible()
        assert (await api.get("/shares")).json()["items"] == []
        await reader.reload()
        await expect(reader.get_by_text("This report does not exist.")).to_be_visible()


class TestPresentation:
    @pytest.mark.parametrize("context_options", [{}, NARROW], ids=["wide", "narrow"])
    async def test_has_no_accessibility_violations_and_fits(self, page: Page, visit: Visit, api: Client) -> None:
        await track(api)
        await visit(f"{NOVEMBER}&group_by=project,task")
        await expect(rows_of(page, "By Project and Task").last).to_contain_text("3:55")
        await page.get_by_text("Show as a table").first.click()
        assert await accessibility_violations(page) == []
        assert await overflow(page) <= 0

    @pytest.mark.parametrize("context_options", [GERMAN], ids=["german"])
    async def test_numbers_are_german_in_a_german_browser(self, page: Page, visit: Visit, api: Client) -> None:
        await track(api)
        await visit(NOVEMBER)
        row = page.get_by_role("table", name="Nach Projekt", exact=True).get_by_role("row").filter(has_text="Website")
        await expect(row).to_have_text(re.compile(r"1:55.*48,9\s%.*172,50\s€"))
