"""Measure the first load of the page: `python -m benchmarks.page.first_load`.

Each round opens the page with an empty cache: as a visitor, and signed in on the view of today. Figures are medians;
the bytes include the headers of the responses.
"""

import asyncio
import sys
from collections import defaultdict
from statistics import median
from time import perf_counter
from typing import Any

from playwright.async_api import Browser, BrowserContext

from benchmarks.harness.client import exit_code
from benchmarks.page.browser import open_browser, serving_demo, sign_in

ROUNDS = 7
MAX_BYTES = 100_000
MAX_SCRIPT_MS = 150
FIGURES = ("requests", "bytes", "script ms", "task ms", "visible ms")
ROW = "{:10}" + "{:>12}" * len(FIGURES)


async def measure(context: BrowserContext, base_url: str, role: Any, name: str) -> dict[str, float]:
    """Open the page in a new tab until this element is visible. Return the figures of the load."""
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await session.send("Performance.enable")
    started = perf_counter()
    await page.goto(base_url)
    await page.get_by_role(role, name=name).wait_for()
    visible = perf_counter() - started
    metrics = {row["name"]: row["value"] for row in (await session.send("Performance.getMetrics"))["metrics"]}
    await page.close()
    values = (len(received), sum(received), metrics["ScriptDuration"] * 1000, metrics["TaskDuration"] * 1000)
    return dict(zip(FIGURES, (*values, visible * 1000), strict=True))


async def measure_rounds(browser: Browser, base_url: str) -> dict[str, dict[str, float]]:
    """Return the medians of a visitor and of a signed-in user."""
    figures: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(ROUNDS):
        context = await browser.new_context(service_workers="block")
        figures["visitor"].append(await measure(context, base_url, "button", "Sign in"))
        await sign_in(await context.new_page(), base_url)
        figures["signed in"].append(await measure(context, base_url, "region", "Timer"))
        await context.close()
    return {name: {figure: median(row[figure] for row in rows) for figure in FIGURES} for name, rows in figures.items()}


async def measure_all(base_url: str) -> None:
    """Open the browser, measure, and print the figures."""
    async with open_browser() as browser:
        rows = await measure_rounds(browser, base_url)
    print(ROW.format("", *FIGURES))
    for name, row in rows.items():
        print(ROW.format(name, *(f"{row[figure]:,.0f}" for figure in FIGURES)))
    print(f"budget of a visitor: {MAX_BYTES:,} bytes, {MAX_SCRIPT_MS} ms of script")


def main() -> None:
    """Run a service with the demo account, and measure."""
    with serving_demo("UTC") as base_url:
        asyncio.run(measure_all(base_url))


if __name__ == "__main__":
    sys.exit(exit_code(main))
