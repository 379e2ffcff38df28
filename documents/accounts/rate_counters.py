"""What was asked for lately, counted in the database, so that a limit holds across all workers."""

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
    """How often something was done since a stretch of time began. Its id tells what, not of whom."""

    id: str  # type: ignore[assignment] # not an ObjectId: the thing that is counted is its own key
    times: Annotated[int, Field(ge=1)]
    expires_at: datetime

    class Settings:
        """The collection and its indexes: one that ends it."""

        name = "rate_counters"
        indexes: ClassVar = [
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0)
        ]

    @classmethod
    async def take(cls, what: str, whose: str, *, most: int, within: timedelta) -> datetime | None:
        """None when this is one of the `most` that may be done within that time; else when that time is over.

        Raises DatabaseUnavailableError when nobody can tell, whatever the reason.
        """
        try:
            return await cls._take(what, whose, most, within)
        except PyMongoError as error:
            raise DatabaseUnavailableError from error

    @classmethod
    async def _take(cls, what: str, whose: str, most: int, within: timedelta) -> datetime | None:
        """The filter of the update holds the limit, so that of any number at once exactly so many pass."""
        counter_id = f"{what} {hashlib.sha256(whose.encode()).hexdigest()}"
        while True:
            now = utc_now()
            if await cls._update_one(
                {"_id": counter_id, "expires_at": {"$gt": naive_utc(now)}, "times": {"$lt": most}},
                {"$inc": {"times": 1}},
            ):
                return None
            standing = await cls._find_one({"_id": counter_id})
            if standing is None or standing["expires_at"] <= naive_utc(now):
                if await cls._begin(counter_id, standing, naive_utc(now + within)):
                    return None
            elif standing["times"] >= most:  # else somebody has begun a new stretch just now, with room in it
                ends: datetime = standing["expires_at"]
                return ends

    @classmethod
    async def _begin(cls, counter_id: str, over: dict[str, object] | None, expires_at: datetime) -> bool:
        """Whether the caller is the first of a new stretch of time; False when somebody else was faster."""
        if over is not None:
            return await cls._update_one(
                {"_id": counter_id, "expires_at": over["expires_at"]}, {"$set": {"times": 1, "expires_at": expires_at}}
            )
        try:
            await cls(id=counter_id, times=1, expires_at=expires_at).add()
        except DuplicateError:
            return False
        return True
