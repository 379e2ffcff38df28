"""Measure how fast the views of a large account open: `python -m benchmarks.page.large_account`.

The account has two years of work: 5,000 tasks, 300 projects and 100,000 entries. Each view is opened in a new tab, and
by a link in an open page. A view is open when its main content is complete: when elements with certain accessible names
are visible. The files of the page are in the cache of the browser, as for anybody who has used it before.

It takes three minutes. `--data FOLDER` stores the data in a folder, and reuses data of the same day. `--only TEXT`
measures the views whose names contain the text. `--update-docs` writes the table into docs/speed.rst, that of an
earlier run with `--figures`.
"""

import argparse
import asyncio
import re
import secrets
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import httpx
from playwright.async_api import BrowserContext, Locator, Page
from pymongo import MongoClient
from pymongo.synchronous.database import Database

from benchmarks.harness import seeding
from benchmarks.harness.client import HOST, exit_code
from benchmarks.harness.large_accounts import LARGE, insert_account
from benchmarks.harness.processes import free_port, running, store
from benchmarks.harness.results import Figures, add_figures_options, publish_figures
from benchmarks.harness.tables import Table
from benchmarks.large_account import circumstances, data_folder
from benchmarks.load import API, COMMANDS, SERVICE, settings_for
from benchmarks.page.browser import open_browser, sign_in

SHAPE = replace(LARGE, projects=300)
TURNS = 5
TARGET_MS = 1_000
PATIENCE_SECONDS = 60
POLL_SECONDS = 0.02
OTHER_VIEW = "#/settings/password"
"""A view that loads no data: where the page is before a link is followed."""

TRACKED = re.compile(r"[1-9]\d*:\d\d")
TITLE = "Write the offer"
Complete = Callable[[Page], list[Locator]]


@dataclass(frozen=True, slots=True)
class View:
    """A view, its fragment, and the elements that are visible when its main content is complete."""

    name: str
    fragment: str
    complete: Complete


def views_of(today: datetime, secret: str) -> tuple[View, ...]:
    """Return the views. `secret` is that of a shared report."""
    week = (today - timedelta(days=7)).date().isoformat()
    yesterday = (today - timedelta(days=1)).date().isoformat()
    return (
        View("today", "#/today", lambda page: [page.get_by_role("group", name=f"{TITLE}, running"), week_strip(page)]),
        View(
            "a day of 137 entries", f"#/today/{yesterday}", lambda page: [first_row(page, "Entries"), week_strip(page)]
        ),
        View("week", f"#/week/{week}", lambda page: [main(page).get_by_text(re.compile(f"^Week {TRACKED.pattern}$"))]),
        View("timesheet", f"#/timesheet/{week}", lambda page: [page.get_by_role("row").nth(2)]),
        View("tasks", "#/tasks", lambda page: [first_row(page, "Tasks")]),
        View("projects", "#/projects", lambda page: [page.get_by_text("Tracked in the last 30 days").first]),
        View("report of a week", "#/reports?range=last_week", charts),
        View("report of a month", "#/reports?range=last_month", charts),
        View("import", "#/import", lambda page: [page.get_by_text("No imports yet.")]),
        View("settings", "#/settings", lambda page: [page.get_by_role("button", name="Save")]),
        View("shared report", f"#/shared/{secret}", lambda page: [page.get_by_role("table").first]),
    )


def main(page: Page) -> Locator:
    """Return the content of the view."""
    return page.get_by_role("main")


def first_row(page: Page, name: str) -> Locator:
    """Return the first row of a list."""
    return page.get_by_role("list", name=name, exact=True).get_by_role("listitem").first


def week_strip(page: Page) -> Locator:
    """Return a total of the days of the week."""
    return page.get_by_role("navigation", name="Days of the week").get_by_text(TRACKED).first


def charts(page: Page) -> list[Locator]:
    """Return the table and the charts of a report."""
    titles = ("By Project", "Time by day", "Time by project", "Time by weekday and hour")
    return [page.get_by_role("heading", name=title, exact=True) for title in titles]


async def open_in_new_tab(context: BrowserContext, base_url: str, view: View) -> float:
    """Open the view in a new tab. Return the milliseconds until it is complete."""
    page = await context.new_page()
    milliseconds = await milliseconds_until(view.complete(page), page.goto(f"{base_url}/{view.fragment}"))
    await page.close()
    return milliseconds


async def open_by_link(context: BrowserContext, base_url: str, view: View) -> float:
    """Open the view in a tab that shows another one. Return the milliseconds until it is complete."""
    page = await context.new_page()
    await page.goto(f"{base_url}/{OTHER_VIEW}")
    await page.get_by_role("button", name="Change password").wait_for()
    await page.get_by_role("list", name="Recent tasks").wait_for()
    following = page.evaluate("(fragment) => { location.hash = fragment; }", view.fragment)
    milliseconds = await milliseconds_until(view.complete(page), following)
    await page.close()
    return milliseconds


async def milliseconds_until(elements: list[Locator], opening: Awaitable[object]) -> float:
    """Return how long it takes until all elements are visible. `wait_for` would look only twice a second."""
    began = perf_counter()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await opening
        for element in elements:
            while not await element.is_visible():  # noqa: ASYNC110 -- there is no event for it
                await asyncio.sleep(POLL_SECONDS)
    return (perf_counter() - began) * 1000


async def measure(base_url: str, only: str, secret: str) -> list[dict[str, Any]]:
    """Open all views in turns, and return the median times. The first turn only warms up."""
    selected = [view for view in views_of(datetime.now(UTC), secret) if only in view.name]
    ways = {"new tab": open_in_new_tab, "link": open_by_link}
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    async with open_browser() as browser:
        context = await browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="UTC")
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        await sign_in(await context.new_page(), base_url, seeding.email(0), seeding.PASSWORD)
        for turn in range(TURNS + 1):
            print(f"turn {turn} of {TURNS}", file=sys.stderr, flush=True)
            for view in selected:
                for way, open_view in ways.items():
                    times[view.name, way].append(await open_view(context, base_url, view))
                    print(f"{view.name}, {way}: {times[view.name, way][-1]:.0f} ms", file=sys.stderr, flush=True)
    return [{"name": view.name, **{way: median(times[view.name, way][1:]) for way in ways}} for view in selected]


def insert_data(database: Database[seeding.Document], port: int) -> None:
    """Create the account with its data, unless it is there."""
    if database["users"].find_one({"email": seeding.email(0)}):
        return
    account, *_ = seeding.register_accounts(port, 1)
    insert_account(database, account.user_id, SHAPE, seed=0)


def prepare(port: int) -> str:
    """Start a timer, and share a report. Return the secret of the shared report."""
    with httpx.Client(base_url=f"http://{HOST}:{port}{API}/", timeout=60, trust_env=False) as client:
        form = {"username": seeding.email(0), "password": seeding.PASSWORD}
        token = client.post("auth/token", data=form).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        client.post("timer/start", json={"title": TITLE})  # refused if it runs already
        first, last = ((datetime.now(UTC) - timedelta(days=days)).date().isoformat() for days in (30, 0))
        report = {"type": "summary", "from": first, "to": last, "group_by": "project"}
        share = client.post("shares", json={"name": "The last month", "report": report}).raise_for_status()
        secret: str = share.json()["url"].rpartition("/")[2]
        return secret


def run(folder: Path | None, only: str) -> Figures:
    """Start the store and the service, measure, and return the figures."""
    port, today = free_port(), datetime.now(UTC)
    with store(folder and data_folder(folder, today)) as (url, stored):
        # More tabs are opened in a minute than a person may open.
        settings = {**settings_for(url, SERVICE, secrets.token_hex(32)), "RATE_LIMITS_ENABLED": "false"}
        with (
            running(SERVICE, COMMANDS[SERVICE], settings, port, stored),
            MongoClient[seeding.Document](url) as client,
        ):
            insert_data(client[settings["DATABASE_NAME"]], port)
            views = asyncio.run(measure(f"http://{HOST}:{port}", only, prepare(port)))
    return {"views": views, **circumstances()}


def lines_of(measured: Figures) -> list[str]:
    """Return the lines of the table, in reStructuredText."""
    rows = [(row["name"], f"{row['new tab']:,.0f}", f"{row['link']:,.0f}", met(row)) for row in measured["views"]]
    table = Table(("view", "new tab", "by link", "met"), tuple(rows))
    where = f"on {measured['cores']} cores with a load of {measured['load']:.0f}"
    return [*table.lines(), "", f"Measured on {measured['date']} {where}."]


def met(row: dict[str, Any]) -> str:
    """Return whether the view opens in time."""
    return "yes" if max(row["new tab"], row["link"]) <= TARGET_MS else "not yet"


def command() -> int:
    """Parse the arguments, measure, print the table, and write it where the options say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page.large_account", description=__doc__)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="store the data in this folder, and reuse it")
    parser.add_argument("--only", default="", metavar="TEXT", help="only views whose names contain this text")
    add_figures_options(parser)
    options = parser.parse_args()
    return exit_code(lambda: publish_figures("views", options, lambda: run(options.data, options.only), lines_of))


if __name__ == "__main__":
    sys.exit(command())
