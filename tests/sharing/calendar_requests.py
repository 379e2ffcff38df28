"""Requests for calendar feeds, and parsers of their calendars."""

from typing import Any

import httpx
import vobject
from icalendar import Calendar

from tests.support.http import Client, Json

ALL_DAYS = 3_660


async def create_feed(client: Client, **fields: Any) -> Json:
    """Create a calendar feed. Default: of as many days as possible."""
    response = await client.post("/calendar-feeds", json={"name": "My time", "days_back": ALL_DAYS, **fields})
    assert response.status_code == 201, response.text
    feed: Json = response.json()
    return feed


async def read(client: Client, feed: Json, **headers: str) -> httpx.Response:
    """Request the calendar of a feed by its URL."""
    return await client.get(feed["url"], headers=headers)


async def events(client: Client, feed: Json) -> list[Any]:
    """Return the events of the feed's calendar, after two parsers have validated it."""
    response = await read(client, feed)
    assert response.status_code == 200, response.text
    return valid_events(response.content)


async def notes(client: Client, feed: Json) -> set[str]:
    """Return the notes of the feed's entries."""
    return {str(event["description"]) for event in await events(client, feed)}


def valid_events(content: bytes) -> list[Any]:
    """Validate a calendar with icalendar and vobject, and return its events as icalendar reads them."""
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    calendar = Calendar.from_ical(content)
    found = calendar.walk("VEVENT")
    assert [component.errors for component in calendar.walk() if component.errors] == []
    (parsed,) = vobject.readComponents(content.decode(), validate=True)
    others = parsed.contents.get("vevent", [])
    assert [(event.uid.value, event.dtstart.value, event.dtend.value, event.summary.value) for event in others] == [
        (str(event["uid"]), event.decoded("dtstart"), event.decoded("dtend"), str(event["summary"])) for event in found
    ]
    return found
