"""Calendar feeds: calendars of a user's entries that anybody can read who has the secret of the feed."""

from datetime import datetime
from typing import Annotated, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument

MAX_DAYS_BACK = 3_660


class CalendarFeed(StoredDocument):
    """A calendar of a user that is public under a secret. Only the SHA-256 of the secret is stored.

    `days_back`, `include_running` and the filters select its entries. `project_id` is the text of an id, or "none" for
    entries without a project. A feed is never changed.
    """

    user_id: PydanticObjectId
    name: str
    secret_hash: str
    days_back: Annotated[int, Field(ge=1, le=MAX_DAYS_BACK)]
    include_running: bool
    project_id: str | None
    tag: str | None
    billable: bool | None
    created_at: datetime

    class Settings:
        """The collection and its indexes: by hash and by user."""

        name = "calendar_feeds"
        indexes: ClassVar = [
            IndexModel([("secret_hash", ASCENDING)], name="one_feed_per_hash", unique=True),
            IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)], name="by_user"),
        ]

    @classmethod
    def new(
        cls,
        user_id: ObjectId,
        feed_id: ObjectId,
        *,
        name: str,
        secret_hash: str,
        days_back: int,
        include_running: bool,
        project_id: str | None,
        tag: str | None,
        billable: bool | None,
    ) -> Self:
        """Return a new feed, not stored yet."""
        return cls(
            id=PydanticObjectId(feed_id),
            user_id=PydanticObjectId(user_id),
            name=name,
            secret_hash=secret_hash,
            days_back=days_back,
            include_running=include_running,
            project_id=project_id,
            tag=tag,
            billable=billable,
            created_at=naive_utc(utc_now()),
        )

    @classmethod
    async def find_by_hash(cls, secret_hash: str) -> Row | None:
        """Return the feed with this hash."""
        return await cls._find_one({"secret_hash": secret_hash})
