"""What could not be loaded is loaded by itself when the service is back, or at once with "Try again"."""

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.page.browsing import Console
from tests.page.conftest import Visit
from tests.support.http import API, Client, Json

FAILED = r"Failed to load resource: .*"
UNREACHABLE = "The service cannot be reached."
RETRY_MS = 5000


async def refuse(route: Route) -> None:
    await route.abort()


class TestModules:
    @pytest.mark.parametrize("module", ["views/tasks/tasks.js", "views/tasks/task_row.js", "css/tasks.css"])
    async def test_view_is_loaded_by_itself(self, page: Page, visit: Visit, console: Console, module: str) -> None:
        console.allow(FAILED)
        await page.clock.install()
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await page.route(f"**/page/*/{module}", refuse)
        await page.get_by_role("link", name="Tasks").click()
        await expect(page.get_by_text("This view could not be loaded.")).to_be_visible()
        await page.clock.run_for(RETRY_MS)
        await expect(page.get_by_role("button", name="Try again")).to_be_visible()
        await page.unroute_all()
        await page.clock.run_for(RETRY_MS)
        await expect(page.get_by_role("button", name="New task").first).to_be_visible()
        await expect(page.get_by_text("This view could not be loaded.")).to_be_hidden()


class TestData:
    @pytest.mark.parametrize(
        ("fragment", "path", "loaded"),
        [
            ("#/projects", "/projects?", "Client"),
            ("#/settings/sessions", "/sessions?", "This session"),
            ("#/import", "/imports?", "No imports yet."),
            ("#/reports", "/reports/summar", "No time was tracked"),
        ],
    )
    async def test_list_is_loaded_by_itself(
        self, page: Page, visit: Visit, api: Client, console: Console, fragment: str, path: str, loaded: str
    ) -> None:
        console.allow(FAILED)
        await api.post("/projects", json={"name": "Client"})
        await page.clock.install()
        await page.route(lambda url: path in url, refuse)
        await visit(fragment)
        failure = page.locator(".load-failure", has_text=UNREACHABLE)
        await expect(failure.get_by_role("button", name="Try again").first).to_be_visible()
        await page.unroute_all()
        await page.clock.run_for(RETRY_MS)
        await expect(page.locator("main").get_by_text(loaded).first).to_be_visible()
        await expect(failure).to_have_count(0)

    async def test_shared_report_is_loaded_by_itself(self, visitor: Page, api: Client, console: Console) -> None:
        console.allow(FAILED)
        share: Json = (await api.post("/shares", json={"name": "Offers", "report": {"type": "timesheet"}})).json()
        await visitor.clock.install()
        await visitor.route(f"**{API}/shared/**", refuse)
        await visitor.goto(f"/#/shared/{share['url'].split('/')[-1]}")
        await expect(visitor.get_by_text(UNREACHABLE)).to_be_visible()
        await visitor.unroute_all()
        await visitor.clock.run_for(RETRY_MS)
        await expect(visitor.get_by_role("heading", name="Offers")).to_be_visible()

    async def test_page_that_opens_without_the_service_works_when_it_is_back(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(FAILED)
        await api.write(await api.make_task(title="Write the offer"))
        await page.clock.install()
        await context.route(f"**{API}/**", refuse)
        await visit("#/today/2026-11-18")
        await expect(page.get_by_role("button", name="Try again").first).to_be_visible()
        await context.unroute_all()
        await page.clock.run_for(RETRY_MS)
        await expect(page.get_by_role("listitem", name="Write the offer, ")).to_be_visible()
        await expect(page.get_by_text(UNREACHABLE)).to_be_hidden()
        await api.start(await api.make_task(title="Started elsewhere"))
        await page.clock.run_for(RETRY_MS)
        await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
