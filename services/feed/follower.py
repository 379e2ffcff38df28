"""The follower of a process: reads the new changes of subscribed users and hands each to its subscribers."""

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple, Protocol

from bson import ObjectId

from app.database.client import DATABASE_ERRORS
from app.json_bytes import to_json
from documents.common.base import Row
from documents.common.leases import CHANGE_RELAY, Lease
from documents.feed.changes import Change
from services.common.outages import Outages
from services.feed.event_format import change_event
from services.feed.schemas import read_change

POLL_SECONDS = 0.2
"""How often the follower looks for new changes."""

MAX_BATCHES = 50
"""The most batches of the relay that the follower reads at once. After a longer pause, each subscriber catches up."""


class LiveChange(NamedTuple):
    """A new change, and its server-sent event, which all subscribers share."""

    seq: int
    type: str
    event: bytes


class Subscriber(Protocol):
    """Receives the changes of a user. Both methods return at once."""

    def push(self, change: LiveChange) -> None:
        """Receive a change. The same change may come again, and after an error some may not come."""

    def catch_up(self) -> None:
        """Read the changes since the last one from the database: some may not have been pushed."""


class ChangeFollower:
    """Polls the relay's announcements while there are subscribers, with one query for the new changes of all users."""

    def __init__(self) -> None:
        self._subscribers: dict[ObjectId, set[Subscriber]] = {}
        self._has_subscribers = asyncio.Event()
        self._position: int | None = None
        """The last batch of the relay that was read, or None before the first poll."""

    def subscribe(self, user_id: ObjectId, subscriber: Subscriber) -> None:
        """Push all changes of the user from now on that are not stored yet, and perhaps some that are."""
        self._subscribers.setdefault(user_id, set()).add(subscriber)
        self._has_subscribers.set()

    def unsubscribe(self, user_id: ObjectId, subscriber: Subscriber) -> None:
        """End the subscription, if there is one."""
        subscribers = self._subscribers.get(user_id, set())
        subscribers.discard(subscriber)
        if not subscribers:
            self._subscribers.pop(user_id, None)

    async def run(self) -> None:
        """Poll until the task is cancelled."""
        outages = Outages("changes_not_read", DATABASE_ERRORS)
        while True:
            if not self._subscribers:
                self._position = None
                self._has_subscribers.clear()
                await self._has_subscribers.wait()
            with outages.logged():
                await self._poll()
            await asyncio.sleep(POLL_SECONDS)

    async def _poll(self) -> None:
        lease = await Lease.find_by_name(CHANGE_RELAY)
        announced = 0 if lease is None else lease["announced"]
        if self._position is None or not 0 <= announced - self._position <= MAX_BATCHES:
            self._position = announced
            for subscriber in self._all_subscribers():
                subscriber.catch_up()
        elif announced > self._position:
            await self._read_from(self._position + 1)
            self._position = announced

    async def _read_from(self, position: int) -> None:
        for row in await Change.find_from_position(position, [*self._subscribers]):
            subscribers = self._subscribers.get(row["user_id"])
            if subscribers:
                change = LiveChange(row["seq"], row["type"], encode_change(row))
                for subscriber in subscribers:
                    subscriber.push(change)

    def _all_subscribers(self) -> Iterator[Subscriber]:
        return chain.from_iterable(self._subscribers.values())


def encode_change(row: Row) -> bytes:
    """Return the server-sent event of a stored change."""
    return change_event(row["seq"], row["type"], to_json(read_change(row)))
