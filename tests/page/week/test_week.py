"""The week: entries are created, moved and resized with the mouse, a finger and the keyboard."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.page.browsing import GERMAN, NARROW, Console, Options, accessibility_violations, hold, overflow, until_equal
from tests.page.conftest import Visit
from tests.page.week.calendar import (
    TALL,
    berlin,
    column,
    create_entry,
    create_task,
    drag,
    fill_dialog,
    is_shown,
    point,
    stored_times,
)
from tests.support.http import Client, at

LAST_WEEK = ("2026-11-08T23:00:00Z", "2026-11-15T23:00:00Z")
WEEK = ("2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z")
WEDNESDAY, THURSDAY = "Wednesday 18 November", "Thursday 19 November"
HOSTILE = '<img src=x onerror="document.title = 1"> ' + "endless" * 20 + " مرحبا"


@pytest.fixture
def context_options() -> Options:
    """A window that shows all hours of a day."""
    return TALL


@pytest.fixture(autouse=True)
async def in_berlin(api: Client) -> None:
    """The user's days are those of Berlin."""
    assert (await api.patch("/users/me", json={"timezone": "Europe/Berlin"})).status_code == 200


class TestDrag:
    async def test_drag_across_midnight_creates_an_entry_that_both_days_show(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/week/2026-11-18")
        await expect(page.get_by_text("No time is tracked here yet.")).to_be_visible()
        await drag(page, await point(page, WEDNESDAY, 22.02), await point(page, THURSDAY, 2.05))
        await fill_dialog(page, "Night shift")
        for day in (WEDNESDAY, THURSDAY):
            await expect(
                column(page, day).get_by_role("button", name="Night shift, 22:00 – 2:00, 4:00")
            ).to_be_visible()
        await expect(column(page, WEDNESDAY)).to_have_accessible_name(f"{WEDNESDAY}, 2:00")
        assert await stored_times(api, *WEEK) == [(berlin(18, 22), berlin(19, 2))]

    async def test_entry_is_moved_to_another_day_and_undone(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 9, 7), berlin(18, 10))
        await visit("#/week/2026-11-18")
        await is_shown(page, WEDNESDAY, "Offer")
        await drag(page, await point(page, WEDNESDAY, 9.5), await point(page, THURSDAY, 14.5))
        await expect(column(page, THURSDAY).get_by_role("button", name="Offer, 14:00 – 14:53")).to_be_visible()
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        assert await stored_times(api, *WEEK) == [(berlin(19, 14), berlin(19, 14, 53))]
        async with page.expect_response(lambda response: response.request.method == "PATCH"):
            await page.get_by_role("button", name="Undo").click()
        await expect(column(page, WEDNESDAY).get_by_role("button", name="Offer, 9:07 – 10:00")).to_be_visible()
        assert await stored_times(api, *WEEK) == [(berlin(18, 9, 7), berlin(18, 10))]

    async def test_edges_change_start_and_end(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 9), berlin(18, 12))
        await visit("#/week/2026-11-18")
        await is_shown(page, WEDNESDAY, "Offer")
        await drag(page, await point(page, WEDNESDAY, 11.97), await point(page, WEDNESDAY, 13.3))
        await expect(column(page, WEDNESDAY).get_by_role("button", name="Offer, 9:00 – 13:15, 4:15")).to_be_visible()
        await drag(page, await point(page, WEDNESDAY, 9.03), await point(page, WEDNESDAY, 10.5))
        await expect(column(page, WEDNESDAY).get_by_role("button", name="Offer, 10:30 – 13:15, 2:45")).to_be_visible()
        await expect(page.get_by_role("button", name="Undo")).to_have_count(2)
        assert await stored_times(api, *WEEK) == [(berlin(18, 10, 30), berlin(18, 13, 15))]

    async def test_escape_cancels_a_drag(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 9), berlin(18, 12))
        await visit("#/week/2026-11-18")
        await is_shown(page, WEDNESDAY, "Offer")
        await drag(page, await point(page, WEDNESDAY, 10), await point(page, THURSDAY, 15), is_dropped=False)
        await page.keyboard.press("Escape")
        await page.mouse.up()
        await expect(column(page, WEDNESDAY).get_by_role("button", name="Offer, 9:00 – 12:00")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert await stored_times(api, *WEEK) == [(berlin(18, 9), berlin(18, 12))]

    async def test_refused_drag_comes_back_with_the_reason(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/time-entries/")
        await api.patch("/users/me", json={"preferences": {"overlap_policy": "forbid"}})
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 9), berlin(18, 12))
        await create_entry(api, await create_task(api, "Support"), berlin(19, 14), berlin(19, 16))
        await visit("#/week/2026-11-18")
        await is_shown(page, WEDNESDAY, "Offer")
        await drag(page, await point(page, WEDNESDAY, 10), await point(page, THURSDAY, 15))
        await expect(page.get_by_text("“Offer” was not changed: it would overlap")).to_contain_text("14:00 – 16:00")
        await expect(column(page, WEDNESDAY).get_by_role("button", name="Offer, 9:00 – 12:00")).to_be_visible()
        assert (berlin(18, 9), berlin(18, 12)) in await stored_times(api, *WEEK)

    async def test_overlapping_entries_stand_side_by_side(self, page: Page, visit: Visit, api: Client) -> None:
        for title, hour in (("First", 9), ("Second", 10)):
            await create_entry(api, await create_task(api, title), berlin(18, hour), berlin(18, hour + 2))
        await visit("#/week/2026-11-18")
        first = await column(page, WEDNESDAY).get_by_role("button", name="First").bounding_box()
        second = await column(page, WEDNESDAY).get_by_role("button", name="Second").bounding_box()
        assert first is not None
        assert second is not None
        assert first["x"] + first["width"] <= second["x"]
        assert first["y"] < second["y"] < first["y"] + first["height"]


class TestKeyboard:
    async def test_entry_is_created_moved_resized_deleted_and_restored(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await visit("#/week/2026-11-18")
        await page.get_by_role("region", name="Calendar").focus()
        await page.keyboard.press("n")
        dialog = page.get_by_role("dialog", name="New entry")
        await dialog.get_by_role("combobox", name="Task").press_sequentially("Plan")
        for label, date, time in (("From", "2026-11-18", "09:00:00"), ("To", "2026-11-18", "10:00:00")):
            group = dialog.get_by_role("group", name=label)
            await group.get_by_label("Date").fill(date)
            await group.get_by_label("Time").fill(time)
        await dialog.get_by_role("button", name="Save").press("Enter")
        await expect(dialog).to_be_hidden()  # the event may show the entry before the answer
        entry = page.get_by_role("button", name="Plan,")
        await expect(entry).to_have_accessible_name("Plan, 9:00 – 10:00, 1:00")
        await entry.focus()
        for keys, times in (
            ("Alt+ArrowDown", "9:15 – 10:15, 1:00"),
            ("Shift+ArrowDown", "9:15 – 10:30, 1:15"),
            ("Shift+Alt+ArrowUp", "9:00 – 10:30, 1:30"),
            ("Control+ArrowRight", "9:00 – 10:30, 1:30"),
        ):
            await page.keyboard.press(keys)
            await expect(entry).to_have_accessible_name(f"Plan, {times}")
            await expect(entry).to_be_focused()
        await expect(column(page, THURSDAY)).to_have_accessible_name(f"{THURSDAY}, 1:30")
        await page.keyboard.press("Delete")
        await expect(entry).to_have_count(0)
        await expect(page.get_by_role("region", name="Calendar")).to_be_focused()
        await page.keyboard.press("Control+z")
        await expect(entry).to_have_accessible_name("Plan, 9:00 – 10:30, 1:30")
        assert await stored_times(api, *WEEK) == [(berlin(19, 9), berlin(19, 10, 30))]

    async def test_grid_has_the_focus_when_an_entry_is_moved_to_another_week(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(16, 9), berlin(16, 10))
        await visit("#/week/2026-11-18")
        await page.get_by_role("button", name="Offer, 9:00").focus()
        await page.keyboard.press("Control+ArrowLeft")
        await expect(page.get_by_role("region", name="Calendar")).to_be_focused()
        await expect(page.get_by_role("button", name="Offer, 9:00")).to_have_count(0)
        await until_equal(lambda: stored_times(api, *LAST_WEEK), [(berlin(15, 9), berlin(15, 10))])
        await page.keyboard.press("Control+z")
        await expect(page.get_by_role("button", name="Offer, 9:00")).to_be_visible()

    async def test_entry_that_another_device_moves_keeps_the_focus(self, page: Page, visit: Visit, api: Client) -> None:
        entry = await create_entry(api, await create_task(api, "Offer"), berlin(18, 9), berlin(18, 10))
        await visit("#/week/2026-11-18")
        await column(page, WEDNESDAY).get_by_role("button", name="Offer").focus()
        for day, name in ((19, THURSDAY), (18, WEDNESDAY)):
            await api.patch(at(entry), json={"started_at": berlin(day, 9), "ended_at": berlin(day, 10)})
            await expect(column(page, name).get_by_role("button", name="Offer")).to_be_focused()

    async def test_arrow_keys_walk_over_the_entries(self, page: Page, visit: Visit, api: Client) -> None:
        task = await create_task(api, "Offer")
        for day, hour in ((18, 9), (18, 14), (19, 13), (19, 8)):
            await create_entry(api, task, berlin(day, hour), berlin(day, hour + 1))
        await visit("#/week/2026-11-18")
        await page.get_by_role("button", name="Offer, 9:00").focus()
        for key, start in (("ArrowDown", "14:00"), ("ArrowRight", "13:00"), ("Home", "8:00"), ("ArrowLeft", "9:00")):
            await page.keyboard.press(key)
            await expect(page.get_by_role("button", name=f"Offer, {start}")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog", name="Edit entry")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Offer, 9:00")).to_be_focused()
        await page.keyboard.press("Delete")
        await expect(page.get_by_role("button", name="Offer, 14:00")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("button", name="Offer, 14:00")).to_have_count(0)
        await expect(page.get_by_text("“Offer” deleted")).to_have_count(2)
        assert await stored_times(api, *WEEK) == [(berlin(19, 8), berlin(19, 9)), (berlin(19, 13), berlin(19, 14))]


class TestSlowAnswers:
    """What a person does before the service has answered."""

    async def test_entry_that_is_moved_back_meanwhile_has_its_old_times(
        self, page: Page, visit: Visit, api: Client
    ) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 9), berlin(18, 10))
        await visit("#/week/2026-11-18")
        entry = column(page, WEDNESDAY).get_by_role("button", name="Offer")
        await entry.focus()
        held = await hold(page, "PATCH", "tasks/")
        await page.keyboard.press("Alt+ArrowDown")
        await held.until(1)
        await expect(entry).to_have_accessible_name("Offer, 9:15 – 10:15, 1:00")
        await page.keyboard.press("Alt+ArrowUp")
        held.release()
        await expect(page.get_by_text("Offer: 9:00 – 10:00")).to_be_visible()
        await expect(entry).to_have_accessible_name("Offer, 9:00 – 10:00, 1:00")
        assert await stored_times(api, *WEEK) == [(berlin(18, 9), berlin(18, 10))]

    async def test_each_of_two_moves_is_undone_by_itself(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 9), berlin(18, 10))
        await visit("#/week/2026-11-18")
        await column(page, WEDNESDAY).get_by_role("button", name="Offer").focus()
        held = await hold(page, "PATCH", "tasks/")
        await page.keyboard.press("Alt+ArrowDown")
        await held.until(1)
        await page.keyboard.press("Alt+ArrowDown")
        held.release()
        for hour in ((9, 30), (9, 15), (9, 0)):
            await until_equal(lambda: stored_times(api, *WEEK), [(berlin(18, *hour), berlin(18, hour[0] + 1, hour[1]))])
            await page.keyboard.press("Control+z")

    async def test_typed_title_of_a_task_creates_no_other_task(self, page: Page, visit: Visit, api: Client) -> None:
        task = await create_task(api, "Offer")
        await visit("#/week/2026-11-18")
        await page.get_by_role("button", name="New entry").click()
        await fill_dialog(page, "Offer")
        assert [entry["task_id"] for entry in (await api.get("/time-entries")).json()["items"]] == [task["id"]]
        assert len((await api.get("/tasks")).json()["items"]) == 1

    async def test_save_that_is_pressed_twice_creates_one_entry(self, page: Page, visit: Visit, api: Client) -> None:
        await visit("#/week/2026-11-18")
        await page.get_by_role("button", name="New entry").click()
        dialog = page.get_by_role("dialog", name="New entry")
        await dialog.get_by_role("combobox", name="Task").fill("Offer")
        held = await hold(page, "POST", "tasks")
        save = dialog.get_by_role("button", name="Save")
        await save.click()
        await held.until(1)
        await save.click()
        held.release()
        await expect(dialog).to_have_count(0)
        assert len((await api.get("/tasks")).json()["items"]) == 1
        assert len((await api.get("/time-entries")).json()["items"]) == 1

    async def test_refusal_is_shown_after_the_dialog_was_closed(
        self, page: Page, visit: Visit, api: Client, console: Console
    ) -> None:
        console.allow(r"409 .*/time-entries")
        await api.patch("/users/me", json={"preferences": {"overlap_policy": "forbid"}})
        task = await create_task(api, "Offer")
        await create_entry(api, task, berlin(18, 9), berlin(18, 10))
        await create_entry(api, task, berlin(18, 11), berlin(18, 12))
        await visit("#/week/2026-11-18")
        await page.get_by_role("button", name="Offer, 9:00").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Time").last.fill("11:30")
        held = await hold(page, "PATCH", "tasks/")
        await dialog.get_by_role("button", name="Save").click()
        await held.until(1)
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        held.release()
        await expect(page.get_by_role("status").get_by_text("overlap")).to_be_visible()


CHANGES = [
    pytest.param("Europe/Berlin", "2026-03-29", "Sunday 29 March", 23, 4 * 3600, id="spring"),
    pytest.param("Europe/Berlin", "2026-10-25", "Sunday 25 October", 25, 4 * 3600, id="autumn"),
    pytest.param("Australia/Lord_Howe", "2026-04-05", "Sunday 5 April", 24.5, 4 * 3600, id="half an hour"),
]

READ_MARKS = """
async ([day, zone]) => {
  const { origin } = location;
  const folder = document.querySelector("script[type=module]").src.replace("main.js", "");
  const { daysFrom } = await import(`${folder}views/week/days.js`);
  const { timeOf } = await import(`${folder}time/zones.js`);
  const [{ marks }] = daysFrom(day, 1, zone);
  return marks.map(({ at, isRepeated }) => timeOf(at, zone) + (isRepeated ? "*" : ""));
}
"""


class TestClockChange:
    @pytest.mark.parametrize(("zone", "day", "name", "hours", "seconds"), CHANGES)
    async def test_day_has_its_true_hours(
        self, page: Page, visit: Visit, api: Client, zone: str, day: str, name: str, hours: float, seconds: int
    ) -> None:
        await api.patch("/users/me", json={"timezone": zone})
        await visit(f"#/week/{day}")
        await expect(page.get_by_text(f"{hours:g} hours", exact=True)).to_be_visible()
        await expect(page.get_by_text("No time is tracked here yet.")).to_be_visible()
        start, end = await point(page, name, 1, of=hours), await point(page, name, 5, of=hours)
        await drag(page, (start[0], start[1] + 1), (end[0], end[1] + 1))
        await fill_dialog(page, "Night shift")
        await expect(column(page, name).get_by_role("button", name="Night shift")).to_be_visible()
        (entry,) = (await api.get("/time-entries")).json()["items"]
        assert entry["duration_seconds"] == seconds

    async def test_skipped_hours_are_missing_and_repeated_hours_occur_twice(self, page: Page, visit: Visit) -> None:
        await visit("#/week")
        spring = await page.evaluate(READ_MARKS, ["2026-03-29", "Europe/Berlin"])
        assert spring[:4] == ["00:00", "01:00", "03:00", "04:00"]
        assert len(spring) == 23
        autumn = await page.evaluate(READ_MARKS, ["2026-10-25", "Europe/Berlin"])
        assert autumn[:5] == ["00:00", "01:00", "02:00", "02:00*", "03:00"]
        assert len(autumn) == 25
        half = await page.evaluate(READ_MARKS, ["2026-04-05", "Australia/Lord_Howe"])
        assert half[:5] == ["00:00", "01:00", "01:30*", "02:00", "03:00"]
        assert await page.evaluate(READ_MARKS, ["2026-11-18", "Asia/Kathmandu"]) == [f"{h:02}:00" for h in range(24)]


class TestScreens:
    async def is_moved_by_an_hour(self, page: Page, entry: Locator) -> bool:
        """Move the entry with a finger. Return whether the browser did not cancel the press."""
        await page.evaluate("() => { delete document.body.dataset.ended; }")
        await entry.scroll_into_view_if_needed()
        box, day = await entry.bounding_box(), await column(page, WEDNESDAY).bounding_box()
        assert box is not None
        assert day is not None
        finger = await page.context.new_cdp_session(page)
        x, y = box["x"] + 20, box["y"] + 20
        await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        await expect(page.get_by_text("9:00 – 11:00")).to_have_count(2)  # the entry, and where it would go
        y += day["height"] / 24
        await finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
        await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        await expect(page.locator("body[data-ended]")).to_have_count(1)
        return await page.locator("body").get_attribute("data-ended") == "pointerup"

    @pytest.mark.parametrize("context_options", [{**NARROW, "has_touch": True}], ids=["narrow"])
    async def test_finger_moves_an_entry_after_a_long_press(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Offer"), berlin(18, 9), berlin(18, 11))
        await visit("#/week/2026-11-18")
        entry = column(page, WEDNESDAY).get_by_role("button", name="Offer")
        assert await overflow(page) == 0
        # Chromium scrolls, and cancels the press, if the page handles a touch later than after 200 ms.
        await page.evaluate(
            """() => ['pointerup', 'pointercancel'].forEach((type) =>
                addEventListener(type, () => { document.body.dataset.ended = type; }, { capture: true }))"""
        )
        for _ in range(10):
            if await self.is_moved_by_an_hour(page, entry):
                break
        await expect(entry).to_have_accessible_name("Offer, 10:00 – 12:00, 2:00")
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        assert await stored_times(api, *WEEK) == [(berlin(18, 10), berlin(18, 12))]
        await page.get_by_role("button", name="Next days").click()
        await expect(column(page, THURSDAY)).to_be_visible()
        await expect(column(page, WEDNESDAY)).to_have_count(0)

    async def test_week_of_500_entries_is_legible(self, page: Page, visit: Visit, api: Client) -> None:
        starts = [(16 + day, divmod(9 * 60 + minute, 60)) for day in range(7) for minute in range(0, 72 * 7, 7)]
        lines = [f"{berlin(day, *time)},0:05,Call" for day, time in starts]
        file = "\n".join(["Start,Duration,Task", *lines]).encode()
        form = {"format": "csv", "timezone": "UTC"}
        response = await api.post("/imports", data=form, files={"file": ("week.csv", file)})
        assert response.json()["created"]["entries"] == 504
        await visit("#/week/2026-11-18")
        entries = column(page, WEDNESDAY).get_by_role("button", name="Call")
        await expect(entries.first).to_be_visible()
        boxes = [await entry.bounding_box() for entry in await entries.all()]
        assert all(box and box["height"] >= 16 and box["width"] >= 40 for box in boxes)
        await expect(column(page, WEDNESDAY)).to_have_accessible_name(f"{WEDNESDAY}, 6:00")

    async def test_hostile_titles_are_text_and_axe_finds_nothing(self, page: Page, visit: Visit, api: Client) -> None:
        task = await create_task(api, HOSTILE)
        for day in (16, 18, 20):
            await create_entry(api, task, berlin(day, 9), berlin(day, 9, 20))
            await create_entry(api, task, berlin(day, 9, 10), berlin(day, 13))
        await visit("#/week/2026-11-18")
        await expect(column(page, WEDNESDAY).get_by_role("button", name="<img src=x")).to_have_count(2)
        assert await page.title() == "Task Timer"
        assert await accessibility_violations(page) == []

    @pytest.mark.parametrize("context_options", [{**TALL, **GERMAN}], ids=["German"])
    async def test_german_week_starts_on_the_chosen_day(self, page: Page, visit: Visit, api: Client) -> None:
        await create_entry(api, await create_task(api, "Angebot"), berlin(18, 9), berlin(18, 10, 30))
        await visit("#/week/2026-11-18")
        await expect(column(page, "Mittwoch, 18. November, 1:30")).to_be_visible()
        days = page.get_by_role("region", name="November")
        await expect(days.first).to_have_accessible_name("Montag, 16. November, 0:00")
        await expect(page.get_by_role("button", name="Angebot, 9:00 – 10:30, 1:30")).to_be_visible()
        await api.patch("/users/me", json={"week_start": 6})
        await page.reload()
        await expect(days.first).to_have_accessible_name("Sonntag, 15. November, 0:00")
        await page.get_by_role("button", name="Nächste Woche").click()
        await expect(days.first).to_have_accessible_name("Sonntag, 22. November, 0:00")
