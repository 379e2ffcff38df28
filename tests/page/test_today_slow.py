"""The view of a day while the service is slow: a person types and clicks on before the answers arrive."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, Route, expect

from tests.page.browsing import Console, hold, until_equal
from tests.page.conftest import Visit
from tests.page.day import DAY, days_ago, entry_of, fields_of, fill, stored
from tests.support.http import API, Client, ago, clock, instant


class TestSlowService:
    async def test_changes_count_from_what_the_ones_before_have_stored(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.write(await api.make_task())
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        held = await hold(page, "PATCH", "tasks/")
        await fill(row, "To", "11:15")
        await fill(row, "From", "8:30")
        await row.get_by_role("button", name="Billable").click()
        await row.get_by_role("button", name="Billable").click()
        await fill(row, "Note", "First draft")
        held.release()
        await until_equal(lambda: fields_of(api), [(clock("08:30"), clock("11:15"), False, "First draft")])
        held = await hold(page, "PATCH", "tasks/")
        await fill(row, "From", "8:00")
        await fill(row, "Duration", "1:30")
        held.release()
        await expect(entry_of(page, "Write the offer", "8:00 to 9:30")).to_be_visible()
        await until_equal(lambda: fields_of(api), [(clock("08:00"), clock("09:30"), False, "First draft")])

    async def test_text_that_is_typed_again_is_stored(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task(), note="First draft")
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        held = await hold(page, "PATCH", "tasks/")
        await fill(row, "Note", "Second draft")
        await fill(row, "Note", "First draft")
        async with page.expect_response(lambda response: response.request.method == "PATCH"):
            held.release()
        await expect(row.get_by_label("Note")).to_have_value("First draft")
        await until_equal(lambda: fields_of(api), [(clock("09:00"), clock("10:00"), False, "First draft")])

    async def test_new_task_is_created_once_and_later_changes_follow_the_entry(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.write(await api.make_task())
        await visit(DAY)
        held = await hold(page, "POST", "tasks")
        await entry_of(page, "Write the offer").get_by_role("button", name="Write the offer").click()
        await page.keyboard.type("Read the news")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")
        await fill(entry_of(page, "Write the offer"), "Note", "First draft")
        held.release()
        await expect(entry_of(page, "Read the news").get_by_label("Note")).to_have_value("First draft")
        await until_equal(lambda: fields_of(api), [(clock("09:00"), clock("10:00"), False, "First draft")])
        assert {task["title"] for task in (await api.list())["items"]} == {"Write the offer", "Read the news"}
        assert len((await api.list())["items"]) == 2

    async def test_work_is_continued_on_the_task_that_was_chosen(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task())
        task = await api.make_task(title="Read the news")
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        held = await hold(page, "POST", "tasks/")
        await row.get_by_role("button", name="Write the offer").click()
        await page.keyboard.type("Read the n")
        await page.get_by_role("option", name="Read the news").click()
        await held.until(1)
        await row.get_by_role("button", name="Continue").click()
        await asyncio.sleep(1.1)  # instants of the page have whole seconds
        released_at = datetime.now(UTC)
        async with page.expect_response(f"**{API}/timer/start*"):
            held.release()
        running = (await api.get("/timer")).json()
        assert running["task_id"] == task["id"]
        assert instant(running["entry"]["started_at"]) < released_at - timedelta(seconds=1)

    async def test_dialog_and_deletion_wait_for_the_change_before(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task())
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        held = await hold(page, "PATCH", "tasks/")
        await fill(row, "To", "11:15")
        await row.get_by_role("button", name="Edit").dblclick()
        held.release()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("textbox", name="Note").fill("First draft")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog).to_be_hidden()
        assert await fields_of(api) == [(clock("09:00"), clock("11:15"), False, "First draft")]

    async def test_entry_is_split_once(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task())
        await visit(DAY)
        await entry_of(page, "Write the offer").get_by_role("button", name="Split").click()
        held = await hold(page, "POST", "tasks/")
        await page.get_by_role("dialog").get_by_role("button", name="Split").dblclick()
        await held.until(1)
        held.release()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        assert (held.count, len(await stored(api))) == (1, 2)

    async def test_refusal_after_the_dialog_of_a_split_was_closed_is_shown(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"404 .*/split")
        task = await api.make_task()
        entry = await api.write(task)
        await visit(DAY)
        await entry_of(page, "Write the offer").get_by_role("button", name="Split").click()
        held = await hold(page, "POST", "tasks/")
        await page.get_by_role("dialog").get_by_role("button", name="Split").click()
        await held.until(1)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await api.delete(f"/tasks/{task['id']}/time-entries/{entry['id']}")
        held.release()
        await expect(page.locator(".notice.is-error")).to_be_visible()

    async def test_row_of_a_stop_that_is_refused_is_removed(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"404 .*/timer/stop")
        await api.start(await api.make_task(), started_at=ago(minutes=1))
        await visit("#/today")
        await expect(page.get_by_role("group", name="Write the offer, running")).to_be_visible()
        report = await hold(page, "GET", "reports/today")
        held = await hold(page, "POST", "timer/stop")
        await page.get_by_role("button", name="Stop").click()
        await held.until(1)
        row = entry_of(page, "Write the offer")
        await expect(row).to_be_visible()
        await api.delete("/timer")
        held.release()
        await expect(page.locator(".notice.is-error")).to_be_visible()
        await expect(row).to_be_hidden()
        report.release()

    async def test_entry_is_reviewed_once_and_the_focus_stays_elsewhere(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.start(await api.make_task(), started_at=f"{days_ago(1)}T08:00:00Z")
        await api.stop(ended_at=f"{days_ago(1)}T23:00:00Z")
        await visit("#/today")
        review = page.get_by_role("region", name="Needs review")
        held = await hold(page, "PATCH", "tasks/")
        await review.get_by_role("button", name="Keep").dblclick()
        await held.until(1)
        what = page.get_by_role("combobox", name="What are you working on?")
        await what.focus()
        held.release()
        await expect(review).to_be_hidden()
        await expect(page.get_by_role("button", name="Undo")).to_have_count(1)
        await expect(what).to_be_focused()
        assert held.count == 1

    async def test_stopped_timer_stays_until_it_is_loaded_as_an_entry(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.start(await api.make_task(), started_at=ago(minutes=1))
        await visit("#/today")
        await expect(page.get_by_role("group", name="Write the offer, running")).to_be_visible()
        await expect(page.get_by_text("Loading")).to_be_hidden()

        async def mark(route: Route) -> None:
            response = await route.fetch()
            report = await response.json()
            report["recent_tasks"][0]["title"] = "Loaded"
            await route.fulfill(response=response, json=report)

        await page.route("**/reports/today", mark)
        held = await hold(page, "GET", "time-entries")
        await page.get_by_role("button", name="Stop").click()
        # The recent tasks and the timer are loaded together.
        await expect(page.get_by_role("button", name="Continue Loaded")).to_be_visible()
        await held.until(1)
        row = entry_of(page, "Write the offer")
        assert await row.is_visible()
        held.release()
        await expect(row.get_by_role("button", name="Delete")).to_be_enabled()
        await expect(row).to_have_count(1)

    async def test_stopped_timer_whose_correction_is_refused_shows_once(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/timer")
        await api.set_preferences(overlap_policy="forbid")
        await api.write(await api.make_task(), started_at=ago(minutes=10), ended_at=ago(minutes=1))
        await visit("#/today")
        await expect(entry_of(page, "Write the offer")).to_be_visible()
        is_shown = asyncio.Event()

        async def answer_late(route: Route) -> None:
            response = await route.fetch()
            await is_shown.wait()
            await route.fulfill(response=response)

        await page.route("**/timer/stop", answer_late)
        start = await hold(page, "POST", "timer/start")
        await page.get_by_role("combobox", name="What are you working on?").fill("Read the news")
        await page.keyboard.press("Enter")
        await start.until(1)
        await page.get_by_role("button", name="5 minutes earlier").click()
        await asyncio.sleep(1.1)  # instants of the page have whole seconds
        await page.get_by_role("button", name="Stop").click()
        row = entry_of(page, "Read the news")
        await expect(row).to_be_visible()
        start.release()
        # The entry is loaded because of its event, while the page has no answer yet.
        await expect(row.get_by_role("button", name="Delete").and_(page.locator(":enabled"))).to_be_visible()
        assert await row.count() == 1
        is_shown.set()
        await expect(page.locator(".notice.is-error")).to_be_visible()
        await expect(row).to_have_count(1)

    @pytest.mark.parametrize("moved", ["Read the news", "Write the offer"])
    async def test_field_keeps_focus_and_text_when_the_entries_change_places(
        self, page: Page, visit: Visit, api: Client, moved: str
    ) -> None:
        await api.write(await api.make_task())
        await api.write(await api.make_task(title="Read the news"), started_at=clock("08:00"), ended_at=clock("12:00"))
        await visit(DAY)
        held = await hold(page, "PATCH", "tasks/")
        await fill(entry_of(page, "Read the news"), "From", "11:00")
        note = entry_of(page, moved).get_by_label("Note")
        await note.press_sequentially("First dr")
        held.release()
        await expect(page.get_by_role("listitem", name=re.compile(" to "))).to_have_count(2)
        await expect(page.locator("[data-entry]").first).to_have_accessible_name("Read the news, 11:00 to 12:00")
        await expect(note).to_be_focused()
        await page.keyboard.type("aft")
        await expect(note).to_have_value("First draft")

    async def test_row_keeps_the_focus_when_its_entry_is_given_to_another_task(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        offer, news = await api.make_task(), await api.make_task(title="Read the news")
        entry = await api.write(offer)
        await api.write(news, started_at=clock("10:00"))
        await visit(DAY)
        await page.get_by_text("By task").click()
        button = page.locator(f"[data-entry='{entry['id']}']").get_by_role("button", name="Continue")
        await button.focus()
        await api.post(f"/tasks/{offer['id']}/time-entries/{entry['id']}/move", json={"task_id": news["id"]})
        await expect(entry_of(page, "Read the news", "9:00 to 10:00")).to_be_visible()
        await expect(button).to_be_focused()
