"""Tags that change elsewhere: what fields suggest and show is current, and leaving a field brings back nothing old."""

import re

from playwright.async_api import Locator, Page, expect

from tests.page.browsing import until_equal
from tests.page.conftest import Visit
from tests.page.day import DAY, entry_of, stored
from tests.support.http import Client, ago, at, clock

MANY = 101
"""A rename in that many entries has no events of the single entries."""


def timer_tags(page: Page) -> Locator:
    return page.get_by_role("region", name="Timer").get_by_label("Tags")


def suggested(page: Page, tag: str) -> Locator:
    return page.get_by_role("region", name="Timer").locator(f'datalist option[value="{tag}"]')


async def open_with_suggestion(page: Page, visit: Visit, tag: str) -> None:
    """Open the day, and give the focus to the tags of the timer, which then suggest this one."""
    await visit(DAY)
    await timer_tags(page).focus()
    await expect(suggested(page, tag)).to_be_attached()


class TestSuggestions:
    async def test_tag_that_another_program_uses_is_suggested_at_the_next_focus(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        task = await api.make_task(tags=["writing"])
        await open_with_suggestion(page, visit, "writing")
        await page.get_by_role("combobox", name="What are you working on?").focus()
        await api.patch(f"/tasks/{task['id']}", json={"tags": []})
        await api.write(task, tags=["sales"])
        await expect(entry_of(page, "Write the offer")).to_be_visible()
        await timer_tags(page).focus()
        await expect(suggested(page, "sales")).to_be_attached()
        await expect(suggested(page, "writing")).to_have_count(0)

    async def test_tag_that_is_used_while_the_field_has_the_focus_is_suggested(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        task = await api.make_task(tags=["writing"])
        await open_with_suggestion(page, visit, "writing")
        await api.write(task, tags=["sales"])
        await expect(entry_of(page, "Write the offer")).to_be_visible()
        await page.keyboard.type("s")
        await expect(suggested(page, "sales")).to_be_attached()

    async def test_tag_of_this_page_is_suggested(self, page: Page, visit: Visit, api: Client) -> None:
        await api.write(await api.make_task(tags=["writing"]))
        await open_with_suggestion(page, visit, "writing")
        field = entry_of(page, "Write the offer").get_by_label("Tags")
        await field.fill("sales")
        async with page.expect_response(lambda response: response.request.method == "PATCH"):
            await field.press("Enter")
        await expect(entry_of(page, "Write the offer").get_by_label("Tags")).to_have_value("sales")
        await timer_tags(page).focus()
        await expect(suggested(page, "sales")).to_be_attached()


class TestRename:
    async def test_rename_in_many_entries_shows(self, page: Page, visit: Visit, api: Client) -> None:
        lines = [f"2026-11-17T08:00:00Z,2026-11-17T09:00:00Z,Task {number},old" for number in range(MANY)]
        lines.append("2026-11-18T08:00:00Z,2026-11-18T09:00:00Z,Offer,old")
        file = ("time.csv", "\n".join(("Start,End,Task,Tags", *lines)).encode(), "text/csv")
        response = await api.post("/imports", data={"format": "csv", "timezone": "UTC"}, files={"file": file})
        assert response.status_code in {200, 201}, response.text
        await api.start(await api.make_task(title="Support"), tags=["old"])
        await visit(DAY)
        row = entry_of(page, "Offer").get_by_label("Tags")
        await expect(row).to_have_value("old")
        await expect(timer_tags(page)).to_have_value("old")
        renamed = await api.post("/tags/rename", json={"from": "old", "to": "new"})
        assert renamed.json()["entries"] == MANY + 2, renamed.text
        await expect(timer_tags(page)).to_have_value("new")
        await expect(row).to_have_value("new")


class TestTyping:
    async def test_tags_of_the_timer_that_are_typed_and_removed_again_give_way_to_a_change(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await api.start(await api.make_task(), tags=["old"])
        await visit(DAY)
        tags = timer_tags(page)
        await expect(tags).to_have_value("old")
        await tags.press("End")
        await page.keyboard.type("x")
        await page.keyboard.press("Backspace")
        await api.patch("/timer", json={"tags": ["new"], "started_at": ago(hours=2)})
        await expect(page.get_by_role("timer")).to_have_text(re.compile("^2:00"))
        await expect(tags).to_have_value("old")
        await page.get_by_role("combobox", name="What are you working on?").focus()
        await expect(tags).to_have_value("new")
        assert (await api.get("/timer")).json()["entry"]["tags"] == ["new"]

    async def test_text_of_an_entry_that_is_typed_and_removed_again_gives_way_to_a_change(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        entry = await api.write(await api.make_task(), note="old", tags=["old"])
        await visit(DAY)
        row = entry_of(page, "Write the offer")
        for name in ("Note", "Tags"):
            field = row.get_by_label(name)
            await field.press("End")
            await page.keyboard.type("x")
            await page.keyboard.press("Backspace")
            await api.patch(at(entry), json={"note": f"new {name}", "tags": ["new"], "ended_at": clock("11:00")})
            await expect(row.get_by_label("To")).to_have_value("11:00")
            await expect(field).to_have_value("old")
            await row.get_by_label("From").focus()
            await expect(field).to_have_value(f"new {name}" if name == "Note" else "new")
            await api.patch(at(entry), json={"note": "old", "tags": ["old"], "ended_at": clock("10:00")})
            await expect(field).to_have_value("old")

        async def notes() -> object:
            return [each["note"] for each in await stored(api)]

        await until_equal(notes, ["old"])
