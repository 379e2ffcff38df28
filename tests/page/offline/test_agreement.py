"""Once everything is quiet, the page shows what the service has stored, whatever happened on the way."""

import asyncio
import re

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.page.browsing import IS_LOADED, WITHOUT_SERVICE_WORKER, Console, hold, until_equal
from tests.page.conftest import Visit
from tests.page.day import DAY, days_ago, entry_of, fill, stored
from tests.support.http import API, Client, Json, at, clock

AWAY = r"Failed to load resource: net::ERR_"
WAITING = re.compile("changes? waiting")


async def visit_loaded(page: Page, fragment: str) -> None:
    """Open a view when all dialogs are loaded, as on plain HTTP."""
    await page.add_init_script(WITHOUT_SERVICE_WORKER)
    await page.goto(f"/{fragment}")
    await page.wait_for_function(IS_LOADED, arg="palette.js")


async def rename(api: Client, task: Json, title: str) -> None:
    """Rename a task, and wait until the change is in the feed: a stream that is opened then does not bring it."""
    await api.patch(f"/tasks/{task['id']}", json={"title": title})

    async def is_published() -> object:
        return any(change["type"] == "task.updated" for change in (await api.get("/changes")).json()["items"])

    await until_equal(is_published, True)


async def notes_of(api: Client) -> object:
    return [entry["note"] for entry in await stored(api)]


class TestWaitingChanges:
    async def test_refused_change_shows_no_longer(
        self, page: Page, visit: Visit, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(AWAY, r"409 .*/time-entries/")
        await api.set_preferences(overlap_policy="forbid")
        await api.write(await api.make_task())
        await visit(DAY)
        await expect(entry_of(page, "Write the offer", "9:00 to 10:00")).to_be_visible()
        await context.set_offline(True)
        await fill(entry_of(page, "Write the offer"), "To", "11:00")
        await expect(page.get_by_text("1 change waiting")).to_be_visible()
        await api.write(await api.make_task(title="Read the news"), started_at=clock("10:30"))
        held = await hold(page, "PATCH", "tasks/")
        await context.set_offline(False)
        await held.until(1)
        await expect(entry_of(page, "Read the news")).to_be_visible()
        await expect(entry_of(page, "Write the offer", "9:00 to 11:00")).to_be_visible()
        held.release()
        await expect(page.get_by_role("button", name="1 change was refused")).to_be_visible()
        await expect(entry_of(page, "Write the offer", "9:00 to 10:00")).to_be_visible()

    async def test_other_tab_shows_each_entry_once(
        self, page: Page, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(AWAY)
        await api.write(await api.make_task())
        other = await context.new_page()
        for tab in (page, other):
            await visit_loaded(tab, DAY)
            await expect(entry_of(tab, "Write the offer")).to_be_visible()
        await context.set_offline(True)
        await entry_of(page, "Write the offer").get_by_role("button", name=re.compile("^Split")).click()
        await page.get_by_role("dialog").get_by_role("button", name="Split").click()
        await expect(entry_of(page, "Write the offer")).to_have_count(2)
        await expect(entry_of(other, "Write the offer")).to_have_count(2)
        await fill(entry_of(page, "Write the offer").last, "Note", "First half")
        await expect(page.get_by_text("2 changes waiting")).to_be_visible()
        changes = [await hold(tab, "PATCH", "tasks/") for tab in (page, other)]
        await context.set_offline(False)

        async def is_sent() -> object:
            return any(held.count for held in changes)

        await until_equal(is_sent, True)
        for held in changes:
            held.release()
        for tab in (page, other):
            await expect(tab.get_by_text(WAITING)).to_be_hidden()
            await expect(entry_of(tab, "Write the offer").last.get_by_label("Note")).to_have_value("First half")
            await expect(entry_of(tab, "Write the offer")).to_have_count(2)

    @pytest.mark.parametrize("grouping", ["By time", "By task"])
    async def test_entry_that_is_sent_keeps_its_row_and_the_focus(
        self, grouping: str, page: Page, context: BrowserContext, api: Client, console: Console
    ) -> None:
        console.allow(AWAY)
        await api.write(await api.make_task())
        await visit_loaded(page, DAY)
        await page.get_by_text(grouping).click()
        rows = entry_of(page, "Write the offer")
        await expect(rows).to_be_visible()
        await context.set_offline(True)
        await rows.get_by_role("button", name=re.compile("^Split")).click()
        await page.get_by_role("dialog").get_by_role("button", name="Split").click()
        await expect(rows).to_have_count(2)
        waiting = await rows.first.get_attribute("data-entry")
        note = rows.first.get_by_label("Note")
        await note.press_sequentially("Second")
        await context.set_offline(False)
        await expect(page.get_by_text(WAITING)).to_be_hidden()
        await expect(rows.first).not_to_have_attribute("data-entry", str(waiting))
        await expect(note).to_be_focused()
        await page.keyboard.type(" half")
        await page.keyboard.press("Enter")
        await until_equal(lambda: notes_of(api), [None, "Second half"])
        await expect(rows).to_have_count(2)


class TestOtherDevices:
    async def test_change_before_the_event_stream_is_open_shows(self, page: Page, visit: Visit, api: Client) -> None:
        task = await api.make_task()
        await api.write(task)
        stream = await hold(page, "GET", "events")
        await visit(DAY)
        await expect(entry_of(page, "Write the offer")).to_be_visible()
        await stream.until(1)
        await rename(api, task, "Read the news")
        stream.release()
        await expect(entry_of(page, "Read the news")).to_be_visible()

    async def test_change_while_the_event_stream_is_opened_again_shows(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(AWAY)
        task = await api.make_task()
        await api.write(task)
        failures = 3  # the page repeats a request
        is_asked, is_open = asyncio.Event(), asyncio.Event()

        async def open_late(route: Route) -> None:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                await route.abort()
                return
            is_asked.set()
            await is_open.wait()
            await route.continue_()

        await page.route(f"**{API}/events", open_late)
        await visit(DAY)
        await expect(entry_of(page, "Write the offer")).to_be_visible()
        async with asyncio.timeout(20):
            await is_asked.wait()
        await rename(api, task, "Read the news")
        is_open.set()
        await expect(entry_of(page, "Read the news")).to_be_visible()

    async def test_entry_that_is_kept_and_then_is_not_is_reviewed_again(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.start(await api.make_task(), started_at=f"{days_ago(1)}T08:00:00Z")
        await api.stop(ended_at=f"{days_ago(1)}T23:00:00Z")
        await visit("#/today")
        review = page.get_by_role("region", name="Needs review")
        await expect(review).to_be_visible()
        lists = await hold(page, "GET", "time-entries")
        await review.get_by_role("button", name="Keep").click()
        await expect(review).to_be_hidden()
        async with page.expect_response(lambda response: response.request.method == "PATCH"):
            await page.get_by_role("button", name="Undo").click()
        lists.release()
        await expect(review).to_be_visible()

    async def test_deleted_entry_that_is_restored_elsewhere_shows(self, page: Page, visit: Visit, api: Client) -> None:
        entry = await api.write(await api.make_task())
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        await expect(row).to_be_visible()
        lists = await hold(page, "GET", "time-entries")

        async def restore_before_answer(route: Route) -> None:
            response = await route.fetch()
            assert (await api.post(f"/time-entries/{entry['id']}/restore")).status_code == 200
            await lists.until(1)
            await route.fulfill(response=response)

        await page.route(f"**{API}{at(entry)}", restore_before_answer)
        await row.get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        await expect(row).to_be_hidden()
        lists.release()
        await expect(row).to_be_visible()
