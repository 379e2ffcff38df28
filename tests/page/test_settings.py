"""The settings: the account as a person changes it."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.page.browsing import GERMAN, Console, accessibility_violations, hold, overflow
from tests.page.conftest import NewContext, Visit, sign_in
from tests.support.http import API, PASSWORD, Client

SECTIONS = ["profile", "preferences", "password", "sessions", "tokens", "webhooks", "calendars", "audit", "account"]
HOSTILE = "<img src=x onerror=alert(1)>"


class TestSettings:
    async def test_profile_and_preferences_take_effect_at_once(self, page: Page, visit: Visit, api: Client) -> None:
        await visit("#/settings")
        await page.get_by_label("Time zone").select_option("America/New_York")
        await page.get_by_label("First day of the week").select_option("6")
        await page.get_by_label("Name", exact=True).fill(HOSTILE)
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved")).to_be_visible()
        user = (await api.get("/users/me")).json()
        assert (user["timezone"], user["week_start"], user["full_name"]) == ("America/New_York", 6, HOSTILE)
        await page.get_by_role("link", name="Preferences").click()
        await page.get_by_label("Theme").select_option("dark")
        await page.get_by_label("Language").select_option("de")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", name="Einstellungen")).to_be_visible()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await expect(page.locator("html")).to_have_attribute("lang", "de")

    async def test_refused_value_is_explained_next_to_its_field(
        self, page: Page, visit: Visit, console: Console
    ) -> None:
        console.allow(r"422 .*/users/me", r"403 .*/users/me")
        await visit("#/settings/preferences")
        await page.get_by_label("Longest timer, in hours").fill("0")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_label("Longest timer, in hours")).to_have_attribute("aria-invalid", "true")
        await expect(page.get_by_label("Longest timer, in hours")).to_be_focused()
        await page.get_by_role("link", name="Profile").click()
        await page.get_by_label("E-mail").fill("other@example.com")
        await page.get_by_label("Current password").fill("wrong battery horse")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("The password is wrong.")).to_be_visible()
        await expect(page.get_by_label("E-mail")).to_have_value("other@example.com")

    async def test_token_works_until_it_is_revoked(self, page: Page, visit: Visit, anonymous: Client) -> None:
        await visit("#/settings/tokens")
        await page.get_by_label("Name").fill("Status bar")
        await page.get_by_role("button", name="Create token").click()
        token = await page.get_by_label("API token", exact=True).input_value()
        headers = {"Authorization": f"Bearer {token}"}
        assert (await anonymous.get("/tasks", headers=headers)).status_code == 200
        await page.get_by_role("button", name="Revoke Status bar").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_text("There are no API tokens.")).to_be_visible()
        assert (await anonymous.get("/tasks", headers=headers)).status_code == 401

    async def test_session_of_another_browser_can_be_ended(
        self, page: Page, visit: Visit, api: Client, new_context: NewContext, console: Console
    ) -> None:
        console.allow(r"401 ")
        other_context = await new_context(user_agent="Other browser")
        await sign_in(other_context, api)
        other = await other_context.new_page()
        await other.goto("/#/today")
        await expect(other.get_by_role("region", name="Timer")).to_be_visible()
        await visit("#/settings/sessions")
        await expect(page.get_by_text("This session")).to_be_visible()
        await page.get_by_role("button", name=re.compile("Sign out Other browser|Sign out Unknown")).first.click()
        await expect(page.get_by_text("The session has ended.")).to_be_visible()
        await other.reload()
        await expect(other.get_by_role("button", name="Sign in")).to_be_visible()

    async def test_calendar_feed_answers_at_its_address(self, page: Page, visit: Visit, anonymous: Client) -> None:
        await visit("#/settings/calendars")
        await page.get_by_label("Name").fill("Phone")
        await page.get_by_role("button", name="Create calendar feed").click()
        address = await page.get_by_label("Address of the calendar").input_value()
        response = await anonymous.get(re.sub(r"^.*?/api/v1", "", address))
        assert response.status_code == 200
        assert response.text.startswith("BEGIN:VCALENDAR")

    async def test_project_of_a_calendar_feed_stays_chosen_when_another_is_created(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        project = await api.make_project(name="Website")
        await visit("#/settings/calendars")
        choice = page.locator(".settings-section").get_by_label("Project")
        await choice.select_option("Website")
        await api.make_project(name="Shop")
        await expect(choice.get_by_role("option", name="Shop")).to_be_attached()
        await page.get_by_label("Name").fill("Phone")
        await page.get_by_role("button", name="Create calendar feed").click()
        await expect(page.get_by_label("Address of the calendar")).to_be_visible()
        (feed,) = (await api.get("/calendar-feeds")).json()["items"]
        assert feed["project_id"] == project["id"]

    async def test_deletion_of_the_account_ends_everything(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"403 .*/users/me", r" 401 ")  # other requests may be under way
        await visit("#/settings/account")
        await page.get_by_label("Password").fill("wrong battery horse")
        await page.get_by_role("button", name="Delete account").click()
        await expect(page.get_by_text("The password is wrong.")).to_be_visible()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Delete account").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert (await api.get("/users/me")).status_code == 401

    async def test_every_section_is_accessible_and_fits_narrow_screens(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.post("/auth/api-tokens", json={"name": HOSTILE, "scopes": ["read"]})
        await page.set_viewport_size({"width": 320, "height": 640})
        for section in SECTIONS:
            await visit(f"#/settings/{section}")
            await expect(page.get_by_role("heading", level=2)).to_be_visible()
            assert await accessibility_violations(page) == [], section
            assert await overflow(page) == 0, section

    @pytest.mark.parametrize("context_options", [GERMAN])
    async def test_texts_are_german(self, page: Page, visit: Visit) -> None:
        await visit("#/settings/sessions")
        await expect(page.get_by_role("heading", name="Sitzungen")).to_be_visible()


class TestSlowAnswers:
    """What a person does before the service has answered."""

    async def test_what_is_typed_while_the_profile_is_stored_stays(self, page: Page, visit: Visit, api: Client) -> None:
        await visit("#/settings")
        name, email = page.get_by_label("Name", exact=True), page.get_by_label("E-mail")
        await expect(email).to_have_value(api.user["email"])
        await name.fill("Alice ")
        held = await hold(page, "PATCH", "users/me")
        await page.get_by_role("button", name="Save").press("Enter")
        await held.until(1)
        await expect(page.get_by_role("button", name="Save")).to_be_focused()
        await email.fill("other@example.com")
        held.release()
        await expect(page.get_by_text("Saved")).to_be_visible()
        await expect(name).to_have_value("Alice")
        await expect(email).to_have_value("other@example.com")
        await expect(email).to_be_focused()

    async def test_what_is_chosen_while_preferences_are_stored_stays(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/settings/preferences")
        await page.get_by_label("Theme").select_option("dark")
        held = await hold(page, "PATCH", "users/me")
        await page.get_by_role("button", name="Save").press("Enter")
        await held.until(1)
        await page.get_by_label("Longest timer, in hours").fill("7")
        held.release()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await expect(page.get_by_label("Longest timer, in hours")).to_have_value("7")
        await page.get_by_role("button", name="Save").press("Enter")
        await expect(page.get_by_text("Saved")).to_have_count(2)
        stored = (await api.get("/users/me")).json()["preferences"]
        assert (stored["theme"], stored["timer_cap_hours"]) == ("dark", 7)

    async def test_stored_profile_is_not_replaced_by_an_older_answer(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/settings")
        await expect(page.get_by_label("E-mail")).to_have_value(api.user["email"])
        is_changed = asyncio.Event()

        async def answer_late(route: Route) -> None:
            response = await route.fetch()
            await is_changed.wait()
            await route.fulfill(response=response)

        await page.route(re.compile(f"{API}/users/me$"), answer_late, times=1)
        await page.reload()
        await page.get_by_label("Name", exact=True).fill("Alice")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved")).to_be_visible()
        async with page.expect_response(re.compile(f"{API}/users/me$")):
            is_changed.set()
        await page.get_by_role("link", name="Preferences").click()
        await page.get_by_role("link", name="Profile").click()
        await expect(page.get_by_label("Name", exact=True)).to_have_value("Alice")

    async def test_name_of_the_next_token_stays_while_the_first_is_created(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/settings/tokens")
        name = page.get_by_label("Name")
        held = await hold(page, "POST", "auth/api-tokens")
        await name.fill("First")
        await name.press("Enter")
        await held.until(1)
        await name.fill("Second")
        held.release()
        await expect(page.get_by_role("button", name="Revoke First")).to_be_visible()
        await expect(name).to_have_value("Second")
        await name.press("Enter")
        await expect(page.get_by_role("button", name="Revoke Second")).to_be_visible()
        await expect(name).to_have_value("")
        assert len((await api.get("/auth/api-tokens")).json()["items"]) == 2

    async def test_secret_is_replaced_once_when_the_button_is_pressed_twice(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        assert (await api.post("/webhooks", json={"url": "https://[::1]/"})).status_code == 201
        await visit("#/settings/webhooks")
        held = await hold(page, "POST", "webhooks/.*/rotate-secret")
        button = page.get_by_role("button", name="New secret")
        await button.click()
        await held.until(1)
        await button.click()
        held.release()
        await expect(page.get_by_label("Signing secret")).to_be_visible()
        assert held.count == 1

    async def test_token_is_revoked_once(self, page: Page, visit: Visit, api: Client) -> None:
        await api.post("/auth/api-tokens", json={"name": "Status bar", "scopes": ["read"]})
        await visit("#/settings/tokens")
        held = await hold(page, "DELETE", "auth/api-tokens")
        revoke = page.get_by_role("button", name="Revoke Status bar")
        await revoke.press("Enter")
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").press("Enter")
        await held.until(1)
        await revoke.press("Enter")
        assert await page.get_by_role("dialog").count() == 0
        held.release()
        await expect(page.get_by_text("There are no API tokens.")).to_be_visible()
        await expect(page.get_by_role("heading", name="API tokens")).to_be_focused()
        assert held.count == 1

    async def test_session_is_ended_once(self, page: Page, visit: Visit, api: Client, new_context: NewContext) -> None:
        await sign_in(await new_context(user_agent="Other browser"), api)
        await visit("#/settings/sessions")
        held = await hold(page, "DELETE", "auth/sessions")
        end = page.get_by_role("button", name="Sign out Other browser")
        await end.press("Enter")
        await held.until(1)
        await end.press("Enter")
        held.release()
        await expect(end).to_be_hidden()
        await expect(page.get_by_text("The session has ended.")).to_have_count(1)
        await expect(page.get_by_role("heading", name="Sessions")).to_be_focused()
        assert held.count == 1

    async def test_delivery_is_retried_once(self, page: Page, visit: Visit, api: Client) -> None:
        webhook = (await api.post("/webhooks", json={"url": "https://[::1]/"})).json()
        await api.post(f"/webhooks/{webhook['id']}/test")
        await visit("#/settings/webhooks")
        await page.get_by_role("button", name="Deliveries").click()
        held = await hold(page, "POST", "webhooks/.*/retry")
        retry = page.get_by_role("button", name="Try again")
        await retry.press("Enter")
        await held.until(1)
        await retry.press("Enter")
        async with page.expect_response(re.compile("/deliveries\\?")):  # the list is loaded again
            held.release()
        await expect(retry).to_be_focused()
        assert held.count == 1

    async def test_next_page_is_loaded_once(self, page: Page, visit: Visit, api: Client) -> None:
        bodies = [{"name": f"Token {number}", "scopes": ["read"]} for number in range(101)]
        created = await asyncio.gather(*(api.post("/auth/api-tokens", json=body) for body in bodies))
        assert {response.status_code for response in created} == {201}
        held = await hold(page, "GET", "auth/api-tokens.*cursor")
        await visit("#/settings/tokens")
        rows, more = page.get_by_role("button", name="Revoke Token"), page.get_by_role("button", name="Show more")
        await expect(rows).to_have_count(50)
        await more.press("Enter")
        await held.until(1)
        await more.press("Enter")
        held.release()
        await expect(rows).to_have_count(100)
        await expect(more).to_be_focused()
        assert held.count == 1


class TestFocus:
    async def test_button_of_a_row_keeps_the_focus_when_the_row_changes(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        webhook = (await api.post("/webhooks", json={"url": "https://[::1]/"})).json()
        await visit("#/settings/webhooks")
        await page.get_by_role("button", name="Pause").press("Enter")
        await expect(page.get_by_role("button", name="Resume")).to_be_focused()
        await api.patch(f"/webhooks/{webhook['id']}", json={"types": ["task.created"]})
        secret = page.get_by_role("button", name="New secret")
        await secret.press("Enter")
        await expect(page.get_by_text("Paused · task.created")).to_be_visible()
        await expect(secret).to_be_focused()
