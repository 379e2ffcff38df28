"""The slots of event streams: a user can have a limited number of streams, over all processes."""

import asyncio
import secrets
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from time import monotonic

from bson import ObjectId

from app.database.client import DATABASE_ERRORS
from app.errors import RateLimitError
from documents.common.base import Row
from documents.feed.event_streams import MAX_STREAMS, OpenStream, StreamWorker
from services.common.concurrency import retry_on_conflict
from services.common.outages import Outages

ALIVE_DURATION = timedelta(seconds=10)
"""How long the streams of a process that was killed count."""

EXTEND_SECONDS = 3.0
"""How often a process with streams records that it is alive."""

RETRY_AFTER_SECONDS = 15
CLOSE_TIMEOUT_SECONDS = 1.0


class TooManyStreamsError(RateLimitError):
    """The user has as many event streams as are allowed."""

    code = "too_many_streams"
    detail = f"At most {MAX_STREAMS} event streams can be open. Close one first."

    def __init__(self) -> None:
        seconds = str(RETRY_AFTER_SECONDS)
        limit = {"RateLimit-Limit": str(MAX_STREAMS), "RateLimit-Remaining": "0", "RateLimit-Reset": seconds}
        super().__init__(headers={"Retry-After": seconds, **limit})


class StreamSlots:
    """The slots that the streams of this process have taken.

    An idle stream costs nothing: only the process itself records that it is alive, with one command for all its
    streams. The slots of a process that is not alive are free.
    """

    def __init__(self) -> None:
        self._worker = secrets.token_hex(16)
        self._extended_at = -EXTEND_SECONDS
        self._taken: dict[ObjectId, Row] = {}
        """The slots of open streams, and those that are being inserted or deleted."""
        self._released: dict[ObjectId, Row] = {}
        """The slots to delete. A new stream of the same user may take one of them before."""
        self._has_released = asyncio.Event()

    async def take(self, user_id: ObjectId) -> Row:
        """Take a slot, which the caller must release. Raises TooManyStreamsError."""
        await self._extend()
        return await retry_on_conflict(("streams", user_id), lambda: self._attempt(user_id))

    def release(self, slot: Row) -> None:
        """Release a slot that was taken."""
        self._taken.pop(slot["_id"], None)
        self._released[slot["_id"]] = slot
        self._has_released.set()

    async def run(self) -> None:
        """Record that the process is alive while it has streams, and delete released slots, until cancelled."""
        outages = Outages("stream_slots_not_updated", DATABASE_ERRORS)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_released.wait(), EXTEND_SECONDS)
            self._has_released.clear()
            with outages.logged():
                if self._taken:
                    await self._extend()
                await self._delete_released()

    async def close(self) -> None:
        """Free all slots of the process at once, with one command."""
        with suppress(*DATABASE_ERRORS, TimeoutError):  # otherwise they are free after ALIVE_DURATION
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await StreamWorker.remove(self._worker)

    async def _extend(self) -> None:
        now = monotonic()
        if now >= self._extended_at + EXTEND_SECONDS:
            await StreamWorker.extend(self._worker, ALIVE_DURATION)
            self._extended_at = now

    async def _attempt(self, user_id: ObjectId) -> Row | None:
        """Take a slot of the user. Return None if another request was first."""
        streams = await OpenStream.find_of_user(user_id)
        others = {stream["worker"] for stream in streams} - {self._worker}
        alive = await StreamWorker.find_alive(others) if others else set()
        for stream in streams:
            if stream["_id"] not in self._taken and stream["worker"] not in alive:
                return await self._claim({**stream, "worker": self._worker}, OpenStream.take_over(stream, self._worker))
        free = {*range(MAX_STREAMS)} - {stream["slot"] for stream in streams}
        if not free:
            raise TooManyStreamsError
        new = OpenStream.new(user_id, slot=min(free), worker=self._worker)
        return await self._claim(new.as_row(), new.add_if_free())

    async def _claim(self, slot: Row, write: Awaitable[bool]) -> Row | None:
        """Take the slot if the write succeeds."""
        self._taken[slot["_id"]] = slot
        self._released.pop(slot["_id"], None)
        try:
            has_succeeded = await write
        except BaseException:  # the database may have written it
            self.release(slot)
            raise
        if has_succeeded:
            return slot
        del self._taken[slot["_id"]]
        return None

    async def _delete_released(self) -> None:
        while self._released:
            stream_id, slot = self._released.popitem()
            self._taken[stream_id] = slot
            try:
                await OpenStream.remove(slot)
            except BaseException:  # try again later
                del self._taken[stream_id]
                self._released[stream_id] = slot
                raise
            del self._taken[stream_id]
