"""One tab follows the event stream for all. When it closes, another takes over and shows what changed in between."""

from playwright.async_api import BrowserContext, Page, expect

from tests.page.browsing import Console, hold
from tests.page.conftest import Visit
from tests.page.day import DAY, entry_of
from tests.page.offline.test_agreement import rename
from tests.support.http import API, Client


async def take_over(page: Page, other: Page, api: Client) -> None:
    """Close the leading tab, and change a task before the other one follows the stream."""
    task = await api.make_task()
    await api.write(task)
    await other.goto(f"/{DAY}")
    await expect(entry_of(other, "Write the offer")).to_be_visible()
    stream = await hold(other, "GET", "events")
    await page.close()
    await stream.until(1)
    await rename(api, task, "Read the news")
    stream.release()


async def test_change_between_two_leading_tabs_shows(
    page: Page, context: BrowserContext, visit: Visit, api: Client
) -> None:
    await visit("#/tasks")
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    other = await context.new_page()
    await take_over(page, other, api)
    await expect(entry_of(other, "Read the news")).to_be_visible()


async def test_change_between_two_leading_tabs_shows_when_the_feed_cannot_be_read(
    page: Page, context: BrowserContext, visit: Visit, api: Client, console: Console
) -> None:
    console.allow("400 ")
    await visit("#/tasks")
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    other = await context.new_page()
    await other.route(f"**{API}/changes?*", lambda route: route.fulfill(status=400, json={"title": "Refused"}))
    await take_over(page, other, api)
    await expect(entry_of(other, "Read the news")).to_be_visible()
