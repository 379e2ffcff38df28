"""The view of a day in tests: its rows and what is stored of them."""

from typing import Any

from playwright.async_api import Locator, Page

from tests.support.http import Client, Json, ago

DAY = "#/today/2026-11-18"


def entry_of(page: Page, title: str, times: str = "") -> Locator:
    """The row of an entry, by the title of its task and its times ("9:00 to 10:00")."""
    return page.get_by_role("listitem", name=f"{title}, {times}")


def days_ago(days: int) -> str:
    """The date of that many days before today in UTC."""
    return ago(days=days)[:10]


async def stored(api: Client, **parameters: Any) -> list[Json]:
    """Return all entries, the earliest first."""
    response = await api.get("/time-entries", params={"sort": "started_at", **parameters})
    items: list[Json] = response.json()["items"]
    return items


async def fields_of(api: Client) -> list[tuple[object, ...]]:
    """The times, whether it is billable, and the note of each entry."""
    names = ("started_at", "ended_at", "billable", "note")
    return [tuple(entry[name] for name in names) for entry in await stored(api)]


async def fill(row: Locator, field: str, text: str) -> None:
    """Type in a field of a row, and store it with Enter."""
    await row.get_by_label(field, exact=True).fill(text)
    await row.get_by_label(field, exact=True).press("Enter")
