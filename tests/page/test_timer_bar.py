"""The timer bar: starting by keyboard, correcting, and what happens when a request or another tab interferes."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from playwright.async_api import BrowserContext, Locator, Page, Route, expect

from tests.page.browsing import Console, accessibility_violations, hold, until_equal
from tests.page.conftest import NewContext, Visit, sign_in
from tests.support.http import API, PASSWORD, Client, ago, instant

START = re.compile(f"{API}/timer/start")


async def sign_up_by_keyboard(page: Page, email: str) -> None:
    """Create an account without a mouse."""
    await page.goto("/")
    await expect(page.get_by_label("E-mail")).to_be_focused()
    await expect(page.get_by_role("button", name="Create an account")).to_be_visible()
    for _ in range(4):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.type(email)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")


async def started_at(api: Client) -> datetime:
    """The start of the running timer."""
    return instant((await api.get("/timer")).json()["entry"]["started_at"])


async def title_of_timer(api: Client) -> str | None:
    """The title of the running task, or None."""
    response = await api.get("/timer")
    return response.json()["task_title"] if response.status_code == 200 else None


async def show_the_same(page: Page, other: Page) -> bool:
    """Whether both pages show the same task."""
    first, second = await what(page).input_value(), await what(other).input_value()
    return first == second != ""


def what(page: Page) -> Locator:
    """The combobox of the timer bar."""
    return page.get_by_role("combobox", name="What are you working on?")


class TestStart:
    async def test_keyboard_alone_leads_from_the_first_visit_to_a_running_timer(
        self, visitor: Page, anonymous: Client
    ) -> None:
        await sign_up_by_keyboard(visitor, "new@example.com")
        await expect(what(visitor)).to_be_focused()
        await visitor.keyboard.type("Write the offer")
        await expect(visitor.get_by_role("option", name="New task “Write the offer”")).to_be_visible()
        await visitor.keyboard.press("Enter")
        await expect(visitor.get_by_role("button", name="Stop")).to_be_visible()
        await expect(visitor.get_by_role("timer")).to_have_text(re.compile(r"^0:00:(?!00)\d\d$"))
        await expect(visitor).to_have_title(re.compile(r"^0:00:(?!00)\d\d · Write the offer$"))
        await expect(what(visitor)).to_be_focused()
        await visitor.keyboard.type("Read the news")
        await visitor.keyboard.press("ArrowDown")
        await visitor.keyboard.press("Enter")
        await expect(visitor).to_have_title(re.compile(r"· Read the news$"))
        form = {"username": "new@example.com", "password": PASSWORD}
        token = (await anonymous.post("/auth/token", data=form)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        entry = visitor.get_by_role("listitem", name="Write the offer, ")
        await expect(entry.get_by_role("button", name="Delete")).to_be_enabled()
        running, ended = (await anonymous.get("/time-entries", headers=headers)).json()["items"]
        assert (running["task_title"], running["ended_at"]) == ("Read the news", None)
        assert (ended["task_title"], ended["ended_at"]) == ("Write the offer", running["started_at"])

    async def test_found_task_starts_with_its_project(self, page: Page, visit: Visit, api: Client) -> None:
        project = await api.make_project(name="Website")
        task = await api.make_task(title="Review pull requests", project_id=project["id"])
        await api.make_task(title="Review the contract")
        await visit("#/today")
        await what(page).fill("review")
        found = page.get_by_role("listbox", name="What are you working on?").get_by_role("option")
        await expect(found).to_have_count(3)
        await expect(what(page)).to_have_attribute("aria-expanded", "true")
        await page.get_by_role("option", name="Review pull requests").click()
        await expect(page.get_by_role("combobox", name="Project")).to_have_value(project["id"])
        await page.get_by_label("Tags", exact=True).fill("code, team")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
        await page.get_by_role("combobox", name="Project").select_option("No project")
        await expect(page.get_by_role("combobox", name="Project")).to_have_value("")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("timer")).to_have_text("0:00:00")
        await expect(page.get_by_role("button", name="Continue Review pull requests")).to_be_visible()

        async def stored() -> object:
            return [(await api.read(task))[field] for field in ("entry_count", "project_id")]

        await until_equal(stored, [1, None])
        assert (await api.get("/time-entries")).json()["items"][0]["tags"] == ["code", "team"]
        await what(page).fill("Review the contract")
        await what(page).press("Enter")  # before the list has found the task
        await until_equal(lambda: title_of_timer(api), "Review the contract")
        assert len((await api.list())["items"]) == 2

    async def test_second_of_two_devices_shows_the_timer_of_the_first_and_can_switch(
        self, page: Page, visit: Visit, new_context: NewContext, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/timer/start")
        second_device = await new_context()
        await sign_in(second_device, api)
        other = await second_device.new_page()
        released = asyncio.Event()

        async def hold(route: Route) -> None:
            await released.wait()
            await route.continue_()

        await other.route(START, hold)
        await visit("#/today")
        await other.goto("/#/today")
        await what(other).fill("Read the news")
        await what(other).press("Enter")
        await expect(other.get_by_role("button", name="Stop")).to_be_visible()
        await what(page).fill("Write the offer")
        await what(page).press("Enter")
        await until_equal(lambda: title_of_timer(api), "Write the offer")
        released.set()
        await expect(what(other)).to_have_value("Write the offer")
        await expect(other).to_have_title(re.compile("· Write the offer$"))
        await other.get_by_role("button", name="Switch to “Read the news”").click()
        await until_equal(lambda: title_of_timer(api), "Read the news")
        for device in (page, other):
            await expect(device).to_have_title(re.compile("· Read the news$"))

    async def test_two_tabs_that_start_at_once_show_one_timer(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/timer/start")
        other = await context.new_page()
        await visit("#/today")
        await other.goto("/#/today")
        await what(page).fill("Write the offer")
        await what(other).fill("Read the news")
        await asyncio.gather(what(page).press("Enter"), what(other).press("Enter"))
        await expect(other.get_by_role("button", name="Stop")).to_be_visible()
        await until_equal(lambda: show_the_same(page, other), True)
        assert (await title_of_timer(api) or "no timer") in await page.title()

    async def test_lost_answer_of_a_start_doubles_nothing(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"ERR_FAILED|ERR_CONNECTION")
        keys: list[str | None] = []

        async def lose_first_answer(route: Route) -> None:
            keys.append(await route.request.header_value("Idempotency-Key"))
            if len(keys) == 1:
                await route.fetch()
                await route.abort()
            else:
                await route.continue_()

        await page.route(START, lose_first_answer)
        await visit("#/today")
        await what(page).fill("Write the offer")
        await page.get_by_role("button", name="Start").click()
        await expect(page.get_by_role("button", name="Continue Write the offer")).to_have_count(0)
        await expect(page.get_by_role("group", name="Write the offer, running")).to_be_visible()
        await page.get_by_role("button", name="Stop").click()
        entry = page.get_by_role("listitem", name="Write the offer, ")
        await expect(entry.get_by_role("button", name="Delete")).to_be_enabled()
        assert len(keys) >= 2
        assert len(set(keys)) == 1
        assert [task["title"] for task in (await api.list())["items"]] == ["Write the offer"]
        assert len((await api.get("/time-entries")).json()["items"]) == 1


class TestSlowService:
    """A person goes on before the answers arrive."""

    async def test_titles_that_are_typed_quickly_start_one_after_the_other(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/today")
        held = await hold(page, "GET", "tasks")
        await what(page).fill("Write the offer")
        await what(page).press("Enter")
        await what(page).press("Enter")
        await page.keyboard.type("Read the news")
        await page.keyboard.press("Enter")
        await page.keyboard.type("Answer mail")
        held.release()
        await until_equal(lambda: title_of_timer(api), "Read the news")
        await expect(page).to_have_title(re.compile("· Read the news$"))
        await expect(what(page)).to_have_value("Answer mail")
        entries = (await api.get("/time-entries", params={"sort": "started_at"})).json()["items"]
        assert [entry["task_title"] for entry in entries] == ["Write the offer", "Read the news"]
        assert len((await api.list())["items"]) == 2

    async def test_title_whose_task_is_being_created_is_started_again_on_that_task(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/today")
        held = await hold(page, "POST", "timer/start")
        for title in ("Write the offer", "Read the news", "Write the offer"):
            await what(page).fill(title)
            await what(page).press("Enter")
            await expect(page).to_have_title(re.compile(f"· {title}$"))
        held.release()

        async def titles() -> object:
            entries = (await api.get("/time-entries")).json()["items"]
            return [entry["task_title"] for entry in entries]

        await until_equal(titles, ["Write the offer", "Read the news", "Write the offer"])
        assert len((await api.list())["items"]) == 2

    async def test_project_of_a_task_that_is_being_started_is_stored(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        project = await api.make_project(name="Website")
        await visit("#/today")
        held = await hold(page, "POST", "timer/start")
        await what(page).fill("Write the offer")
        await what(page).press("Enter")
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
        await page.get_by_role("combobox", name="Project").select_option("Website")
        held.release()

        async def stored() -> object:
            return [task["project_id"] for task in (await api.list())["items"]]

        await until_equal(stored, [project["id"]])
        await expect(page.get_by_role("combobox", name="Project")).to_have_value(project["id"])

    async def test_timer_that_is_discarded_while_it_starts_can_be_restored(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/today")
        held = await hold(page, "POST", "timer/start")
        await what(page).fill("Write the offer")
        await what(page).press("Enter")
        await page.get_by_role("button", name="Discard timer").click()
        held.release()
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_role("listitem", name="Write the offer, ")).to_be_visible()
        assert len((await api.get("/time-entries")).json()["items"]) == 1

    async def test_focused_tags_follow_the_timer_while_nobody_types(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.start(await api.make_task(), tags=["sales"])
        await visit("#/today")
        tags = page.get_by_role("region", name="Timer").get_by_label("Tags", exact=True)
        await expect(tags).to_have_value("sales")
        await tags.focus()
        await api.patch("/timer", json={"tags": ["writing"]})
        await expect(tags).to_have_value("writing")
        await tags.press_sequentially("code")
        await api.post("/timer/stop")
        await expect(page.get_by_role("button", name="Start")).to_be_visible()
        await expect(tags).to_have_value("writingcode")

    async def test_timer_stops_after_a_correction_that_is_refused(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/timer")
        await api.set_preferences(overlap_policy="forbid")
        await api.write(await api.make_task(title="Read the news"), started_at=ago(minutes=10), ended_at=ago(minutes=1))
        await visit("#/today")
        await expect(page.get_by_role("button", name="Continue Read the news")).to_be_visible()
        report = await hold(page, "GET", "reports/today")
        held = await hold(page, "POST", "timer/start")
        await what(page).fill("Write the offer")
        await what(page).press("Enter")
        await page.get_by_role("button", name="5 minutes earlier").click()
        await page.get_by_role("button", name="Stop").click()
        async with page.expect_response(f"**{API}/timer/stop*"):  # the answer says which entry it is
            held.release()
        await expect(page.get_by_role("status").filter(has_text="Overlaps")).to_be_visible()
        entry = page.get_by_role("listitem", name="Write the offer, ")
        await expect(entry).to_have_count(1)
        await expect(entry.get_by_role("button", name="Delete")).to_be_enabled()
        report.release()
        await expect(page.get_by_role("button", name="Continue Write the offer")).to_be_visible()
        await expect(entry).to_have_count(1)
        assert (await api.get("/timer")).status_code == 204

    async def test_timer_starts_at_the_key_although_its_title_is_looked_up_first(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/today")
        held = await hold(page, "GET", "tasks")
        await what(page).fill("Write the offer")
        await what(page).press("Enter")
        await held.until(1)
        await asyncio.sleep(1.1)  # instants of the page have whole seconds
        released_at = datetime.now(UTC)
        held.release()
        await until_equal(lambda: title_of_timer(api), "Write the offer")
        assert await started_at(api) < released_at - timedelta(seconds=1)


class TestManyTasks:
    @pytest.mark.parametrize("is_clicked", [False, True])
    async def test_typed_title_is_found_behind_many_tasks_that_contain_it(
        self, page: Page, visit: Visit, api: Client, is_clicked: bool
    ) -> None:
        task = await api.make_task(title="Offer")
        start = datetime(2026, 11, 18, tzinfo=UTC)
        # More than a page of the list has.
        times = [(start + timedelta(minutes=number)).isoformat() for number in range(206)]
        lines = [f"{started},{ended},Offer {number}" for number, (started, ended) in enumerate(pairwise(times))]
        await api.import_csv(*lines)
        await visit("#/today")
        await what(page).fill("Offer")
        new = page.get_by_role("option", name="New task “Offer”")
        await expect(page.get_by_role("option", name="Offer 204")).to_be_visible()
        await expect(new).to_be_visible()
        if is_clicked:
            await new.click()
        else:
            await what(page).press("Enter")
        await until_equal(lambda: title_of_timer(api), "Offer")
        assert (await api.get("/timer")).json()["task_id"] == task["id"]


class TestCorrection:
    async def test_start_is_corrected_past_midnight_and_by_five_minutes(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.start(await api.make_task(), started_at=ago(minutes=1))
        await visit("#/today")
        now = datetime.now(UTC)
        later = now + timedelta(minutes=3)
        typed = later.strftime("%H:%M")
        await page.get_by_role("textbox", name="Start time").fill(typed)
        await page.get_by_role("textbox", name="Start time").press("Enter")
        corrected = later.replace(second=0, microsecond=0) - timedelta(days=1)
        await expect(page.get_by_role("timer")).to_have_text(re.compile("^23:5"))
        await until_equal(lambda: started_at(api), corrected)
        await page.get_by_role("button", name="5 minutes earlier").click()
        await expect(page.get_by_role("timer")).to_have_text(re.compile("^24:0"))
        await until_equal(lambda: started_at(api), corrected - timedelta(minutes=5))
        await page.get_by_role("textbox", name="Start time").fill("noon")
        await page.get_by_role("textbox", name="Start time").press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("This is no time of day. Write 9:30 or 930.")

    async def test_overlap_is_refused_and_can_be_saved_anyway(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/timer")
        await api.set_preferences(overlap_policy="forbid")
        await api.write(await api.make_task(title="Read the news"), started_at=ago(hours=2), duration_seconds=3600)
        started = await api.start(await api.make_task())
        await visit("#/today")
        earlier = (instant(started["entry"]["started_at"]) - timedelta(minutes=90)).strftime("%H:%M")
        await page.get_by_role("textbox", name="Start time").fill(earlier)
        await page.get_by_role("textbox", name="Start time").press("Enter")
        await expect(page.get_by_role("status").filter(has_text="Overlaps")).to_be_visible()
        await page.get_by_role("button", name="Save anyway").click()
        await expect(page.get_by_role("timer")).to_have_text(re.compile("^1:3"))
        assert (await api.get("/timer")).json()["entry"]["id"] == started["entry"]["id"]
        assert await accessibility_violations(page) == []

    async def test_discarded_timer_comes_back_as_an_entry(self, page: Page, visit: Visit, api: Client) -> None:
        await api.start(await api.make_task(), started_at=ago(minutes=10))
        await visit("#/today")
        await page.get_by_role("button", name="Discard timer").click()
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_role("listitem", name="Write the offer, ")).to_be_visible()
        assert (await api.get("/timer")).status_code == 204
