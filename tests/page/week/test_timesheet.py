"""The timesheet: durations typed like in a spreadsheet, without losing tracked time."""

import asyncio
import re

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.page.browsing import GERMAN, NARROW, Console, accessibility_violations, hold, overflow
from tests.page.conftest import Visit
from tests.page.week.calendar import berlin, create_entry, create_task, stored_times
from tests.support.http import API, PASSWORD, Client

LAST_WEEK = ("2026-11-08T23:00:00Z", "2026-11-15T23:00:00Z")
WEEK = ("2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z")
VIEW = "#/timesheet/2026-11-18"
MONDAY, TUESDAY, WEDNESDAY = "Monday 16 November", "Tuesday 17 November", "Wednesday 18 November"


@pytest.fixture(autouse=True)
async def in_berlin(api: Client) -> None:
    """The user's days are those of Berlin."""
    assert (await api.patch("/users/me", json={"timezone": "Europe/Berlin"})).status_code == 200


def cell(page: Page, title: str, day: str) -> Locator:
    """Return the field of a task on a day."""
    return page.get_by_role("textbox", name=f"{title}, {day}")


def total(page: Page) -> Locator:
    """Return the last row, with the totals of the days and of the week."""
    return page.get_by_role("row", name="Total").last


async def ask_which_entry(page: Page, visit: Visit, api: Client) -> tuple[Locator, Locator]:
    """Make two entries of 1:00 and 2:00 last 2:30. Return the field, and the dialog that asks which one is shorter."""
    task = await create_task(api, "Offer")
    await create_entry(api, task, berlin(18, 8), berlin(18, 9))
    await create_entry(api, task, berlin(18, 10), berlin(18, 12))
    await visit(VIEW)
    field = cell(page, "Offer", WEDNESDAY)
    await field.fill("2:30")
    await field.press("Enter")
    dialog = page.get_by_role("dialog", name="Offer: which entry is 0:30 shorter?")
    await expect(dialog).to_be_visible()
    return field, dialog


class TestKeyboard:
    async def test_keyboard_alone_signs_in_and_finishes_a_timesheet(self, visitor: Page, api: Client) -> None:
        page, keyboard = visitor, visitor.keyboard
        await page.goto(f"/{VIEW}")
        await expect(page.get_by_label("E-mail")).to_be_visible()
        await page.get_by_label("E-mail").focus()
        await keyboard.type(api.user["email"])
        await keyboard.press("Tab")
        await keyboard.type(PASSWORD)
        await keyboard.press("Enter")
        await page.get_by_role("combobox", name="Add a task").focus()
        await keyboard.type("Write the offer")
        await keyboard.press("Enter")
        await expect(cell(page, "Write the offer", MONDAY)).to_be_focused()
        for text in ("1:30", "1,5", "90m"):
            await keyboard.type(text)
            await keyboard.press("ArrowRight")
        await keyboard.type("8")
        await keyboard.press("Enter")
        await expect(total(page)).to_have_text(re.compile(r"1:30\s*1:30\s*1:30\s*8:00\s*0:00\s*0:00\s*0:00\s*12:30"))
        await expect(page.get_by_text("Write the offer: 9:00 – 17:00 added")).to_be_visible()
        assert await stored_times(api, *WEEK) == [
            (berlin(16, 9), berlin(16, 10, 30)),
            (berlin(17, 9), berlin(17, 10, 30)),
            (berlin(18, 9), berlin(18, 10, 30)),
            (berlin(19, 9), berlin(19, 17)),
        ]


class TestDurations:
    async def test_typing_replaces_a_selected_time_that_has_changed_meanwhile(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        offer = await create_task(api, "Offer")
        await create_entry(api, offer, berlin(18, 8), berlin(18, 9))
        await visit(VIEW)
        field = cell(page, "Offer", WEDNESDAY)
        await field.focus()
        await create_entry(api, offer, berlin(18, 13), berlin(18, 14))
        await expect(field).to_have_value("2:00")
        await page.keyboard.type("3")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Offer: 14:00 – 15:00 added")).to_be_visible()

    async def test_more_time_is_added_after_the_last_entry_and_less_shortens_the_only_one(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        offer, support = await create_task(api, "Offer"), await create_task(api, "Support")
        await create_entry(api, offer, berlin(18, 8), berlin(18, 9))
        await create_entry(api, support, berlin(18, 10), berlin(18, 12))
        await visit(VIEW)
        field = cell(page, "Offer", WEDNESDAY)
        await expect(field).to_have_value("1:00")
        await field.fill("1.5")
        await field.press("Enter")
        await expect(page.get_by_text("Offer: 12:00 – 12:30 added")).to_be_visible()
        field = cell(page, "Support", WEDNESDAY)
        await field.fill("45")
        await field.press("Tab")
        await expect(page.get_by_text("Support: now 10:00 – 10:45")).to_be_visible()
        assert await stored_times(api, *WEEK) == [
            (berlin(18, 8), berlin(18, 9)),
            (berlin(18, 10), berlin(18, 10, 45)),
            (berlin(18, 12), berlin(18, 12, 30)),
        ]
        await page.get_by_role("button", name="Undo").last.click()
        await expect(field).to_have_value("2:00")

    async def test_durations_typed_one_after_the_other_do_not_overlap(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        for title in ("Offer", "Support"):
            await create_entry(api, await create_task(api, title), berlin(16, 8), berlin(16, 9))
        await visit(VIEW)
        await cell(page, "Offer", WEDNESDAY).fill("1:00")
        await cell(page, "Support", WEDNESDAY).fill("2:00")
        await cell(page, "Support", WEDNESDAY).press("Enter")
        await expect(page.get_by_text("Support: 10:00 – 12:00 added")).to_be_visible()
        assert (await stored_times(api, *WEEK))[2:] == [
            (berlin(18, 9), berlin(18, 10)),
            (berlin(18, 10), berlin(18, 12)),
        ]

    async def test_less_time_of_several_entries_asks_which(self, page: Page, visit: Visit, api: Client) -> None:
        field, dialog = await ask_which_entry(page, visit, api)
        await page.keyboard.press("Escape")
        await expect(field).to_have_value("3:00")
        await field.fill("2:30")
        await field.press("Enter")
        await dialog.get_by_role("button", name="Shorten 10:00 – 12:00").click()
        await expect(field).to_have_value("2:30")
        await expect(page.get_by_text("Offer: now 10:00 – 11:30")).to_be_visible()
        assert await stored_times(api, *WEEK) == [
            (berlin(18, 8), berlin(18, 9)),
            (berlin(18, 10), berlin(18, 11, 30)),
        ]

    async def test_text_without_a_meaning_stays_until_escape_restores(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 8), berlin(18, 9))
        await visit(VIEW)
        field = cell(page, "Offer", WEDNESDAY)
        await field.fill("soon")
        await field.press("Tab")
        await expect(page.get_by_text("Enter a duration, for example 1:30")).to_be_visible()
        await expect(field).to_have_value("soon")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await field.press("Escape")
        await expect(field).to_have_value("1:00")
        await expect(field).not_to_have_attribute("aria-invalid", "true")

    async def test_refused_duration_is_explained_at_its_field(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/time-entries")
        await api.patch("/users/me", json={"preferences": {"overlap_policy": "forbid"}})
        await create_entry(api, await create_task(api, "Night"), berlin(18, 8), berlin(19, 0))
        await create_task(api, "Offer")
        await visit(VIEW)
        picker = page.get_by_role("combobox", name="Add a task")
        await picker.fill("Offer")
        await picker.press("Enter")
        field = cell(page, "Offer", WEDNESDAY)
        await field.fill("1:00")
        await field.press("Enter")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(field).to_have_value("1:00")
        assert await stored_times(api, *WEEK) == [(berlin(18, 8), berlin(19, 0))]


class TestCopy:
    async def test_last_week_is_copied_once_with_its_times(self, page: Page, visit: Visit, api: Client) -> None:
        task = await create_task(api, "Offer")
        await create_entry(api, task, berlin(10, 9), berlin(10, 11))
        await create_entry(api, task, berlin(12, 14), berlin(12, 15))
        await visit(VIEW)
        for text in ("2 entries copied, 0 left out", "0 entries copied, 2 left out"):
            await page.get_by_role("button", name="Copy last week").click()
            await page.get_by_role("button", name="Tasks and times").click()
            await expect(page.get_by_text(text)).to_be_visible()
        await expect(cell(page, "Offer", TUESDAY)).to_have_value("2:00")
        assert await stored_times(api, *WEEK) == [(berlin(17, 9), berlin(17, 11)), (berlin(19, 14), berlin(19, 15))]
        assert len(await stored_times(api, *LAST_WEEK)) == 2

    async def test_tasks_alone_become_empty_rows(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "<b>Offer</b>"), berlin(10, 9), berlin(10, 11))
        await visit(VIEW)
        await expect(page.get_by_text("No time is tracked in this week yet.")).to_be_visible()
        await page.get_by_role("button", name="Copy last week").click()
        await page.get_by_role("button", name="Tasks only").click()
        await expect(cell(page, "<b>Offer</b>", TUESDAY)).to_have_value("")
        assert await stored_times(api, *WEEK) == []
        assert await accessibility_violations(page) == []


class TestSlowAnswers:
    """What a person does before the service has answered."""

    async def test_cell_that_is_set_back_while_it_is_stored_has_its_old_time(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 8), berlin(18, 9))
        await visit(VIEW)
        field = cell(page, "Offer", WEDNESDAY)
        await expect(field).to_have_value("1:00")
        held = await hold(page, "PATCH", "tasks/")
        for text in ("0:30", "1:00"):
            await field.fill(text)
            await field.press("Enter")
        await held.until(1)
        held.release()
        await expect(page.get_by_text("Offer: 9:00 – 9:30 added")).not_to_be_visible()
        await expect(page.get_by_text("Offer: 8:30 – 9:00 added")).to_be_visible()
        await expect(field).to_have_value("1:00")
        await expect(total(page)).to_have_text(re.compile(r"0:00\s*0:00\s*1:00.*1:00$"))

    async def test_cell_that_is_set_back_keeps_its_text_when_the_event_is_faster_than_the_answer(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 8), berlin(18, 9))
        released = asyncio.Event()

        async def answer_late(route: Route) -> None:
            response = await route.fetch()
            await released.wait()
            await route.fulfill(response=response)

        await page.route(re.compile(f"{API}/tasks/.*/time-entries/"), answer_late)
        await visit(VIEW)
        field = cell(page, "Offer", WEDNESDAY)
        await expect(field).to_have_value("1:00")
        for text in ("0:30", "1:00"):
            await field.fill(text)
            await field.press("Enter")
        await expect(field).to_have_attribute("data-stored", "0:30")
        assert await field.input_value() == "1:00"
        released.set()
        await expect(field).to_have_attribute("data-stored", "1:00")
        await expect(field).to_have_value("1:00")

    async def test_row_that_gets_another_place_keeps_the_focus(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Support"), berlin(18, 8), berlin(18, 9))
        await create_task(api, "Offer")
        await visit(VIEW)
        await expect(cell(page, "Support", WEDNESDAY)).to_have_value("1:00")
        await page.get_by_role("combobox", name="Add a task").fill("Offer")
        await page.keyboard.press("Enter")
        await expect(cell(page, "Offer", MONDAY)).to_be_focused()
        await page.keyboard.type("1")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("row").nth(1)).to_contain_text("Offer")
        await expect(cell(page, "Offer", TUESDAY)).to_be_focused()

    async def test_question_is_not_answered_by_somebody_who_types_on(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        field, dialog = await ask_which_entry(page, visit, api)
        await page.keyboard.type("1:00")
        await page.keyboard.press("Enter")
        await dialog.get_by_role("button", name="Edit 10:00 – 12:00").click()
        await page.get_by_role("dialog", name="Edit entry").get_by_role("button", name="Cancel").click()
        await expect(dialog).to_be_visible()
        await dialog.get_by_role("button", name="Cancel").click()
        await expect(field).to_have_value("3:00")
        assert await stored_times(api, *WEEK) == [(berlin(18, 8), berlin(18, 9)), (berlin(18, 10), berlin(18, 12))]

    async def test_totals_keep_what_is_still_being_stored(self, page: Page, visit: Visit, api: Client) -> None:
        offer = await create_task(api, "Offer")
        await create_entry(api, offer, berlin(18, 8), berlin(18, 9))
        await visit(VIEW)
        await expect(cell(page, "Offer", WEDNESDAY)).to_have_value("1:00")
        held = await hold(page, "POST", "tasks/.*/time-entries")
        await cell(page, "Offer", TUESDAY).fill("2")
        await cell(page, "Offer", TUESDAY).press("Enter")
        await held.until(1)
        await create_entry(api, offer, berlin(16, 8), berlin(16, 12))
        await expect(total(page)).to_have_text(re.compile(r"4:00\s*2:00\s*1:00.*7:00$"))
        held.release()
        await expect(page.get_by_text("Offer: 9:00 – 11:00 added")).to_be_visible()

    async def test_refusal_is_shown_after_the_week_was_left(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/time-entries")
        await api.patch("/users/me", json={"preferences": {"overlap_policy": "forbid"}})
        await create_entry(api, await create_task(api, "Night"), berlin(18, 8), berlin(19, 0))
        await create_entry(api, await create_task(api, "Offer"), berlin(16, 8), berlin(16, 9))
        await visit(VIEW)
        held = await hold(page, "POST", "tasks/.*/time-entries")
        await cell(page, "Offer", WEDNESDAY).fill("1:00")
        await cell(page, "Offer", WEDNESDAY).press("Enter")
        await held.until(1)
        await page.get_by_role("button", name="Next week").click()
        await expect(cell(page, "Offer", WEDNESDAY)).to_have_count(0)
        held.release()
        await expect(page.get_by_text(f"Offer, {WEDNESDAY}")).to_be_visible()

    async def test_week_that_is_being_loaded_is_not_called_empty(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 8), berlin(18, 9))
        await visit("#/timesheet/2026-11-25")
        await expect(page.get_by_text("No time is tracked in this week yet.")).to_be_visible()
        held = await hold(page, "GET", "reports/timesheet")
        await page.get_by_role("button", name="Previous week").click()
        await held.until(1)
        await expect(page.get_by_text("Loading")).to_be_visible()
        await expect(page.get_by_text("No time is tracked in this week yet.")).to_have_count(0)
        held.release()
        await expect(cell(page, "Offer", WEDNESDAY)).to_have_value("1:00")

    async def test_task_that_is_added_twice_is_created_once(self, page: Page, visit: Visit, api: Client) -> None:
        await visit(VIEW)
        held = await hold(page, "POST", "tasks")
        picker = page.get_by_role("combobox", name="Add a task")
        await picker.fill("Offer")
        await picker.press("Enter")
        await held.until(1)
        async with page.expect_response(re.compile("q=Offer")):
            await picker.press("Enter")
        await picker.fill("Support")
        assert held.count == 1
        held.release()
        await expect(cell(page, "Offer", MONDAY)).to_be_visible()
        await expect(picker).to_have_value("Support")
        await expect(picker).to_be_focused()
        assert [task["title"] for task in (await api.get("/tasks")).json()["items"]] == ["Offer"]

    async def test_second_copy_of_last_week_repeats_nothing(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(10, 9), berlin(10, 11))
        await visit(VIEW)
        held = await hold(page, "POST", "tasks/.*/time-entries")
        for _ in range(2):
            await page.get_by_role("button", name="Copy last week").click()
            await page.get_by_role("button", name="Tasks and times").click()
            await held.until(1)
        held.release()
        await expect(page.get_by_text("0 entries copied, 1 left out")).to_be_visible()
        assert await stored_times(api, *WEEK) == [(berlin(17, 9), berlin(17, 11))]

    async def test_copied_tasks_stay_in_the_week_for_which_they_were_copied(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(10, 9), berlin(10, 11))
        await visit(VIEW)
        await expect(page.get_by_text("No time is tracked in this week yet.")).to_be_visible()
        held = await hold(page, "GET", "reports/timesheet.*date=2026-11-09")
        await page.get_by_role("button", name="Copy last week").click()
        await page.get_by_role("button", name="Tasks only").click()
        await held.until(1)
        await page.get_by_role("button", name="Next week").click()
        held.release()
        await expect(page.get_by_text("No time is tracked in this week yet.")).to_be_visible()
        await page.get_by_role("button", name="Previous week").click()
        await expect(cell(page, "Offer", TUESDAY)).to_have_value("")


class TestScreens:
    @pytest.mark.parametrize("context_options", [{**NARROW, **GERMAN}], ids=["narrow and German"])
    async def test_narrow_page_does_not_overflow(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Angebot"), berlin(18, 8), berlin(18, 9))
        await visit(VIEW)
        await expect(cell(page, "Angebot", "Mittwoch, 18. November")).to_have_value("1:00")
        assert await overflow(page) == 0
        await page.get_by_role("button", name="Nächste Woche").click()
        await expect(page.get_by_text("In dieser Woche ist noch keine Zeit erfasst.")).to_be_visible()
