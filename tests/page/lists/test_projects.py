"""The view of projects: clients, colours, rates, the archive and deletion."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.page.browsing import GERMAN, NARROW, Console, accessibility_violations, hold, overflow
from tests.page.conftest import Visit
from tests.support.http import Client

RATE = {"amount": 8500, "currency": "EUR"}


async def projects(api: Client) -> list[dict[str, Any]]:
    response: list[dict[str, Any]] = (await api.get("/projects")).json()["items"]
    return response


class TestEdit:
    @pytest.mark.parametrize(
        ("typed", "currency", "minor_units"),
        [("1.234,50", "EUR", 123450), ("85", "EUR", 8500), ("0.29", "USD", 29), ("1,234", "KWD", 1234)],
    )
    async def test_project_is_created_with_its_exact_rate(
        self, page: Page, visit: Visit, api: Client, typed: str, currency: str, minor_units: int
    ) -> None:
        await visit("#/projects")
        await page.get_by_role("button", name="New project").press("Enter")
        await page.keyboard.type("Website")
        await page.get_by_label("Client").fill("Analytical Engines")
        await page.get_by_label("Teal").check()
        await page.get_by_label("Currency").fill(currency)
        await page.get_by_label("Hourly rate").fill(typed)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Analytical Engines")).to_be_visible()
        (project,) = await projects(api)
        assert project["hourly_rate"] == {"amount": minor_units, "currency": currency}
        assert (project["name"], project["color"]) == ("Website", "#138a7b")

    async def test_text_that_is_no_amount_stays_and_is_explained(self, page: Page, visit: Visit, api: Client) -> None:
        await visit("#/projects")
        await page.get_by_role("button", name="New project").click()
        await page.get_by_label("Name").fill("Website")
        await page.get_by_label("Hourly rate").fill("12,345.678,9")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_label("Hourly rate")).to_be_focused()
        await expect(page.get_by_label("Hourly rate")).to_have_value("12,345.678,9")
        await expect(page.get_by_text("An amount, for example")).to_be_visible()
        assert await projects(api) == []

    async def test_new_rate_is_applied_to_existing_entries(self, page: Page, visit: Visit, api: Client) -> None:
        project = (await api.post("/projects", json={"name": "Website", "billable": True, "hourly_rate": RATE})).json()
        task = (await api.post("/tasks", json={"title": "Plan", "project_id": project["id"]})).json()
        times = {"started_at": "2026-01-05T09:00:00Z", "ended_at": "2026-01-05T10:00:00Z"}
        await api.post(f"/tasks/{task['id']}/time-entries", json=times)
        await visit("#/projects")
        await page.get_by_role("button", name="Edit Website").click()
        await expect(page.get_by_label("Apply the new rate to existing entries")).to_be_hidden()
        await page.get_by_label("Hourly rate").fill("95,50")
        await page.get_by_label("Apply the new rate to existing entries").check()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("1 entry has the new rate")).to_be_visible()
        (entry,) = (await api.get(f"/tasks/{task['id']}")).json()["time_entries"]
        assert entry["hourly_rate"] == {"amount": 9550, "currency": "EUR"}

    async def test_name_that_is_taken_is_explained(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/projects")
        await api.post("/projects", json={"name": "Website"})
        await visit("#/projects")
        await page.get_by_role("button", name="New project").click()
        await page.get_by_label("Name").fill("Website")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("dialog").get_by_role("alert").last).not_to_be_empty()
        await expect(page.get_by_label("Name")).to_have_value("Website")


class TestSlowService:
    """A person goes on before the answers arrive."""

    async def test_project_is_created_once(self, page: Page, visit: Visit) -> None:
        await visit("#/projects")
        await page.get_by_role("button", name="New project").click()
        held = await hold(page, "POST", "projects")
        await page.keyboard.type("Website")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")
        await held.until(1)
        held.release()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.get_by_role("button", name="Edit Website")).to_be_visible()
        assert held.count == 1

    async def test_refusal_after_the_dialog_was_closed_is_shown(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"404 .*/projects/")
        project = await api.make_project(name="Website")
        await visit("#/projects")
        await page.get_by_role("button", name="Edit Website").click()
        held = await hold(page, "PATCH", "projects/")
        await page.get_by_label("Name", exact=True).fill("Shop")
        await page.keyboard.press("Enter")
        await held.until(1)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await api.delete(f"/projects/{project['id']}")
        held.release()
        await expect(page.locator(".notice.is-error")).to_be_visible()

    async def test_search_keeps_the_focus_when_a_project_has_been_archived(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.make_project(name="Website")
        await visit("#/projects")
        held = await hold(page, "PATCH", "projects")
        await page.get_by_role("button", name="Archive Website").click()
        await held.until(1)
        await page.get_by_role("searchbox").focus()
        held.release()
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        await expect(page.get_by_role("searchbox")).to_be_focused()


class TestEnd:
    async def test_archived_project_leaves_the_pickers_and_returns(self, page: Page, visit: Visit, api: Client) -> None:
        await api.post("/projects", json={"name": "Website"})
        await visit("#/projects")
        picker = page.get_by_role("region", name="Timer").get_by_label("Project")
        await expect(picker.get_by_text("Website")).to_be_attached()
        await page.get_by_role("button", name="Archive Website", exact=True).click()
        await expect(picker.get_by_text("Website")).not_to_be_attached()
        await page.get_by_label("Show archived").check()
        await page.get_by_role("button", name="Unarchive Website").click()
        await expect(picker.get_by_text("Website")).to_be_attached()

    async def test_deletion_says_what_happens_and_keeps_the_tasks(self, page: Page, visit: Visit, api: Client) -> None:
        project = (await api.post("/projects", json={"name": "Website"})).json()
        task = (await api.post("/tasks", json={"title": "Plan", "project_id": project["id"]})).json()
        await visit("#/projects")
        await page.get_by_role("button", name="Delete Website").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Its tasks and their tracked time stay")
        await page.get_by_role("button", name="Delete project").click()
        await expect(page.get_by_role("button", name="Edit Website")).to_be_hidden()
        assert await projects(api) == []
        assert (await api.get(f"/tasks/{task['id']}")).json()["project_id"] is None


class TestPresentation:
    @pytest.mark.parametrize("context_options", [{}, NARROW], ids=["wide", "narrow"])
    async def test_hostile_names_are_text_and_nothing_overflows(self, page: Page, visit: Visit, api: Client) -> None:
        name = "<img src=x onerror=alert(1)>" + "x" * 170
        await api.post("/projects", json={"name": name, "client_name": "y" * 200, "hourly_rate": RATE})
        await visit("#/projects")
        await expect(page.get_by_role("button", name=f"Edit {name}")).to_be_visible()
        assert await accessibility_violations(page) == []
        assert await overflow(page) <= 0

    @pytest.mark.parametrize("context_options", [GERMAN], ids=["german"])
    async def test_is_in_german(self, page: Page, visit: Visit, api: Client) -> None:
        await api.post("/projects", json={"name": "Website", "hourly_rate": {"amount": 123450, "currency": "EUR"}})
        await visit("#/projects")
        await expect(page.get_by_text("1.234,50\u00a0€ je Stunde")).to_be_visible()
