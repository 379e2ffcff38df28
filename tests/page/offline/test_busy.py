"""The page while the service refuses requests for a while: 429 with Retry-After."""

import re

from playwright.async_api import BrowserContext, Page, Request, Route, expect

from tests.page.browsing import Console, accessibility_violations
from tests.page.conftest import Visit
from tests.support.http import API, Client

REFUSED = r"Failed to load resource: .* 429 "
BUSY = re.compile(r"The service has too much to do\. The page goes on by itself at \d")
WAIT_SECONDS = 30


class Limit:
    """Refuses requests until it is lifted, and counts those that it has refused."""

    def __init__(self) -> None:
        self.is_reached = True
        self.refused = 0

    async def __call__(self, route: Route) -> None:
        if not self.is_reached:
            await route.fallback()
            return
        self.refused += 1
        await route.fulfill(
            status=429,
            headers={"Retry-After": str(WAIT_SECONDS)},
            content_type="application/problem+json",
            body='{"title": "Too Many Requests", "status": 429, "code": "rate_limited"}',
        )


class TestRefusedRefresh:
    async def test_page_waits_once_says_so_and_goes_on(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(REFUSED)
        await api.write(await api.make_task(title="Write the offer"))
        limit = Limit()
        await page.route(f"**{API}/auth/refresh", limit)
        await page.clock.install()
        await visit("#/today")
        await expect(page.get_by_text(BUSY)).to_be_visible()
        await expect(page.get_by_text("cannot be reached")).to_be_hidden()
        await expect(page.get_by_role("heading", name="Today")).to_be_visible()
        assert await accessibility_violations(page) == []
        await page.clock.run_for(20_000)
        assert limit.refused == 1
        limit.is_reached = False
        await page.clock.run_for(15_000)
        await expect(page.get_by_role("button", name="Continue Write the offer").first).to_be_visible()
        await expect(page.get_by_text(BUSY)).to_be_hidden()

    async def test_tabs_that_open_at_once_share_tokens(self, page: Page, context: BrowserContext) -> None:
        refreshes: list[Request] = []
        context.on("request", lambda request: refreshes.append(request) if "/auth/refresh" in request.url else None)
        held: list[Route] = []
        await context.route(f"**{API}/auth/refresh", lambda route: held.append(route))  # noqa: PLW0108 -- Playwright needs a function
        tabs = [page, await context.new_page(), await context.new_page()]
        for tab in tabs:
            await tab.goto("/#/today")
        await tabs[-1].wait_for_function(WAITING_TABS, arg=len(tabs))
        await held[0].continue_()
        for tab in tabs:
            await expect(tab.get_by_text("Nothing tracked today.")).to_be_visible()
        # A tab whose turn comes before the message with the token asks for its own.
        assert len(refreshes) < len(tabs)


class TestRefusedRequests:
    async def test_change_waits_in_the_queue_and_is_sent_in_time(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(REFUSED)
        await page.clock.install()
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        limit = Limit()
        await page.route(f"**{API}/**", limit)
        what = page.get_by_role("combobox", name="What are you working on?")
        await what.fill("Write the offer")
        await what.press("Enter")
        await expect(page.get_by_text("1 change waiting")).to_be_visible()
        await expect(page.get_by_text(BUSY)).to_be_visible()
        refused = limit.refused
        await page.clock.run_for(20_000)
        assert limit.refused == refused
        limit.is_reached = False
        await page.clock.run_for(15_000)
        await expect(page.get_by_text("1 change waiting")).to_be_hidden()
        assert (await api.get("/timer")).json()["task_title"] == "Write the offer"

    async def test_change_waits_in_the_queue_while_the_token_cannot_be_renewed(
        self, page: Page, visit: Visit, console: Console
    ) -> None:
        console.allow(REFUSED)
        console.allow(r"Failed to load resource: .* 401 ")
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()

        async def expire(route: Route) -> None:
            await route.fulfill(status=401, content_type="application/problem+json", body="{}")

        await page.route(f"**{API}/**", expire)
        await page.route(f"**{API}/auth/refresh", Limit())
        what = page.get_by_role("combobox", name="What are you working on?")
        await what.fill("Write the offer")
        await what.press("Enter")
        await expect(page.get_by_text("1 change waiting")).to_be_visible()

    async def test_person_can_sign_out_at_once(self, page: Page, visit: Visit, console: Console) -> None:
        console.allow(REFUSED)
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await page.route(f"**{API}/**", Limit())
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()

    async def test_shared_report_is_loaded_when_the_time_has_come(
        self, visitor: Page, api: Client, console: Console
    ) -> None:
        console.allow(REFUSED)
        await api.write(await api.make_task(title="Write the offer"))
        share = (await api.post("/shares", json={"name": "Offers", "report": {"type": "timesheet"}})).json()
        limit = Limit()
        await visitor.route(f"**{API}/shared/**", limit)
        await visitor.clock.install()
        await visitor.goto(f"/#/shared/{share['url'].split('/')[-1]}")
        await expect(visitor.get_by_text(BUSY)).to_be_visible()
        limit.is_reached = False
        await visitor.clock.run_for(35_000)
        await expect(visitor.get_by_role("heading", name="Offers")).to_be_visible()
        assert limit.refused == 1


WAITING_TABS = """async (expected) => {
  const { held, pending } = await navigator.locks.query();
  return [...held, ...pending].filter(({ name }) => name.startsWith("task-timer-session")).length === expected;
}"""
"""Whether so many tabs renew the token, or wait for the one that does."""
