"""Measure how smoothly a week of 5,000 entries scrolls: `python -m benchmarks.page.scrolling`.

The mouse wheel turns down and up again while the page counts its frames: the main thread has drawn each of them. The
target is 30 frames a second.
"""

import asyncio
import re
import secrets
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import quantiles

from playwright.async_api import Page
from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import HOST, exit_code
from benchmarks.harness.large_accounts import BUSY, insert_account
from benchmarks.harness.processes import free_port, running, store
from benchmarks.load import COMMANDS, SERVICE, settings_for
from benchmarks.page.browser import open_browser, sign_in

TARGET = 30
TURNS = 120
"""Of the wheel, in each direction."""
TURN_PIXELS = 40
TURN_SECONDS = 0.016
LOADING_MS = 60_000

TOTAL = re.compile(r"^Week \d+:\d\d$")
"""Shown when all entries are loaded."""

_COUNT_FRAMES = """
window.frameTimes = [];
const count = (time) => { frameTimes.push(time); requestAnimationFrame(count); };
requestAnimationFrame(count);
"""


async def frame_milliseconds(page: Page) -> list[float]:
    """Scroll down and up. Return the time of each frame."""
    grid = page.locator(".week-scroll")
    await grid.hover()
    await page.evaluate(_COUNT_FRAMES)
    for direction in (1, -1):
        for _ in range(TURNS):
            await page.mouse.wheel(0, direction * TURN_PIXELS)
            await asyncio.sleep(TURN_SECONDS)
    times: list[float] = await page.evaluate("frameTimes")
    return [later - earlier for earlier, later in pairwise(times)]


async def measure(base_url: str) -> list[float]:
    """Open the week, and scroll when all of its entries are there."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    async with open_browser() as browser:
        context = await browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="UTC")
        page = await context.new_page()
        await sign_in(page, base_url, seeding.email(0), seeding.PASSWORD)
        await page.goto(f"{base_url}/#/week/{yesterday}")
        await page.get_by_text(TOTAL).wait_for(timeout=LOADING_MS)
        await frame_milliseconds(page)  # warms up
        return await frame_milliseconds(page)


def main() -> None:
    """Run a service with the account, measure, and print the figures."""
    port = free_port()
    with store(None) as (url, folder):
        settings = {**settings_for(url, SERVICE, secrets.token_hex(32)), "RATE_LIMITS_ENABLED": "false"}
        with running(SERVICE, COMMANDS[SERVICE], settings, port, folder), MongoClient[seeding.Document](url) as client:
            account, *_ = seeding.register_accounts(port, 1)
            insert_account(client[settings["DATABASE_NAME"]], account.user_id, BUSY, seed=0)
            frames = asyncio.run(measure(f"http://{HOST}:{port}"))
    print(
        f"a week of {BUSY.entries:,} entries: {len(frames) / sum(frames) * 1000:.0f} frames a second, at least {TARGET}"
    )
    print(f"p99 of a frame: {quantiles(frames, n=100)[98]:.0f} ms, longest {max(frames):.0f} ms")


if __name__ == "__main__":
    sys.exit(exit_code(main))
