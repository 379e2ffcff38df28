"""The page while the service is away: changes wait in the browser, and nothing is lost or done twice."""

import asyncio
import re

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.page.browsing import (
    IS_LOADED,
    WITH_SERVICE_WORKER,
    WITHOUT_SERVICE_WORKER,
    Console,
    accessibility_violations,
    until_equal,
)
from tests.page.conftest import NewContext, Visit, sign_in
from tests.support.http import API, Client, Json, ago

AWAY = [r"Failed to load resource: net::ERR_", r"Failed to load resource: .* 404 .*/time-entries/"]


async def start(page: Page, title: str) -> None:
    what = page.get_by_role("combobox", name="What are you working on?")
    await what.fill(title)
    await what.press("Enter")
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


async def stored_entries(api: Client) -> list[Json]:
    items: list[Json] = (await api.get("/time-entries")).json()["items"]
    return items


class TestWithoutService:
    async def test_work_of_an_outage_is_sent_later_in_order(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(*AWAY)
        await page.add_init_script(WITHOUT_SERVICE_WORKER)
        await visit("#/today")
        await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
        await page.wait_for_function(IS_LOADED, arg="palette.js")
        await context.set_offline(True)
        await visit("#/tasks")
        await page.keyboard.press("n")
        await page.get_by_role("dialog", name="New entry").get_by_role("button", name="Cancel").click()
        await start(page, "Write the offer")
        await expect(page.get_by_text("1 change waiting")).to_be_visible()
        await page.get_by_role("button", name="Stop", exact=True).click()
        await expect(page.get_by_text("2 changes waiting")).to_be_visible()
        await start(page, "Call the client")
        await expect(page.get_by_text("3 changes waiting")).to_be_visible()
        assert await stored_entries(api) == []
        await context.set_offline(False)
        await expect(page.get_by_text(re.compile("changes? waiting"))).to_be_hidden()
        entries = {entry["task_title"]: entry for entry in await stored_entries(api)}
        assert entries.keys() == {"Write the offer", "Call the client"}
        assert entries["Call the client"]["ended_at"] is None
        assert entries["Write the offer"]["ended_at"] is not None

    async def test_edit_that_is_refused_after_the_outage_is_decided_by_the_person(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(*AWAY)
        task = await api.make_task(title="Write the offer")
        entry = await api.write(task)
        await visit("#/today")
        await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
        await expect(page.get_by_role("button", name="Continue Write the offer").first).to_be_visible()
        await context.set_offline(True)
        await page.evaluate(EDIT_NOTE, [task["id"], entry["id"]])
        await expect(page.get_by_text("1 change waiting")).to_be_visible()
        await api.delete(f"/tasks/{task['id']}/time-entries/{entry['id']}")
        await context.set_offline(False)
        refused = page.get_by_role("button", name="1 change was refused")
        await refused.click()
        assert await accessibility_violations(page) == []
        await page.get_by_role("button", name="Discard: Write the offer").click()
        await page.get_by_role("button", name="Close").last.click()
        await expect(refused).to_be_hidden()

    async def test_refused_start_leaves_the_timer_of_another_device_running(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(*AWAY, r"Failed to load resource: .* 409 .*/timer/start")
        await visit("#/today")
        await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await context.set_offline(True)
        await start(page, "Write the offer")
        await page.get_by_role("button", name="Stop", exact=True).click()
        await expect(page.get_by_text("2 changes waiting")).to_be_visible()
        await api.start(await api.make_task(title="Started elsewhere"))
        await context.set_offline(False)
        await expect(page.get_by_role("button", name="2 changes were refused")).to_be_visible()
        assert (await api.get("/timer")).json()["task_title"] == "Started elsewhere"
        await expect(page).to_have_title(re.compile("Started elsewhere"))

    async def test_start_whose_answer_is_lost_is_done_once(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(*AWAY)
        await visit("#/today")
        answers: list[int] = []

        async def lose_first_answer(route: Route) -> None:
            response = await route.fetch()
            answers.append(response.status)
            if len(answers) > 1:
                await route.fulfill(response=response)
            else:
                await route.abort()

        async def statuses() -> list[int]:
            return [*answers]

        await page.route(f"**{API}/timer/start*", lose_first_answer)
        await start(page, "Write the offer")
        await until_equal(statuses, [201, 201])
        await expect(page.get_by_text("waiting")).to_be_hidden()
        await expect(page.get_by_role("region", name="Timer").get_by_role("timer")).not_to_have_text("0:00:00")
        assert len(await stored_entries(api)) == 1
        assert len((await api.get("/tasks")).json()["items"]) == 1

    async def test_change_that_waits_for_another_survives_a_reload(self, page: Page, visit: Visit, api: Client) -> None:
        plan, draft = await api.make_task(title="Plan"), await api.make_task(title="Draft")
        await visit("#/tasks")
        held: list[Route] = []
        await page.route(f"**{API}/tasks/*", lambda route: held.append(route), times=1)  # noqa: PLW0108 -- Playwright needs a function
        await page.get_by_label("Priority of Plan").select_option("P2")
        await page.get_by_label("Priority of Draft").select_option("P1")
        await page.wait_for_function(STORED_CHANGES, arg=2)
        await page.reload()

        async def priorities() -> list[object]:
            return [(await api.get(f"/tasks/{task['id']}")).json()["priority"] for task in (plan, draft)]

        await until_equal(priorities, [2, 1])
        await expect(page.get_by_text("waiting")).to_be_hidden()
        assert len(held) == 1

    @pytest.mark.parametrize("context_options", [WITH_SERVICE_WORKER])
    async def test_page_opens_and_keeps_the_timer_after_a_reload(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(*AWAY)
        await visit("#/today")
        await page.evaluate("navigator.serviceWorker.ready")
        await page.reload()
        async with page.expect_response(f"**{API}/timer/start*"):
            await start(page, "Write the offer")
        await expect(page.get_by_role("timer")).not_to_have_text("0:00:00")
        await context.set_offline(True)
        await page.get_by_role("button", name="Stop", exact=True).click()
        await expect(page.get_by_text("1 change waiting")).to_be_visible()
        await start(page, "Call the client")
        await page.wait_for_function(STORED_CHANGES, arg=2)
        await page.reload()
        await expect(page.get_by_text("2 changes waiting")).to_be_visible()
        await expect(page).to_have_title(re.compile("Call the client"))
        await context.set_offline(False)
        await expect(page.get_by_text(re.compile("changes? waiting"))).to_be_hidden()
        entries = {entry["task_title"]: entry for entry in await stored_entries(api)}
        assert entries.keys() == {"Write the offer", "Call the client"}
        assert entries["Call the client"]["ended_at"] is None


STORED_CHANGES = """async (expected) => {
  const name = `task-timer ${new URL(document.baseURI).pathname}`;
  const database = await new Promise((resolve) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => resolve(request.result);
  });
  const changes = database.transaction("changes").objectStore("changes");
  const count = await new Promise((resolve) => {
    const request = changes.count();
    request.onsuccess = () => resolve(request.result);
  });
  database.close();
  return count === expected;
}"""
"""Whether this number of changes is stored in the browser."""

EDIT_NOTE = """async ([taskId, entryId]) => {
  const hash = /page\\/[^/]+\\//.exec(document.querySelector("script[type=module]").src)[0];
  const { updateEntry } = await import(new URL(hash + "store/entries.js", document.baseURI));
  await updateEntry({ id: entryId, task_id: taskId }, { note: "Edited" }, "Write the offer");
}"""


class TestOthers:
    async def test_changes_of_other_programs_show_without_a_reload(self, page: Page, visit: Visit, api: Client) -> None:
        await visit("#/today")
        await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
        requests: list[Route] = []
        released = asyncio.Event()

        async def hold(route: Route) -> None:
            requests.append(route)
            await released.wait()
            await route.continue_()

        await page.route(f"**{API}/reports/today*", hold)
        task = await api.make_task(title="Started elsewhere")
        await api.post("/timer/start", json={"task_id": task["id"]})
        await api.post("/timer/stop", json={})
        await expect(page.get_by_role("listitem", name="Started elsewhere, ")).to_be_visible()
        assert len(requests) <= 1  # a busy service gets no second request before it has answered the first
        released.set()
        await api.post("/timer/start", json={"task_id": task["id"]})
        await expect(page).to_have_title(re.compile("Started elsewhere"))
        await api.post("/timer/stop", json={})
        await expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()

    async def test_change_of_this_tab_is_loaded_once(self, page: Page, new_context: NewContext, api: Client) -> None:
        second_device = await new_context()
        await sign_in(second_device, api)
        other = await second_device.new_page()
        for device in (page, other):
            await device.goto("/#/today")
            await expect(device.get_by_text("Nothing tracked today.")).to_be_visible()
        loads: list[str] = []
        page.on("request", lambda request: loads.append(request.url) if "/reports/today" in request.url else None)
        async with page.expect_response(re.compile("/reports/today")):
            await start(page, "Write the offer")
        await expect(page.get_by_role("button", name="Discard timer")).to_be_visible()
        # The event stream has brought the change to both devices.
        await expect(other).to_have_title(re.compile("Write the offer"))
        await expect(page.get_by_role("group", name="Write the offer, running")).to_be_visible()
        assert len(loads) == 1


class TestIdleTime:
    async def test_gap_can_be_split_off(self, page: Page, visit: Visit, api: Client) -> None:
        await api.start(await api.make_task(title="Write the offer"), started_at=ago(minutes=50))
        await visit("#/today")
        await expect(page).to_have_title(re.compile("Write the offer"))
        await page.evaluate("localStorage.setItem('task-timer-last-seen', String(Date.now() - 20 * 60_000))")
        question = page.get_by_role("alert", name="Idle time")
        await expect(question).to_contain_text("Write the offer")
        assert await accessibility_violations(page) == []
        await question.get_by_role("button", name="Split").click()
        await expect(question).to_be_hidden()
        await expect(page.get_by_role("region", name="Timer").get_by_role("timer")).to_contain_text("0:00:")
        await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()

        async def count() -> object:
            return len(await stored_entries(api))

        await until_equal(count, 3)
        third, second, first = await stored_entries(api)
        assert (second["ended_at"], first["ended_at"]) == (third["started_at"], second["started_at"])
        assert third["ended_at"] is None
        assert 19 * 60 <= int(second["duration_seconds"]) <= 21 * 60


async def visit_with_preferences(page: Page, visit: Visit) -> None:
    # The first one follows that of the user. With the second one, shortcuts are followed too.
    async with page.expect_response(f"**{API}/reports/today*"), page.expect_request(f"**{API}/events"):
        await visit("#/today")


class TestCommands:
    async def test_shortcuts_open_views_and_can_be_listed(self, page: Page, visit: Visit) -> None:
        await visit_with_preferences(page, visit)
        await page.keyboard.press("w")
        await expect(page).to_have_url(re.compile("#/week$"))
        await page.keyboard.press("g")
        await page.keyboard.press("p")
        await expect(page).to_have_url(re.compile("#/projects$"))
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        assert await accessibility_violations(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("s")
        await expect(page.get_by_role("combobox", name="What are you working on?")).to_be_focused()
        await page.keyboard.type("xwt")
        await expect(page).to_have_url(re.compile("#/projects$"))

    async def test_keys_count_that_are_pressed_before_the_shortcuts_are_loaded(self, page: Page, visit: Visit) -> None:
        is_pressed = asyncio.Event()

        async def wait(route: Route) -> None:
            await is_pressed.wait()
            await route.continue_()

        await page.route("**/background.js", wait)
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await page.keyboard.press("w")
        is_pressed.set()
        await expect(page).to_have_url(re.compile("#/week"))

    async def test_palette_starts_a_recent_task(self, page: Page, visit: Visit, api: Client) -> None:
        task = await api.make_task(title="Write the offer")
        await api.write(task)
        await visit("#/today")
        await expect(page.get_by_role("button", name="Continue Write the offer").first).to_be_visible()
        await page.keyboard.press("Control+k")
        palette = page.get_by_role("combobox", name="Command palette")
        await palette.fill("start offer")
        assert await accessibility_violations(page) == []
        await palette.press("Enter")
        await expect(page).to_have_title(re.compile("Write the offer"))

    async def test_shortcuts_can_be_switched_off(self, page: Page, visit: Visit, api: Client) -> None:
        await api.set_preferences(shortcuts=False)
        await visit_with_preferences(page, visit)
        await page.keyboard.press("w")
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("dialog", name="Command palette")).to_be_visible()
        await expect(page).to_have_url(re.compile("#/today$"))
