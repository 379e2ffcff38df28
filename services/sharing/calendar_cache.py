"""A cache of written calendars, for programs that poll a feed without If-None-Match."""

from contextlib import aclosing
from dataclasses import dataclass

from bson import ObjectId
from cachetools import LRUCache

from services.transfer.export_formats.context import Chunks

MAX_BYTES = 32 * 2**20
"""The size of all stored calendars in a worker."""

MAX_CALENDAR_BYTES = MAX_BYTES // 2
"""The size of one calendar, about 60,000 entries. A larger one is written for each request."""


@dataclass(frozen=True, slots=True)
class _Calendar:
    """A stored calendar."""

    version: str
    contents: bytes


class CalendarCache:
    """The last calendar of each feed. It is used again only while its version is the current one."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_calendar_bytes: int = MAX_CALENDAR_BYTES) -> None:
        self._max_calendar_bytes = max_calendar_bytes
        self._calendars: LRUCache[ObjectId, _Calendar] = LRUCache(
            max_bytes, getsizeof=lambda calendar: len(calendar.contents)
        )

    def read(self, feed_id: ObjectId, version: str) -> Chunks | None:
        """Return the stored contents of this version, or None."""
        calendar = self._calendars.get(feed_id)
        return None if calendar is None or calendar.version != version else _in_one_chunk(calendar.contents)

    async def store(self, feed_id: ObjectId, version: str, contents: Chunks) -> Chunks:
        """Yield the contents, and store them when they are complete."""
        chunks: list[bytes] = []
        size = 0
        async with aclosing(contents):
            async for chunk in contents:
                size += len(chunk)
                if size <= self._max_calendar_bytes:
                    chunks.append(chunk)
                yield chunk
        if size <= self._max_calendar_bytes:
            self._calendars[feed_id] = _Calendar(version, b"".join(chunks))


async def _in_one_chunk(contents: bytes) -> Chunks:
    yield contents
