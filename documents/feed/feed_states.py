"""The state of each user's feed. It outlives the changes, which expire."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel, UpdateOne

from app.database.cancellation import keep_cancellation
from documents.accounts.users import User
from documents.common.base import Row, StoredDocument

MAX_UNRECORDED_BATCHES = 16
"""The relay records `last_seq` later than it stores changes, at most by this number of its batches."""


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
    async def raise_last_seqs(cls, last_seqs: Mapping[ObjectId, int]) -> None:
        """Set `last_seq` of these users, unless it is higher already, in one command if all have a state.

        A user whose account has been deleted meanwhile gets no new state.
        """
        updates = [
            UpdateOne({"user_id": user_id}, {"$max": {"last_seq": last_seq}}) for user_id, last_seq in last_seqs.items()
        ]
        result = await keep_cancellation(cls.collection().bulk_write(updates, ordered=False))
        if result.matched_count < len(last_seqs):
            active = await User.find_token_versions(last_seqs)
            rows = [{"_id": ObjectId(), "user_id": user_id, "last_seq": last_seqs[user_id]} for user_id in active]
            await cls.add_missing(rows)
