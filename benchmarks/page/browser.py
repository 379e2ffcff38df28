"""A service with the demo account, and a browser that shows its page."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from benchmarks.harness.client import HOST, BenchmarkError
from benchmarks.harness.processes import free_port, running
from benchmarks.load import COMMANDS, SERVICE
from benchmarks.page.demo import EMAIL, PASSWORD, Account
from tests.support.pytest_hooks import browsers


@contextmanager
def serving_demo(timezone: str) -> Iterator[str]:
    """Run a service with an embedded store and the demo account, and yield its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="task-timer-page-") as name:
        folder = Path(name)
        settings = {"EMBEDDED_DATA_DIR": str(folder / "data"), "RATE_LIMITS_ENABLED": "false"}
        with running("service", COMMANDS[SERVICE], settings, port, folder):
            base_url = f"http://{HOST}:{port}"
            Account(base_url, timezone).create()
            yield base_url


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Open the browser of the tests. Raises BenchmarkError if there is none."""
    binary = browsers.chromium()
    if binary is None:
        raise BenchmarkError(browsers.MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary, args=["--lang=en-GB"])  # the format of dates
        yield browser
        await browser.close()


async def sign_in(page: Page, base_url: str, email: str = EMAIL, password: str = PASSWORD) -> None:
    """Sign a user in: the demo user, if no other is given."""
    await page.goto(base_url)
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("region", name="Timer").wait_for()
