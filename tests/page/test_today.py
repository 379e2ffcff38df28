"""The view of a day: entries edited in place, deleted, split, and reviewed."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.page.browsing import GERMAN, NARROW, Console, accessibility_violations, overflow, until_equal
from tests.page.conftest import Visit
from tests.page.day import DAY, days_ago, entry_of, fill, stored
from tests.support.http import Client, ago, at, clock

HOSTILE = '<img src=x onerror="document.title=1">'

CONFLICT = r"Failed to load resource: .* 409 .*/time-entries/"


async def status_of_timer(api: Client) -> int:
    """200 while a timer is running, 204 otherwise."""
    return (await api.get("/timer")).status_code


class TestEntry:
    async def test_every_field_is_edited_in_place(self, page: Page, visit: Visit, api: Client) -> None:
        entry = await api.write(await api.make_task())
        await api.make_task(title="Read the news")
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        await fill(row, "Note", "First draft")
        await fill(row, "Tags", "writing, sales, writing")
        await fill(row, "From", "830")
        await expect(row.get_by_role("textbox", name="Duration")).to_have_value("1:30")
        await fill(row, "To", "11.15")
        await fill(row, "Duration", "2h30")
        await expect(row.get_by_role("textbox", name="To")).to_have_value("11:00")
        await row.get_by_role("button", name="Billable").click()
        await expect(row.get_by_role("button", name="Billable")).to_have_attribute("aria-pressed", "true")
        await row.get_by_role("button", name="Write the offer").click()
        await page.keyboard.type("Read the n")
        await page.get_by_role("option", name="Read the news").click()
        await expect(entry_of(page, "Read the news")).to_be_visible()
        await expect(page.get_by_role("definition").first).to_have_text("2:30")
        (listed,) = await stored(api)
        assert (listed["id"], listed["task_title"], listed["note"]) == (entry["id"], "Read the news", "First draft")
        assert (listed["started_at"], listed["ended_at"]) == (clock("08:30"), clock("11:00"))
        assert (set(listed["tags"]), listed["billable"]) == ({"writing", "sales"}, True)

    async def test_typing_replaces_a_selected_text_that_has_changed_meanwhile(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        entry = await api.write(await api.make_task())
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        await row.get_by_role("textbox", name="To").focus()
        await page.keyboard.press("Tab")
        await expect(row.get_by_role("textbox", name="Duration")).to_be_focused()
        await api.patch(at(entry), json={"ended_at": clock("10:45")})
        await expect(row.get_by_role("textbox", name="Duration")).to_have_value("1:45")
        await page.keyboard.type("2h30")
        await page.keyboard.press("Enter")
        await expect(row.get_by_role("textbox", name="To")).to_have_value("11:30")

    async def test_refused_overlap_stays_in_the_field_until_it_is_corrected(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(CONFLICT)
        await api.set_preferences(overlap_policy="forbid")
        await api.write(await api.make_task())
        await api.write(await api.make_task(title="Read the news"), started_at=clock("10:00"))
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        end = row.get_by_role("textbox", name="To")
        await fill(row, "To", "10:20")
        await expect(row.get_by_role("alert")).to_have_text("Overlaps “Read the news” (10:00 to 11:00) by 0:20.")
        await expect(end).to_have_value("10:20")
        await expect(end).to_have_attribute("aria-invalid", "true")
        await fill(row, "To", "8:59")
        await expect(row.get_by_role("alert")).to_have_text("The end must be after the start, 9:00.")
        await end.press("Escape")
        await expect(end).to_have_value("10:00")
        await expect(row.get_by_role("alert")).to_be_hidden()
        assert [entry["ended_at"] for entry in await stored(api)] == [clock("10:00"), clock("11:00")]

    async def test_end_is_moved_past_midnight(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task(), started_at=clock("22:00"))
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        await fill(row, "To", "0:30")
        await expect(row.get_by_role("textbox", name="Duration")).to_have_value("2:30")
        await expect(row).to_contain_text("2:00 of it on this day")
        (entry,) = await stored(api)
        assert (entry["started_at"], entry["ended_at"]) == (clock("22:00"), "2026-11-19T00:30:00Z")

    async def test_deletion_is_undone_and_the_focus_stays_in_the_list(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.write(await api.make_task())
        kept = await api.write(await api.make_task(title="Read the news"), started_at=clock("08:00"))
        await visit(DAY)
        await entry_of(page, "Write the offer").get_by_role("button", name="Delete").press("Enter")
        await expect(entry_of(page, "Write the offer")).to_have_count(0)
        await expect(entry_of(page, "Read the news").get_by_role("button", name="Delete")).to_be_focused()
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        assert [entry["id"] for entry in await stored(api)] == [kept["id"]]
        await page.get_by_role("button", name="Undo").click()
        await expect(entry_of(page, "Write the offer")).to_be_visible()
        assert len(await stored(api)) == 2

    async def test_entry_is_split_at_the_chosen_time(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task(), note="call")
        await visit(DAY)
        await entry_of(page, "Write the offer").get_by_role("button", name="Split").click()
        dialog = page.get_by_role("dialog", name="Split entry")
        await expect(dialog.get_by_role("textbox", name="Split at")).to_have_value("9:30")
        await dialog.get_by_role("textbox", name="Split at").fill("12:00")
        await dialog.get_by_role("button", name="Split").click()
        await expect(dialog.get_by_role("alert")).to_have_text("The time must be inside the entry.")
        await dialog.get_by_role("textbox", name="Split at").fill("9:20")
        await dialog.get_by_role("textbox", name="Split at").press("Enter")
        await expect(entry_of(page, "Write the offer", "9:20 to 10:00")).to_be_visible()
        await expect(entry_of(page, "Write the offer", "9:00 to 9:20")).to_be_visible()
        assert [entry["ended_at"] for entry in await stored(api)] == [clock("09:20"), clock("10:00")]

    async def test_continue_starts_the_task_again(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task())
        await visit(DAY)
        await entry_of(page, "Write the offer").get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
        await expect(page.get_by_role("combobox", name="What are you working on?")).to_have_value("Write the offer")
        await until_equal(lambda: status_of_timer(api), 200)


class TestDay:
    async def test_days_are_chosen_and_the_gap_between_entries_is_filled(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.write(await api.make_task())
        await api.write(await api.make_task(title="Read the news"), started_at=clock("11:00"))
        await visit("#/today")
        await expect(page.get_by_text("Nothing tracked today.")).to_be_visible()
        await page.get_by_label("Date", exact=True).fill("2026-11-17")
        await expect(page.get_by_text("Nothing tracked on this day.")).to_be_visible()
        await page.get_by_role("button", name="Next day").click()
        await expect(page.get_by_role("heading", name="Wednesday", level=1)).to_be_visible()
        await expect(page.get_by_role("definition").last).to_have_text("2:00")
        await page.get_by_role("button", name="Fill the gap from 10:00 to 11:00").click()
        dialog = page.get_by_role("dialog", name="New entry")
        await dialog.get_by_role("combobox", name="Task").fill("Lunch talk")
        await dialog.get_by_role("combobox", name="Task").press("Enter")
        await dialog.get_by_role("button", name="Save").click()
        await expect(entry_of(page, "Lunch talk", "10:00 to 11:00")).to_be_visible()
        await expect(page.get_by_role("definition").last).to_have_text("3:00")
        await page.get_by_text("By task").click()
        await expect(page.get_by_role("heading", name=re.compile("Lunch talk.*1:00"))).to_be_visible()
        titles = [entry["task_title"] for entry in await stored(api)]
        assert titles == ["Write the offer", "Lunch talk", "Read the news"]

    @pytest.mark.parametrize("policy", ["warn", "allow"])
    async def test_overlapping_entries_name_each_other_unless_overlaps_are_allowed(
        self, policy: str, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.set_preferences(overlap_policy=policy)
        await api.write(await api.make_task())
        await api.write(await api.make_task(title="Read the news"), started_at=clock("09:40"))
        await api.write(await api.make_task(title="Lunch"), started_at=clock("10:40"))
        await visit(DAY)
        await expect(entry_of(page, "Lunch")).to_be_visible()
        await expect(entry_of(page, "Lunch")).not_to_contain_text("Overlaps")
        hints = {
            "Write the offer": "Overlaps “Read the news” (9:40 to 10:40) by 0:20.",
            "Read the news": "Overlaps “Write the offer” (9:00 to 10:00) by 0:20.",
        }
        for title, hint in hints.items():
            shown = entry_of(page, title).get_by_text(hint)
            await expect(shown).to_have_count(1 if policy == "warn" else 0)

    @pytest.mark.parametrize("context_options", [NARROW | GERMAN], ids=["narrow"])
    async def test_hostile_titles_are_shown_as_text(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task(title=HOSTILE), note=HOSTILE, tags=["<b>"])
        await api.write(await api.make_task(title="x" * 200), started_at=clock("10:00"))
        project = await api.make_project(name="<script>alert(1)</script>" * 3, color="#d9480f")
        await api.start(await api.make_task(title="שלום <i>", project_id=project["id"]))
        await visit(DAY)
        await expect(entry_of(page, HOSTILE)).to_be_visible()
        await expect(page.get_by_role("button", name="Stopp")).to_be_visible()
        await expect(page).to_have_title(re.compile("· שלום <i>$"))
        assert await overflow(page) <= 0
        assert await accessibility_violations(page) == []


class TestDialog:
    async def test_refused_values_are_explained_at_their_fields(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"422 .*/time-entries")
        await api.write(await api.make_task())
        await api.write(await api.make_task(), started_at=clock("11:00"))
        await visit(DAY)
        await page.get_by_role("button", name="Fill the gap from 10:00 to 11:00").click()
        dialog = page.get_by_role("dialog", name="New entry")
        title, tags = dialog.get_by_role("combobox", name="Task"), dialog.get_by_label("Tags")
        end = dialog.get_by_role("group", name="To")
        save = dialog.get_by_role("button", name="Save")
        await save.click()
        await expect(title).to_be_focused()
        await expect(title).to_have_accessible_description("Choose a task.")
        await title.fill("Lunch talk")
        await end.get_by_label("Date").fill("2031-01-01")
        await tags.fill("x" * 51)
        await save.click()
        await expect(tags).to_have_accessible_description(re.compile("50 characters"))
        await expect(title).to_have_attribute("aria-invalid", "false")
        await tags.fill("food")
        await save.click()
        await expect(end.get_by_label("Time")).to_be_focused()
        await expect(end.get_by_label("Date")).to_have_attribute("aria-invalid", "true")
        await expect(end.get_by_role("alert")).not_to_be_empty()
        await end.get_by_label("Date").fill("2026-11-18")
        await save.click()
        await expect(entry_of(page, "Lunch talk", "10:00 to 11:00")).to_be_visible()
        tasks = (await api.get("/tasks", params={"q": "Lunch"})).json()["items"]
        assert [task["title"] for task in tasks] == ["Lunch talk"]


class TestReview:
    async def test_forgotten_timer_gets_the_suggested_end(self, page: Page, visit: Visit, api: Client) -> None:
        offer = await api.make_task()
        for days in (2, 3):
            await api.write(offer, started_at=f"{days_ago(days)}T09:00:00Z", duration_seconds=5400)
        await api.start(offer, started_at=f"{days_ago(1)}T09:00:00Z")
        await api.stop(ended_at=f"{days_ago(1)}T23:30:00Z")
        await visit(f"#/today/{days_ago(1)}")
        review = page.get_by_role("region", name="Needs review")
        await expect(review).to_contain_text("Ran for 14:30")
        await expect(review).to_contain_text("10:30: this task usually takes 1:30.")
        await expect(review.get_by_label("Suggested end")).to_have_value(f"{days_ago(1)}T10:30")
        assert await accessibility_violations(page) == []
        await review.get_by_role("button", name="Change").click()
        await expect(review).to_be_hidden()
        await expect(entry_of(page, "Write the offer", "9:00 to 10:30")).to_be_visible()
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
        assert await stored(api, needs_review=True) == []
        await page.get_by_role("button", name="Undo").click()
        await expect(review).to_contain_text("Ran for 14:30")
        await review.get_by_label("Suggested end").fill(f"{days_ago(1)}T08:00")
        await review.get_by_role("button", name="Change").click()
        await expect(review.get_by_role("alert")).to_have_text("The end must be after the start.")
        await review.get_by_role("button", name="Keep").click()
        await expect(review).to_be_hidden()
        newest = (await stored(api))[-1]
        assert (newest["ended_at"], newest["needs_review"]) == (f"{days_ago(1)}T23:30:00Z", False)

    async def test_next_work_ends_the_forgotten_timer(self, page: Page, visit: Visit, api: Client) -> None:
        forgotten = await api.start(await api.make_task(), started_at=f"{days_ago(1)}T08:00:00Z")
        await api.stop(ended_at=f"{days_ago(1)}T23:00:00Z")
        await api.write(await api.make_task(title="Read the news"), started_at=f"{days_ago(1)}T09:10:00Z")
        await visit("#/today")
        review = page.get_by_role("region", name="Needs review")
        await expect(review).to_contain_text("9:10: “Read the news” began then.")
        await review.get_by_role("button", name="17:00: the end of a usual working day").click()
        await expect(review.get_by_label("Suggested end")).to_be_focused()
        await expect(review.get_by_label("Suggested end")).to_have_value(f"{days_ago(1)}T17:00")
        await review.get_by_role("button", name="Delete").click()
        await expect(review).to_be_hidden()
        assert (await api.get(at(forgotten["entry"]))).status_code == 404


class TestTotals:
    async def test_totals_grow_with_the_running_timer(self, page: Page, visit: Visit, api: Client) -> None:
        await api.start(await api.make_task(), started_at=ago(minutes=29, seconds=58))
        await visit("#/today")
        await expect(page.get_by_role("group", name="Write the offer, running")).to_contain_text("0:30")
        await expect(page.get_by_role("definition").last).to_have_text("0:30")
