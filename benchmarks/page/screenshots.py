"""Make the screenshots of the documentation, docs/screenshots/*.png: `make screenshots`."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from playwright.async_api import Browser

from benchmarks.harness.client import exit_code
from benchmarks.harness.processes import ROOT
from benchmarks.page.browser import open_browser, serving_demo, sign_in
from benchmarks.page.demo import zone_in_the_afternoon

FOLDER = ROOT / "docs" / "screenshots"
WIDE, NARROW = (1280, 800), (375, 720)
SETTLING_MS = 1500
"""How long a view may take to show its data."""


@dataclass(frozen=True, slots=True)
class Screenshot:
    """A view of the page. `{week}` in the fragment is a day of the last week."""

    name: str
    fragment: str
    theme: Literal["light", "dark"] = "light"
    size: tuple[int, int] = WIDE


SCREENSHOTS = (
    Screenshot("today", "#/today"),
    Screenshot("today-narrow", "#/today", size=NARROW),
    Screenshot("week", "#/week/{week}"),
    Screenshot("week-dark", "#/week/{week}", "dark"),
    Screenshot("timesheet", "#/timesheet/{week}"),
    Screenshot("tasks", "#/tasks"),
    Screenshot("reports", "#/reports"),
)


async def take(browser: Browser, base_url: str, timezone: str, names: list[str]) -> None:
    """Take the screenshots with these names, or all of them."""
    week = (datetime.now(ZoneInfo(timezone)) - timedelta(days=7)).date().isoformat()
    FOLDER.mkdir(exist_ok=True)
    for screenshot in SCREENSHOTS:
        if names and screenshot.name not in names:
            continue
        width, height = screenshot.size
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=screenshot.theme,
            locale="en-GB",
            timezone_id=timezone,
            reduced_motion="reduce",
        )
        page = await context.new_page()
        await sign_in(page, base_url)
        await page.mouse.move(0, 0)  # nothing is highlighted
        await page.goto(f"{base_url}/{screenshot.fragment.format(week=week)}")
        await page.wait_for_timeout(SETTLING_MS)
        path = FOLDER / f"{screenshot.name}.png"
        await page.screenshot(path=path)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")
        await context.close()


async def take_all(base_url: str, timezone: str, names: list[str]) -> None:
    """Open the browser, and take the screenshots."""
    async with open_browser() as browser:
        await take(browser, base_url, timezone, names)


def main() -> None:
    """Run a service, and take the screenshots of which the names are given, or all of them."""
    timezone = zone_in_the_afternoon()
    with serving_demo(timezone) as base_url:
        asyncio.run(take_all(base_url, timezone, sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(exit_code(main))
