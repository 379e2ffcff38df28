"""The cache of written calendars."""

from collections.abc import AsyncGenerator

import pytest
from bson import ObjectId

from services.sharing.calendar_cache import CalendarCache
from services.transfer.export_formats.context import Chunks

FEED = ObjectId()


async def generate(*chunks: bytes | type[Exception]) -> AsyncGenerator[bytes, None]:
    """Yield the chunks. An exception is raised in its place."""
    for chunk in chunks:
        if not isinstance(chunk, bytes):
            raise chunk
        yield chunk


async def contents_of(chunks: Chunks | None) -> bytes | None:
    """Return all chunks as one, or None without chunks."""
    return None if chunks is None else b"".join([chunk async for chunk in chunks])


class TestCalendarCache:
    async def test_complete_calendar_is_stored_with_its_version(self) -> None:
        cache = CalendarCache()
        assert cache.read(FEED, "1") is None
        assert await contents_of(cache.store(FEED, "1", generate(b"a", b"b"))) == b"ab"
        for _ in range(2):
            assert await contents_of(cache.read(FEED, "1")) == b"ab"
        assert cache.read(FEED, "2") is None
        assert cache.read(ObjectId(), "1") is None

    async def test_later_version_replaces_an_earlier_one(self) -> None:
        cache = CalendarCache()
        for version in ("1", "2"):
            await contents_of(cache.store(FEED, version, generate(version.encode())))
        assert cache.read(FEED, "1") is None
        assert await contents_of(cache.read(FEED, "2")) == b"2"

    async def test_calendar_that_was_not_read_to_its_end_is_not_stored(self) -> None:
        cache = CalendarCache()
        contents = generate(b"a", b"b")
        reading = cache.store(FEED, "1", contents)
        assert await anext(reading) == b"a"
        await reading.aclose()
        assert cache.read(FEED, "1") is None
        assert await anext(contents, None) is None, "the contents were not closed"

    async def test_calendar_that_fails_is_not_stored(self) -> None:
        cache = CalendarCache()
        with pytest.raises(ZeroDivisionError):
            await contents_of(cache.store(FEED, "1", generate(b"a", ZeroDivisionError)))
        assert cache.read(FEED, "1") is None

    async def test_large_calendar_is_complete_and_not_stored(self) -> None:
        cache = CalendarCache(max_bytes=10, max_calendar_bytes=5)
        for size, is_stored in ((5, True), (6, False)):
            contents = [b"x"] * size
            assert await contents_of(cache.store(FEED, str(size), generate(*contents))) == b"x" * size
            assert (cache.read(FEED, str(size)) is not None) is is_stored

    async def test_least_recently_used_calendars_are_dropped(self) -> None:
        cache = CalendarCache(max_bytes=10, max_calendar_bytes=5)
        feeds = [ObjectId() for _ in range(3)]
        for feed in feeds:
            await contents_of(cache.store(feed, "1", generate(b"x" * 5)))
        assert [cache.read(feed, "1") is not None for feed in feeds] == [False, True, True]
