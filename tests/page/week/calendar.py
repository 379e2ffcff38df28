"""The calendar grid of the page: where a time stands on the screen."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from playwright.async_api import Locator, Page, expect

from tests.support.http import Client, Json

BERLIN = ZoneInfo("Europe/Berlin")
TALL: dict[str, Any] = {"viewport": {"width": 1400, "height": 1600}}
"""A window that shows all hours of a day."""


def column(page: Page, day: str) -> Locator:
    """Return the column of a day, for example "Wednesday 18 November"."""
    return page.get_by_role("region", name=day)


async def is_shown(page: Page, day: str, title: str) -> None:
    """Wait for an entry of a day, and until the timer bar offers its task: the grid does not move after that."""
    await expect(column(page, day).get_by_role("button", name=title)).to_be_visible()
    await expect(page.get_by_role("button", name=f"Continue {title}")).to_be_visible()


async def point(page: Page, day: str, hours: float, *, of: float = 24) -> tuple[float, float]:
    """Return the point of a day that many hours after its start. `of` is the length of the day in hours."""
    box = await column(page, day).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] * hours / of


async def drag(page: Page, start: tuple[float, float], end: tuple[float, float], *, is_dropped: bool = True) -> None:
    """Drag with the mouse."""
    await page.mouse.move(*start)
    await page.mouse.down()
    await page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=3)
    await page.mouse.move(*end)
    if is_dropped:
        await page.mouse.up()


async def fill_dialog(page: Page, title: str) -> None:
    """Create the proposed entry for the task of this title."""
    dialog = page.get_by_role("dialog", name="New entry")
    await dialog.get_by_role("combobox", name="Task").fill(title)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)


def berlin(day: int, hour: int, minute: int = 0) -> str:
    """Return an instant of November 2026 by its local time in Berlin."""
    return datetime(2026, 11, day, hour, minute, tzinfo=BERLIN).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def create_task(api: Client, title: str) -> Json:
    """Create a task."""
    response = await api.post("/tasks", json={"title": title})
    assert response.status_code == 201, response.text
    task: Json = response.json()
    return task


async def create_entry(api: Client, task: Json, started_at: str, ended_at: str) -> Json:
    """Create an entry."""
    times = {"started_at": started_at, "ended_at": ended_at}
    response = await api.post(f"/tasks/{task['id']}/time-entries", json=times)
    assert response.status_code == 201, response.text
    entry: Json = response.json()
    return entry


async def stored_times(api: Client, start: str, end: str) -> list[tuple[str, str]]:
    """Return start and end of the entries within a time range, the oldest first."""
    query: dict[str, str | int] = {"from": start, "to": end, "sort": "started_at", "limit": 200}
    items = (await api.get("/time-entries", params=query)).json()["items"]
    return [(item["started_at"], item["ended_at"]) for item in items]
