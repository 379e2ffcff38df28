"""Signing in, creating an account, and the session of the page."""

import re

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.page.browsing import DARK, GERMAN, NARROW, Console, accessibility_violations, hold, overflow
from tests.page.conftest import Visit
from tests.support.http import API, PASSWORD, Client

WRONG_PASSWORD = r"Failed to load resource: .* 401 .*/auth/token"

NOTE_LANGUAGES = """
window.languages = [];
new MutationObserver(() => {
  const label = document.querySelector("nav")?.getAttribute("aria-label");
  if (label && label !== window.languages.at(-1)) window.languages.push(label);
}).observe(document, { childList: true, subtree: true });
"""


async def fill_in(page: Page, email: str, password: str) -> None:
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(password)


class TestSignIn:
    async def test_keyboard_alone_signs_in(self, visitor: Page, api: Client) -> None:
        await visitor.goto("/")
        await visitor.get_by_label("E-mail").focus()
        await visitor.keyboard.type(api.user["email"])
        await visitor.keyboard.press("Tab")
        await visitor.keyboard.type(PASSWORD)
        await visitor.keyboard.press("Enter")
        await expect(visitor.get_by_role("region", name="Timer")).to_be_visible()

    async def test_wrong_password_is_explained_and_can_be_corrected(
        self, visitor: Page, api: Client, console: Console
    ) -> None:
        console.allow(WRONG_PASSWORD)
        await visitor.goto("/")
        await fill_in(visitor, api.user["email"], "wrong battery horse")
        await visitor.get_by_role("button", name="Sign in").click()
        await expect(visitor.get_by_role("alert")).to_have_text(re.compile(".+"))
        await expect(visitor.get_by_label("Password")).to_be_focused()
        await fill_in(visitor, api.user["email"], PASSWORD)
        await visitor.get_by_role("button", name="Sign in").click()
        await expect(visitor.get_by_role("region", name="Timer")).to_be_visible()

    async def test_refused_account_is_explained_next_to_its_field(
        self, visitor: Page, api: Client, console: Console
    ) -> None:
        console.allow(r"Failed to load resource: .* 4(09|22) .*/users$")
        await visitor.goto("/")
        await visitor.get_by_role("button", name="Create an account").click()
        email, password = visitor.get_by_label("E-mail"), visitor.get_by_label("Password")
        submit = visitor.get_by_role("button", name="Create account")
        await fill_in(visitor, "new@example.com", "short")
        await submit.click()
        await expect(password).to_have_accessible_description(re.compile("^The password needs at least 8 characters"))
        await expect(password).to_be_focused()
        await fill_in(visitor, "new@example.com", "password1")
        await submit.click()
        await expect(password).to_have_accessible_description(re.compile("^This is one of the most common passwords"))
        await fill_in(visitor, api.user["email"], PASSWORD)
        await submit.click()
        await expect(email).to_have_accessible_description(re.compile("^An account with this e-mail address exists"))
        await expect(email).to_be_focused()
        await expect(password).to_have_value(PASSWORD)
        await fill_in(visitor, "no address", PASSWORD)
        await submit.click()
        await expect(email).to_have_accessible_description("This is no valid e-mail address.")

    @pytest.mark.parametrize("context_options", [{"timezone_id": "Asia/Tokyo"}], ids=["Tokyo"])
    async def test_new_account_is_signed_in_with_the_time_zone_of_the_browser(
        self, visitor: Page, anonymous: Client
    ) -> None:
        await visitor.goto("/")
        await visitor.get_by_role("button", name="Create an account").click()
        await fill_in(visitor, "new@example.com", PASSWORD)
        await visitor.get_by_label("Password").press("Enter")
        await expect(visitor.get_by_role("region", name="Timer")).to_be_visible()
        form = {"username": "new@example.com", "password": PASSWORD}
        token = (await anonymous.post("/auth/token", data=form)).json()["access_token"]
        user = (await anonymous.get("/users/me", headers={"Authorization": f"Bearer {token}"})).json()
        assert user["timezone"] == "Asia/Tokyo"

    async def test_account_whose_creation_lost_its_answer_is_signed_in(
        self, visitor: Page, api: Client, console: Console
    ) -> None:
        console.allow(r"ERR_CONNECTION_RESET", r"409 .*/users$")

        async def lose_answer(route: Route) -> None:
            await route.fetch()
            await route.abort("connectionreset")

        await visitor.route(re.compile(f"{API}/users$"), lose_answer, times=1)
        await visitor.goto("/")
        await visitor.get_by_role("button", name="Create an account").click()
        await fill_in(visitor, "new@example.com", PASSWORD)
        await visitor.get_by_role("button", name="Create account").click()
        await expect(visitor.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
        await fill_in(visitor, api.user["email"], PASSWORD)
        await visitor.get_by_role("button", name="Create account").click()
        await expect(visitor.get_by_label("E-mail")).to_have_accessible_description(re.compile("^An account with this"))
        await fill_in(visitor, "new@example.com", PASSWORD)
        await visitor.get_by_role("button", name="Create account").click()
        await expect(visitor.get_by_role("region", name="Timer")).to_be_visible()


class TestSession:
    async def test_session_survives_a_reload_and_ends_in_all_tabs(
        self, page: Page, visit: Visit, context: BrowserContext
    ) -> None:
        await visit("#/today")
        await expect(page.get_by_role("region", name="Timer")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("region", name="Timer")).to_be_visible()
        other = await context.new_page()
        await other.goto("/")
        await expect(other.get_by_role("region", name="Timer")).to_be_visible()
        await page.evaluate("window.isSignedInPage = true")
        await other.get_by_role("button", name="Sign out").click()
        for tab in (other, page):
            await expect(tab.get_by_role("button", name="Sign in")).to_be_visible()
        await page.wait_for_function("!window.isSignedInPage")  # the page loads itself again, to forget what it knew
        await page.wait_for_load_state()
        await page.reload()
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()

    async def test_session_is_ended_once(self, page: Page, visit: Visit, console: Console) -> None:
        console.allow(r"401 ")  # what the view still loads when the session ends
        await visit("#/today")
        held = await hold(page, "POST", "auth/logout")
        button = page.get_by_role("button", name="Sign out")
        await button.press("Enter")
        await held.until(1)
        await button.press("Enter")
        held.release()
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert held.count == 1

    async def test_page_is_shown_when_language_and_zone_of_the_user_are_known(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.patch("/users/me", json={"timezone": "Asia/Tokyo", "preferences": {"locale": "de"}})
        await page.add_init_script(NOTE_LANGUAGES)
        user = await hold(page, "GET", "users/me")
        async with page.expect_response(re.compile("/views/today/today.js")):  # without a user it would be shown before
            await visit("#/today")
        await user.until(1)
        user.release()
        await expect(page.get_by_role("navigation", name="Ansichten")).to_be_visible()
        assert await page.evaluate("window.languages") == ["Ansichten"]
        assert user.count == 1

    async def test_last_answer_about_the_user_is_enough_to_show_page_and_timer(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await api.start(await api.make_task(title="Write the offer"))
        user = await hold(page, "GET", "users/me")
        await page.reload()
        await user.until(1)
        await expect(page).to_have_title(re.compile("Write the offer"))
        user.release()

    async def test_expired_session_returns_to_the_same_view(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(r"Failed to load resource: .* 401 ")
        await visit("#/today/2026-11-18")
        await expect(page.get_by_role("heading", name="Wednesday")).to_be_visible()
        await context.clear_cookies()
        await api.post("/auth/password", json={"current_password": PASSWORD, "new_password": f"{PASSWORD} 2"})
        # Not by a click: a request of the page that was under way may have asked for the sign-in already.
        await page.evaluate("location.hash = '#/today/2026-11-19'")
        await expect(page.get_by_text("Your session has ended. Please sign in again.")).to_be_visible()
        await expect(page.get_by_label("E-mail")).to_have_value(api.user["email"])
        await page.get_by_label("Password").fill(f"{PASSWORD} 2")
        await page.get_by_label("Password").press("Enter")
        await expect(page.get_by_role("heading", name="Thursday")).to_be_visible()

    async def test_scripts_cannot_read_the_refresh_token(
        self, page: Page, visit: Visit, context: BrowserContext
    ) -> None:
        await visit("#/today")
        await expect(page.get_by_role("region", name="Timer")).to_be_visible()
        (cookie,) = await context.cookies("http://127.0.0.1/api/v1/auth")
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("task_timer_session", True, "Strict")
        readable = await page.evaluate("[document.cookie, ...Object.values({...localStorage, ...sessionStorage})]")
        assert cookie["value"] not in "".join(readable)


class TestPresentation:
    @pytest.mark.parametrize("context_options", [{}, NARROW], ids=["wide", "narrow"])
    async def test_has_no_accessibility_violations_and_fits(self, visitor: Page) -> None:
        await visitor.goto("/")
        await expect(visitor.get_by_role("button", name="Sign in")).to_be_visible()
        assert await accessibility_violations(visitor) == []
        assert await overflow(visitor) <= 0

    @pytest.mark.parametrize("context_options", [GERMAN | DARK], ids=["german"])
    async def test_is_in_the_language_of_the_browser(self, visitor: Page) -> None:
        await visitor.goto("/")
        await expect(visitor.get_by_role("button", name="Anmelden")).to_be_visible()
        await expect(visitor.locator("html")).to_have_attribute("lang", "de")
