"""The state of each user's feed. It outlives the changes, which expire."""

from typing import Annotated, ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from documents.common.base import DuplicateError, Row, StoredDocument


class FeedState(StoredDocument):
    """The highest `seq` of a user's changes, as far as the relay has recorded it."""

    user_id: PydanticObjectId
    last_seq: Annotated[int, Field(ge=0)]

    class Settings:
        """The collection and its index."""

        name = "feed_states"
        indexes: ClassVar = [IndexModel([("user_id", ASCENDING)], name="one_state_per_user", unique=True)]

    @classmethod
    async def find(cls, user_id: ObjectId) -> Row | None:  # type: ignore[override]
        """Return the state of the user's feed, or None when nothing has changed yet."""
        return await cls._find_one({"user_id": user_id})

    @classmethod
    async def raise_last_seq(cls, user_id: ObjectId, last_seq: int) -> None:
        """Set `last_seq`, unless it is higher already."""
        if await cls._update_one({"user_id": user_id}, {"$max": {"last_seq": last_seq}}):
            return
        try:
            await cls(id=PydanticObjectId(), user_id=PydanticObjectId(user_id), last_seq=last_seq).add()
        except DuplicateError:
            await cls._update_one({"user_id": user_id}, {"$max": {"last_seq": last_seq}})
