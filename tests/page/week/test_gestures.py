"""The week: drags of a running entry, drags at the edge of the grid, swipes, and the step of the settings."""

import pytest
from playwright.async_api import Page, expect

from tests.page.browsing import NARROW, until_equal
from tests.page.conftest import Visit
from tests.page.week.calendar import (
    TALL,
    column,
    create_entry,
    create_task,
    drag,
    fill_dialog,
    is_shown,
    point,
    stored_times,
)
from tests.support.http import Client, clock

DAY, NEXT = "Wednesday 18 November", "Thursday 19 November"
VIEW = "#/week/2026-11-18"
WEEK = ("2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z")


async def swipe(page: Page, distance: float) -> None:
    """Move a finger over the grid, to the left for a negative distance."""
    box = await page.get_by_role("region", name="Calendar").bounding_box()
    assert box is not None
    finger = await page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    steps = [("touchStart", x), ("touchMove", x + distance / 2), ("touchMove", x + distance)]
    for kind, position in steps:
        await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": position, "y": y}]})
    await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


IS_AT_EDGE = """
(grid, edge) => edge === "upper" ? grid.scrollTop === 0 : grid.scrollTop + grid.clientHeight === grid.scrollHeight
"""
"""Whether the grid is scrolled to its upper or lower end."""


class TestDrag:
    @pytest.mark.parametrize("context_options", [TALL], ids=["tall"])
    async def test_any_part_of_a_running_entry_drags_its_start(self, page: Page, visit: Visit, api: Client) -> None:
        timer = await api.start(await create_task(api, "Offer"), started_at=clock("09:00"))
        await visit(VIEW)
        await expect(column(page, DAY).get_by_role("button", name="Offer")).to_be_visible()
        await expect(page.get_by_role("textbox", name="Start time")).to_have_value("9:00")
        await drag(page, await point(page, DAY, 11.5), await point(page, DAY, 10.3))

        async def start() -> object:
            return (await api.get("/timer")).json()["entry"]["started_at"]

        await until_equal(start, clock("10:15"))
        assert (await api.get("/timer")).json()["entry"]["id"] == timer["entry"]["id"]
        await expect(page.get_by_role("textbox", name="Start time")).to_have_value("10:15")

    @pytest.mark.parametrize(
        ("edge", "start", "end"),
        [("upper", "2026-11-17T23:30:00Z", clock("00:30")), ("lower", clock("23:30"), "2026-11-19T00:30:00Z")],
        ids=["upper", "lower"],
    )
    async def test_drag_near_an_edge_scrolls_the_grid(
        self, edge: str, start: str, end: str, page: Page, visit: Visit, api: Client
    ) -> None:
        await create_entry(api, await create_task(api, "Offer"), clock("09:00"), clock("10:00"))
        await visit(VIEW)
        await is_shown(page, DAY, "Offer")
        grid = page.get_by_role("region", name="Calendar")
        box = await grid.bounding_box()
        assert box is not None
        assert await grid.evaluate(IS_AT_EDGE, edge) is False
        x, y = await point(page, DAY, 9.5)
        target = box["y"] + 5 if edge == "upper" else box["y"] + box["height"] - 5
        await drag(page, (x, y), (x, target), is_dropped=False)
        await page.wait_for_function(
            f"([grid, edge]) => ({IS_AT_EDGE})(grid, edge)", arg=[await grid.element_handle(), edge]
        )
        await page.mouse.up()
        await expect(column(page, DAY).get_by_role("button", name="Offer, 23:")).to_be_visible()
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        assert await stored_times(api, *WEEK) == [(start, end)]

    @pytest.mark.parametrize("context_options", [TALL], ids=["tall"])
    async def test_step_of_drags_and_keys_is_that_of_the_settings(self, page: Page, visit: Visit, api: Client) -> None:
        await api.patch("/users/me", json={"preferences": {"snap_minutes": 5}})
        await visit(VIEW)
        await expect(page.get_by_text("No time is tracked here yet.")).to_be_visible()
        await drag(page, await point(page, DAY, 9.37), await point(page, DAY, 10.66))
        await fill_dialog(page, "Plan")
        entry = column(page, DAY).get_by_role("button", name="Plan")
        await expect(entry).to_have_accessible_name("Plan, 9:20 – 10:40, 1:20")
        await entry.press("Alt+ArrowDown")
        await expect(entry).to_have_accessible_name("Plan, 9:25 – 10:45, 1:20")


SCROLL = """
async (grid) => {
  grid.scrollTop = 440;
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}
"""
"""Scroll to nine o'clock, and wait until the grid has drawn it."""


class TestScroll:
    async def test_entry_just_below_the_heads_of_the_days_is_drawn(self, page: Page, visit: Visit, api: Client) -> None:
        task = await create_task(api, "Offer")
        await create_entry(api, task, "2026-11-16T01:00:00Z", "2026-11-16T02:00:00Z")
        await create_entry(api, task, clock("09:00"), clock("09:30"))
        await visit(VIEW)
        await is_shown(page, DAY, "Offer")
        await page.get_by_role("region", name="Calendar").evaluate(SCROLL)
        assert await column(page, DAY).get_by_role("button", name="Offer").count() == 1


class TestSwipe:
    @pytest.mark.parametrize("context_options", [{**NARROW, "has_touch": True}], ids=["narrow"])
    async def test_swipe_shows_the_next_day_and_back(self, page: Page, visit: Visit, api: Client) -> None:
        await visit(VIEW)
        for distance, day in ((-150, NEXT), (150, DAY)):
            await swipe(page, distance)
            await expect(column(page, day)).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert await stored_times(api, *WEEK) == []
