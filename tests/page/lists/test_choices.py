"""Selects whose options change: what is chosen stays chosen, and another choice is shown when its option has gone."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Locator, Page, expect

from tests.page.conftest import Visit
from tests.support.http import Client

Open = Callable[[Page, Visit], Awaitable[Locator]]


async def calendar_feed(page: Page, visit: Visit) -> Locator:
    await visit("#/settings/calendars")
    return page.locator(".settings-section").get_by_label("Project")


async def selected_tasks(page: Page, visit: Visit) -> Locator:
    await visit("#/tasks")
    await page.get_by_label("Select Write the offer").check()
    return page.get_by_label("Set project", exact=True)


async def task_dialog(page: Page, visit: Visit) -> Locator:
    await visit("#/tasks")
    await page.get_by_role("button", name="New task").first.click()
    return page.get_by_role("dialog").get_by_label("Project")


@pytest.mark.parametrize("open_view", [calendar_feed, selected_tasks, task_dialog])
class TestProjects:
    async def test_choice_stays_until_its_project_goes(
        self, open_view: Open, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.make_task()
        shop, website = await api.make_project(name="Shop"), await api.make_project(name="Website")
        choice = await open_view(page, visit)
        first = await choice.input_value()
        await choice.select_option("Website")
        option = await choice.get_by_role("option", name="Website").element_handle()
        assert option is not None
        await api.patch(f"/projects/{shop['id']}", json={"name": "Workshop"})  # its place changes
        await api.make_project(name="Agency")
        await expect(choice.get_by_role("option", name="Workshop")).to_be_attached()
        await expect(choice.get_by_role("option", name="Agency")).to_be_attached()
        await expect(choice).to_have_value(website["id"])
        assert await option.evaluate("element => element.isConnected")
        await api.patch(f"/projects/{website['id']}", json={"archived": True})
        await expect(choice.get_by_role("option", name="Website")).to_have_count(0)
        await expect(choice).to_have_value(first)
        await api.patch(f"/projects/{website['id']}", json={"archived": False})
        await expect(choice.get_by_role("option", name="Website")).to_be_attached()
        await expect(choice).to_have_value(first)


async def test_choice_whose_project_has_gone_is_not_applied(page: Page, visit: Visit, api: Client) -> None:
    await api.make_task()
    website = await api.make_project(name="Website")
    choice = await selected_tasks(page, visit)
    await choice.select_option("Website")
    apply = page.get_by_role("button", name="Apply: Set project")
    await expect(apply).to_be_enabled()
    await api.patch(f"/projects/{website['id']}", json={"archived": True})
    await expect(apply).to_be_disabled()
