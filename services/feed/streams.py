"""The event streams of a process: each sends the changes of a user to one client as they happen."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from contextvars import Context
from time import monotonic

import structlog
from bson import ObjectId

from app.clock import utc_now
from app.database.client import DATABASE_ERRORS
from documents.common.base import Row
from documents.feed.changes import Change
from services.accounts.authentication import authentication_service
from services.accounts.token_checks import AcceptedToken, find_ended_tokens
from services.common.acting_user import ActingUser
from services.feed.event_format import first_lines, heartbeat, reset_event
from services.feed.event_query import EventQuery
from services.feed.follower import ChangeFollower, LiveChange, encode_change
from services.feed.sequence import newest_seq
from services.feed.stream_slots import StreamSlots

HEARTBEAT_SECONDS = 15.0
"""How often a stream sends a comment, and its token is checked."""

TICK_SECONDS = 1.0
"""How often streams are examined. A stream ends at most this long after its token has expired."""

PAGE_SIZE = 50
"""How many changes a stream reads from the database at a time."""

MAX_QUEUED_BYTES = 128 * 1024
"""How many bytes of changes a stream holds for its client. What comes after them is read from the database later."""

log = structlog.get_logger()


def _do_nothing() -> None:
    """Nobody reads the stream yet."""


class EventStream:
    """The changes of one user for one client: what is stored after `last_seq`, and then what the follower pushes.

    `on_ready` is called when `read` may have something to return.
    """

    __slots__ = (
        "_has_begun",
        "_has_heartbeat",
        "_is_behind",
        "_is_continuous",
        "_last_seq",
        "_newest_seq",
        "_on_close",
        "_queue",
        "_queued_bytes",
        "_sent_seq",
        "_types",
        "due_at",
        "is_open",
        "on_ready",
        "slot",
        "token",
    )

    def __init__(
        self, token: AcceptedToken, slot: Row, types: Collection[str], *, on_close: "Callable[[EventStream], None]"
    ) -> None:
        self.token = token
        self.slot = slot
        self.is_open = True
        self.due_at = monotonic() + HEARTBEAT_SECONDS
        """When the next heartbeat is sent."""
        self.on_ready: Callable[[], None] = _do_nothing
        self._on_close = on_close
        self._types = frozenset(types)
        self._has_begun = False
        self._has_heartbeat = False
        self._is_continuous = False
        """Whether the change after `_last_seq` is stored or will be: the client has missed none."""
        self._is_behind = True
        """Whether changes after `_last_seq` must be read from the database. Otherwise the queue contains them all."""
        self._last_seq = self._sent_seq = self._newest_seq = 0
        self._queue: list[bytes] = []
        self._queued_bytes = 0

    def begin(self, seq: int, *, is_newest: bool) -> None:
        """Begin after this change, which is the newest one, or one that the client has named."""
        self._last_seq = self._sent_seq = seq
        self._is_continuous = is_newest

    def push(self, change: LiveChange) -> None:
        """Add a change to the queue, unless the client is so far behind that it is read from the database later."""
        seq = change.seq
        if seq <= self._newest_seq or not self.is_open:
            return
        is_next = seq == self._newest_seq + 1
        self._newest_seq = seq
        if self._is_behind:
            return
        if not is_next or self._queued_bytes > MAX_QUEUED_BYTES:
            self.catch_up()
        elif not self._types or change.type in self._types:
            self._queue.append(change.event)
            self._queued_bytes += len(change.event)
            self.on_ready()
        elif not self._queue:
            self._last_seq = seq

    def catch_up(self) -> None:
        """Read the changes after the last one from the database."""
        self._is_behind = True
        self._clear_queue()
        self.on_ready()

    def is_due(self, now: float) -> bool:
        """Return whether the token must be checked: at each heartbeat, and when the token expires."""
        expires_at = self.token.expires_at
        return now >= self.due_at or (expires_at is not None and expires_at <= utc_now())

    def tick(self, now: float) -> None:
        """Send a heartbeat if it is due. Also try again to read from the database after an error."""
        if now >= self.due_at:
            self.due_at = now + HEARTBEAT_SECONDS
            self._has_heartbeat = True
        if self._has_heartbeat or self._is_behind:
            self.on_ready()

    def end(self) -> None:
        """End the stream: the client gets nothing more."""
        self.is_open = False
        self.on_ready()

    def close(self) -> None:
        """Release the stream. The client has disconnected, or has got the end of the stream."""
        self.is_open = False
        self.on_ready = _do_nothing
        self._on_close(self)

    async def read(self) -> bytes | None:
        """Return the next bytes to send: empty when there are none now, None when the stream has ended."""
        if not self.is_open:
            return None
        if not self._has_begun:
            self._has_begun = True
            return first_lines(self._last_seq)
        events = await self._read_stored() if self._is_behind else self._take_queue()
        if not events and self._has_heartbeat:
            self._has_heartbeat = False
            events = heartbeat(self._last_seq if self._last_seq != self._sent_seq else None)
            self._sent_seq = self._last_seq
        elif not self._types:  # with a filter, the last changes may have been left out
            self._sent_seq = self._last_seq
        return events

    def _take_queue(self) -> bytes:
        events = b"".join(self._queue)
        self._clear_queue()
        self._last_seq = self._newest_seq
        return events

    def _clear_queue(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0

    async def _read_stored(self) -> bytes:
        """Return the events of at most a page of stored changes. Empty when there are no more, or after an error."""
        events = b""
        try:
            while self._is_behind and not events:
                events = await self._read_page()
        except DATABASE_ERRORS:  # the next tick tries again
            log.info("stream_not_read", exc_info=True)
        return events

    async def _read_page(self) -> bytes:
        # The newest one is read first: a change that is stored between the two queries is not taken for expired.
        newest = self._newest_seq if self._is_continuous else await newest_seq(self.token.user_id)
        rows = await Change.find_range(self.token.user_id, self._last_seq, self._last_seq + PAGE_SIZE)
        if rows:
            is_continuous = rows[0]["seq"] == self._last_seq + 1
        else:
            is_continuous = newest == self._last_seq or (self._is_continuous and newest < self._last_seq)
        self._is_continuous = True
        if not is_continuous:
            newest = await newest_seq(self.token.user_id)
            self._advance(newest, is_last=True)
            return reset_event(newest)
        return self._take(rows)

    def _take(self, rows: list[Row]) -> bytes:
        """Return the events of the first of these changes, at most MAX_QUEUED_BYTES and one event."""
        events, seq, size = [], self._last_seq, 0
        for row in rows:
            if size >= MAX_QUEUED_BYTES:
                break
            seq = row["seq"]
            if not self._types or row["type"] in self._types:
                events.append(encode_change(row))
                size += len(events[-1])
        self._advance(seq, is_last=len(rows) < PAGE_SIZE and (not rows or seq == rows[-1]["seq"]))
        return b"".join(events)

    def _advance(self, seq: int, *, is_last: bool) -> None:
        """Continue after this change. `is_last` says whether no later change was stored when it was read."""
        self._last_seq = seq
        if is_last and self._newest_seq <= seq:
            self._is_behind, self._newest_seq = False, seq


class EventStreams:
    """The open event streams of this process."""

    def __init__(self) -> None:
        self._follower = ChangeFollower()
        self._slots = StreamSlots()
        self._streams: dict[ObjectId, set[EventStream]] = {}

    async def open(
        self, user: ActingUser, *, token: AcceptedToken, query: EventQuery, last_event_id: int | None
    ) -> EventStream:
        """Return a stream of the changes after `last_event_id` or `query.after`, or of the next changes.

        The caller must close it. A client that connects again repeats its query, so `last_event_id` is the later one.
        Raises TooManyStreamsError.
        """
        after = query.after if last_event_id is None else last_event_id
        stream = EventStream(token, await self._slots.take(user.id), query.type, on_close=self._release)
        self._streams.setdefault(user.id, set()).add(stream)
        self._follower.subscribe(user.id, stream)
        try:
            # The subscription comes first, so that no change is missed in between.
            stream.begin(await newest_seq(user.id) if after is None else after, is_newest=after is None)
        except BaseException:
            stream.close()
            raise
        return stream

    def _release(self, stream: EventStream) -> None:
        user_id = stream.token.user_id
        self._follower.unsubscribe(user_id, stream)
        streams = self._streams.get(user_id, set())
        if stream in streams:
            streams.discard(stream)
            self._slots.release(stream.slot)
        if not streams:
            self._streams.pop(user_id, None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve the streams in this block, and end them afterwards."""
        authentication_service.listeners.add(self._check_soon)
        # In contexts of their own, because they outlive the request that a context may belong to.
        loops = (self._follower.run(), self._run(), self._slots.run())
        tasks = [asyncio.create_task(loop, context=Context()) for loop in loops]
        try:
            yield
        finally:
            authentication_service.listeners.discard(self._check_soon)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._slots.close()

    def _check_soon(self, user_id: ObjectId) -> None:
        for stream in self._streams.get(user_id, ()):
            stream.due_at = 0.0

    async def _run(self) -> None:
        """Check the tokens of streams, and let them send heartbeats, until the task is cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = monotonic()
            try:
                await self._end_unauthorized(now)
            except DATABASE_ERRORS:  # no change can be read either
                log.info("tokens_not_checked", exc_info=True)
            for stream in self._all():
                stream.tick(now)

    async def _end_unauthorized(self, now: float) -> None:
        """End the streams whose token has ended, among those that are due or whose token has expired."""
        due = [stream for stream in self._all() if stream.is_due(now)]
        if not due:
            return
        ended = await find_ended_tokens({stream.token for stream in due})
        for stream in due:
            if stream.token in ended:
                stream.end()

    def _all(self) -> list[EventStream]:
        return [stream for streams in self._streams.values() for stream in streams]
