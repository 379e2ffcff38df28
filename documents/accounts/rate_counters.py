"""Rate limit counters, stored in the database so that a limit holds across all workers."""

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import Field
from pymongo import ASCENDING, IndexModel
from pymongo.errors import PyMongoError

from app.clock import naive_utc, utc_now
from app.errors import DatabaseUnavailableError
from documents.common.base import DuplicateError, StoredDocument


class RateCounter(StoredDocument):
    """The number of actions in the current period. The id holds the action and a hash of its subject."""

    id: str  # type: ignore[assignment] # the natural key, not an ObjectId
    times: Annotated[int, Field(ge=1)]
    expires_at: datetime

    class Settings:
        """The collection and its TTL index."""

        name = "rate_counters"
        indexes: ClassVar = [
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0)
        ]

    @classmethod
    async def count_action(cls, action: str, subject: str, *, limit: int, period: timedelta) -> datetime | None:
        """Count an action. Return None if it is within the limit, else the time at which the period ends (naive UTC).

        Raises DatabaseUnavailableError when the database fails for any reason.
        """
        try:
            return await cls._count_action(action, subject, limit, period)
        except PyMongoError as error:
            raise DatabaseUnavailableError from error

    @classmethod
    async def _count_action(cls, action: str, subject: str, limit: int, period: timedelta) -> datetime | None:
        """Count atomically: the filter of the update contains the limit, so concurrent requests cannot exceed it."""
        counter_id = f"{action} {hashlib.sha256(subject.encode()).hexdigest()}"
        while True:
            now = utc_now()
            if await cls._update_one(
                {"_id": counter_id, "expires_at": {"$gt": naive_utc(now)}, "times": {"$lt": limit}},
                {"$inc": {"times": 1}},
            ):
                return None
            counter = await cls._find_one({"_id": counter_id})
            if counter is None or counter["expires_at"] <= naive_utc(now):
                if await cls._begin_period(counter_id, counter, naive_utc(now + period)):
                    return None
            elif counter["times"] >= limit:  # otherwise another request has just begun a new period: try again
                ends: datetime = counter["expires_at"]
                return ends

    @classmethod
    async def _begin_period(cls, counter_id: str, expired: dict[str, object] | None, expires_at: datetime) -> bool:
        """Begin a period with this action. Return False when another request began it first."""
        if expired is not None:
            return await cls._update_one(
                {"_id": counter_id, "expires_at": expired["expires_at"]},
                {"$set": {"times": 1, "expires_at": expires_at}},
            )
        try:
            await cls(id=counter_id, times=1, expires_at=expires_at).add()
        except DuplicateError:
            return False
        return True
