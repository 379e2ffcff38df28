"""The open event streams of all processes, and the processes that serve them."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import DuplicateError, Row, StoredDocument

MAX_STREAMS = 10
"""The maximum number of event streams of a user, over all processes."""


class OpenStream(StoredDocument):
    """An event stream of a user, open while the worker is alive.

    `slot` is a number that only one stream of the user has, so that concurrent requests cannot exceed the limit.
    `worker` is the id of the StreamWorker that serves the stream.
    """

    user_id: PydanticObjectId
    slot: Annotated[int, Field(ge=0, le=MAX_STREAMS - 1)]
    worker: str

    class Settings:
        """The collection and its index: by user, with one stream in each slot."""

        name = "open_streams"
        indexes: ClassVar = [
            IndexModel([("user_id", ASCENDING), ("slot", ASCENDING)], name="one_stream_per_slot", unique=True)
        ]

    @classmethod
    def new(cls, user_id: ObjectId, *, slot: int, worker: str) -> Self:
        """Return a stream, not stored yet."""
        return cls(id=PydanticObjectId(), user_id=PydanticObjectId(user_id), slot=slot, worker=worker)

    async def add_if_free(self) -> bool:
        """Insert the stream. Return False if another one has the slot."""
        try:
            await self.add()
        except DuplicateError:
            return False
        return True

    @classmethod
    async def find_of_user(cls, user_id: ObjectId) -> list[Row]:
        """Return all streams of a user, also those of workers that have died."""
        return await cls.aggregate_rows([{"$match": {"user_id": user_id}}])

    @classmethod
    async def take_over(cls, stream: Row, worker: str) -> bool:
        """Replace the stream by one of this worker. Return False if another process has changed it."""
        return await cls._update_one(_identity(stream), {"$set": {"worker": worker}})

    @classmethod
    async def remove(cls, stream: Row) -> None:
        """Delete the stream, unless another worker has taken it over."""
        await cls._delete_one(_identity(stream))


class StreamWorker(StoredDocument):
    """A process that serves event streams. It is alive until `expires_at`, which it extends while it has streams."""

    id: str  # type: ignore[assignment] # a random token
    expires_at: datetime

    class Settings:
        """The collection and its TTL index."""

        name = "stream_workers"
        indexes: ClassVar = [
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0)
        ]

    @classmethod
    async def extend(cls, worker: str, duration: timedelta) -> None:
        """Record that the worker is alive for this time from now on."""
        expires_at = naive_utc(utc_now()) + duration
        while not await cls._update_one({"_id": worker}, {"$set": {"expires_at": expires_at}}):
            try:
                await cls(id=worker, expires_at=expires_at).add()
            except DuplicateError:  # another request of the process was first
                continue
            return

    @classmethod
    async def find_alive(cls, workers: Collection[str]) -> set[str]:
        """Return those of the workers that are alive."""
        rows = await cls.aggregate_rows([{"$match": {"_id": {"$in": [*workers]}}}])
        now = naive_utc(utc_now())
        return {row["_id"] for row in rows if row["expires_at"] > now}

    @classmethod
    async def remove(cls, worker: str) -> None:
        """Record that the worker has ended: its streams are closed."""
        await cls._delete_one({"_id": worker})


def _identity(stream: Row) -> Row:
    return {field: stream[field] for field in ("_id", "user_id", "worker")}
