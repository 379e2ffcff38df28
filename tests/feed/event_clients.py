"""Clients of the event stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.http import ENDLESS, Client, Json

PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Event:
    """A block of lines of an event stream: an event, a comment, or fields without data."""

    id: int | None = None
    type: str | None = None
    data: Any = None
    retry: int | None = None
    comment: str | None = None


def parse_event(block: str) -> Event:
    """Parse the lines of a block. Unknown fields are an error."""
    fields: Json = {}
    for line in block.split("\n"):
        name, colon, value = line.partition(":")
        assert colon, block
        assert name not in fields, block
        fields[name] = value.removeprefix(" ")
    assert fields.keys() <= {"", "id", "event", "data", "retry"}, block
    return Event(
        id=int(fields["id"]) if "id" in fields else None,
        type=fields.get("event"),
        data=json.loads(fields["data"]) if "data" in fields else None,
        retry=int(fields["retry"]) if "retry" in fields else None,
        comment=fields.get(""),
    )


class EventReader:
    """Reads the events of a stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.aiter_text()
        self._text = ""

    async def block(self) -> Event:
        """Return the next block. Raises StopAsyncIteration at the end of the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "\n\n" not in self._text:
                self._text += await anext(self._chunks)
        block, _, self._text = self._text.partition("\n\n")
        return parse_event(block)

    async def event(self) -> Event:
        """Return the next event with data."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (event := await self.block()).data is None:
                pass
            return event

    async def events(self, count: int) -> list[Event]:
        """Return the next events with data."""
        return [await self.event() for _ in range(count)]

    async def rest(self) -> list[Event]:
        """Return the events until the service ends the stream."""
        events = []
        try:
            while True:
                events.append(await self.event())
        except StopAsyncIteration:
            return events


@asynccontextmanager
async def following(
    client: Client, *, last_event_id: int | None = None, path: str = "/events", **parameters: Any
) -> AsyncIterator[EventReader]:
    """Open an event stream, and yield its reader when the stream has begun. Retry while the response is 503."""
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    request: Any = {"params": parameters, "headers": headers, "extensions": {ENDLESS: True}}
    while True:
        async with client.stream("GET", path, **request) as response:
            if response.status_code == 200:
                yield EventReader(response)
                return
            await response.aread()
            assert response.status_code == 503, response.text
        await asyncio.sleep(int(response.headers["retry-after"]))
