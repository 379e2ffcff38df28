"""A page that is open while the service is upgraded: the files of its version are gone."""

from playwright.async_api import Page, Route, expect

from app.static.page import page_files
from tests.page.browsing import Console
from tests.page.conftest import Visit


async def upgrade(page: Page) -> None:
    """Answer as a service with another version: all files of this one are 404."""

    async def another_version(route: Route) -> None:
        response = await route.fetch()
        text = (await response.text()).replace(page_files().digest, "0" * 16)
        await route.fulfill(response=response, body=text)

    await page.route("**/page/*/**", lambda route: route.fulfill(status=404))
    await page.route(lambda url: url.endswith(("/", "/#/tasks")), another_version)


class TestUpgrade:
    async def test_open_page_offers_the_new_version_in_place_of_a_view(
        self, page: Page, visit: Visit, console: Console
    ) -> None:
        console.allow("Failed to load resource: .* 404 .*/page/")
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await upgrade(page)
        await page.get_by_role("link", name="Tasks").click()
        await expect(page.get_by_text("A new version of Task Timer is available.")).to_be_visible()
        await expect(page.get_by_role("region", name="Timer")).to_be_visible()
        await page.unroute_all()
        await page.get_by_role("button", name="Reload").click()
        await expect(page.get_by_role("button", name="New task").first).to_be_visible()
        await expect(page.get_by_text("A new version of Task Timer is available.")).to_be_hidden()

    async def test_view_that_was_not_loaded_is_loaded_again(self, page: Page, visit: Visit, console: Console) -> None:
        console.allow("Failed to load resource: .*/page/")
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await page.route("**/page/*/**", lambda route: route.abort())
        await page.get_by_role("link", name="Tasks").click()
        retry = page.get_by_role("button", name="Try again")
        await expect(retry).to_be_visible()
        await page.unroute_all()
        await retry.click()
        await expect(page.get_by_role("button", name="New task").first).to_be_visible()
