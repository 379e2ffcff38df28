"""The focus when the button that was pressed goes: it stays near, so that the keyboard goes on from there."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.page.browsing import Console
from tests.page.conftest import Visit
from tests.page.day import DAY, days_ago, entry_of
from tests.support.http import API, Client, at, clock

NOVEMBER = "#/reports?range=custom&from=2026-11-01&to=2026-11-30"
REFUSAL = {"type": "about:blank", "title": "Refused", "status": 400, "detail": "Refused.", "code": "refused"}
RETRY = "Try again"


async def refuse(page: Page, path: str) -> Callable[[], Awaitable[None]]:
    """Refuse the requests whose path in the API begins with this regular expression, until the result is called."""
    pattern = re.compile(f"{API}/{path}")

    async def answer(route: Route) -> None:
        await route.fulfill(status=400, content_type="application/problem+json", body=json.dumps(REFUSAL))

    await page.route(pattern, answer)

    async def end() -> None:
        await page.unroute(pattern, answer)

    return end


async def show_more(page: Page, rows: Locator, first: int, name: str = "Show more") -> None:
    """Press the button that shows all rows, and expect the first one after the others to have the focus."""
    more = page.get_by_role("button", name=name)
    await expect(rows).to_have_count(first)
    await more.press("Enter")
    await expect(more).to_be_hidden()
    await expect(rows.nth(first)).to_be_focused()


class TestShowMore:
    async def test_first_new_token_gets_the_focus(self, page: Page, visit: Visit, api: Client) -> None:
        bodies = [{"name": f"Token {number}", "scopes": ["read"]} for number in range(51)]
        created = await asyncio.gather(*(api.post("/auth/api-tokens", json=body) for body in bodies))
        assert {response.status_code for response in created} == {201}
        await visit("#/settings/tokens")
        rows = page.get_by_role("listitem").filter(has=page.get_by_role("button", name="Revoke Token"))
        await show_more(page, rows, 50)

    async def test_first_new_import_gets_the_focus(self, page: Page, visit: Visit, api: Client) -> None:
        for number in range(21):
            await api.import_csv(f"2026-11-{number + 1:02}T08:00:00Z,2026-11-{number + 1:02}T09:00:00Z,Offer")
        await visit("#/import")
        rows = page.get_by_role("region", name="Imports").get_by_role("listitem")
        await show_more(page, rows, 20)

    async def test_first_new_review_gets_the_focus(self, page: Page, visit: Visit, api: Client) -> None:
        task = await api.make_task()
        for days in range(1, 6):
            entry = await api.write(task, started_at=f"{days_ago(days)}T08:00:00Z")
            assert (await api.patch(at(entry), json={"needs_review": True})).status_code == 200
        await visit("#/today")
        rows = page.get_by_role("list", name="Needs review").locator("> li")
        await show_more(page, rows, 3)

    async def test_first_new_row_of_a_report_gets_the_focus(self, page: Page, visit: Visit, api: Client) -> None:
        lines = [f"2026-11-18T09:00:00Z,2026-11-18T09:0{1 + number % 9}:00Z,T{number}" for number in range(104)]
        await api.import_csv(*lines)
        await visit(f"{NOVEMBER}&group_by=task")
        rows = page.get_by_role("table", name="By Task", exact=True).locator("tbody tr")
        await show_more(page, rows, 100, "Show 4 more rows")

    async def test_first_new_entry_of_an_explanation_gets_the_focus(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        lines = [f"2026-11-18T0{number // 60}:{number % 60:02}:00Z,2026-11-18T04:00:00Z,Offer" for number in range(104)]
        await api.import_csv(*lines)
        await visit(f"{NOVEMBER}&group_by=task")
        await page.get_by_role("button", name="Explain Offer").click()
        await show_more(page, page.get_by_role("dialog").locator("tbody tr"), 100, "Show 4 more rows")


class TestTryAgain:
    @pytest.mark.parametrize(
        ("fragment", "path", "heading"),
        [
            ("#/today/2026-11-18", "time-entries", "Entries"),
            ("#/week/2026-11-18", "time-entries", "Week"),
            ("#/timesheet/2026-11-18", "reports/timesheet", "Timesheet"),
            ("#/tasks", r"tasks\?", "Tasks"),
            ("#/projects", r"projects\?", "Projects"),
            (NOVEMBER, "reports/summaries", "Reports"),
            ("#/import", "imports", "Imports"),
            ("#/settings/sessions", "auth/sessions", "Sessions"),
        ],
    )
    async def test_focus_stays_after_a_failure_and_goes_to_the_heading_after_success(
        self, fragment: str, path: str, heading: str, page: Page, visit: Visit, console: Console
    ) -> None:
        console.allow("400 ")
        end = await refuse(page, path)
        await visit(fragment)
        retry = page.get_by_role("main").get_by_role("button", name=RETRY)
        await expect(retry).to_be_visible()
        await retry.focus()
        async with page.expect_response(re.compile(f"{API}/{path}")):
            await page.keyboard.press("Enter")
        await expect(retry).to_be_focused()
        await end()
        await page.keyboard.press("Enter")
        await expect(retry).to_be_hidden()
        await expect(page.get_by_role("heading", name=re.compile(f"^{heading}"))).to_be_focused()

    async def test_focus_goes_to_the_heading_of_a_view_whose_modules_were_missing(
        self, page: Page, visit: Visit, console: Console
    ) -> None:
        console.allow("net::ERR_", "Failed to fetch dynamically")
        pattern = "**/views/projects/projects.js"
        await page.route(pattern, lambda route: route.abort())
        await visit("#/projects")
        retry = page.get_by_role("button", name=RETRY)
        await retry.focus()
        await page.unroute(pattern)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Projects")).to_be_focused()

    async def test_focus_goes_to_the_title_of_a_shared_report(self, page: Page, api: Client, console: Console) -> None:
        console.allow("400 ")
        share = (await api.post("/shares", json={"name": "November", "report": {"type": "timesheet"}})).json()
        end = await refuse(page, "shared/")
        await page.goto(f"/#/shared/{share['url'].split('/')[-1]}")
        await page.get_by_role("button", name=RETRY).focus()
        await end()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="November")).to_be_focused()

    async def test_focus_goes_to_a_delivery_that_has_arrived(self, page: Page, visit: Visit, api: Client) -> None:
        webhook = (await api.post("/webhooks", json={"url": "https://[::1]/"})).json()
        await api.post(f"/webhooks/{webhook['id']}/test")

        async def deliver(route: Route) -> None:
            response = await route.fetch()
            body = await response.json()
            for item in body["items"]:
                item["status"] = "delivered"
            await route.fulfill(response=response, json=body)

        await visit("#/settings/webhooks")
        await page.get_by_role("button", name="Deliveries").click()
        retry = page.get_by_role("button", name=RETRY)
        await expect(retry).to_be_visible()
        await page.route(re.compile("/deliveries\\?"), deliver)
        await retry.press("Enter")
        await expect(retry).to_be_hidden()
        await expect(page.get_by_role("dialog").get_by_role("listitem")).to_be_focused()


class TestDiscard:
    async def test_focus_goes_to_the_start_when_the_timer_is_discarded(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.start(await api.make_task())
        await visit("#/tasks")
        discard = page.get_by_role("button", name="Discard")
        await discard.press("Enter")
        await expect(discard).to_be_hidden()
        await expect(page.get_by_role("button", name="Start", exact=True)).to_be_focused()


class TestMessages:
    @pytest.mark.parametrize("button", ["Undo", "Close"])
    async def test_focus_goes_back_to_where_it_was(self, button: str, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task())
        await api.write(await api.make_task(title="Read the news"), started_at=clock("12:00"))
        await visit(DAY)
        await entry_of(page, "Read the news").get_by_role("button", name="Delete").press("Enter")
        message = page.get_by_role("button", name=button)
        await message.press("Enter")
        await expect(message).to_be_hidden()
        await expect(entry_of(page, "Write the offer").get_by_role("button", name="Delete")).to_be_focused()

    async def test_focus_goes_to_the_heading_if_the_other_element_has_gone(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        entry = await api.write(await api.make_task())
        await api.write(await api.make_task(title="Read the news"), started_at=clock("12:00"))
        await visit(DAY)
        await entry_of(page, "Read the news").get_by_role("button", name="Delete").press("Enter")
        close = page.get_by_role("button", name="Close")
        await close.focus()
        await api.delete(at(entry))
        await expect(entry_of(page, "Write the offer")).to_be_hidden()
        await close.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
