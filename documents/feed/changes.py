"""Changes: the feed of a user, in the order of `seq`."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from documents.common.base import Row, StoredDocument
from documents.common.outbox import OutboxItem


class Change(StoredDocument, OutboxItem):
    """A change that the relay has copied from an outbox. Its id is that of the outbox item.

    `seq` starts at 1 for each user and has no gaps. `position` is the batch of the relay that stored the change.
    """

    id: PydanticObjectId
    user_id: PydanticObjectId
    seq: Annotated[int, Field(ge=1)]
    position: Annotated[int, Field(ge=1)]
    expires_at: datetime

    class Settings:
        """The collection and its indexes: the feed of a user, the batches of the relay, and a TTL index."""

        name = "changes"
        indexes: ClassVar = [
            IndexModel([("user_id", ASCENDING), ("seq", ASCENDING)], name="one_change_per_seq", unique=True),
            IndexModel([("position", ASCENDING)], name="by_position"),
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0),
        ]

    @classmethod
    async def find_after(cls, user_id: ObjectId, seq: int, *, types: Collection[str], limit: int) -> list[Row]:
        """Return at most `limit` changes of the user with a higher `seq`, ascending. No types: changes of all types."""
        of_types: list[Row] = [{"$match": {"type": {"$in": [*types]}}}] if types else []
        return await cls.aggregate_rows(
            [
                {"$match": {"user_id": user_id, "seq": {"$gt": seq}}},
                *of_types,
                {"$sort": {"seq": 1}},
                {"$limit": limit},
            ]
        )

    @classmethod
    async def find_oldest_seq(cls, user_id: ObjectId) -> int | None:
        """Return the lowest `seq` that is stored for the user, or None when no change is stored."""
        rows = await cls.aggregate_rows(
            [{"$match": {"user_id": user_id}}, {"$sort": {"seq": 1}}, {"$limit": 1}, {"$project": {"seq": 1}}]
        )
        return rows[0]["seq"] if rows else None

    @classmethod
    async def find_newest_seq(cls, user_id: ObjectId) -> int | None:
        """Return the highest `seq` that is stored for the user, or None when no change is stored."""
        rows = await cls.aggregate_rows(
            [{"$match": {"user_id": user_id}}, {"$sort": {"seq": -1}}, {"$limit": 1}, {"$project": {"seq": 1}}]
        )
        return rows[0]["seq"] if rows else None

    @classmethod
    async def find_from_position(cls, position: int, user_ids: Collection[ObjectId]) -> list[Row]:
        """Return the changes of these users in this batch of the relay and in later ones, ascending by `seq`."""
        return await cls.aggregate_rows(
            [
                {"$match": {"position": {"$gte": position}}},
                {"$match": {"user_id": {"$in": [*user_ids]}}},
                {"$sort": {"seq": 1}},
            ]
        )

    @classmethod
    async def find_users_from_position(cls, position: int) -> list[ObjectId]:
        """Return the users with changes in this batch of the relay or in later ones."""
        stages: list[Row] = [{"$match": {"position": {"$gte": position}}}, {"$group": {"_id": "$user_id"}}]
        return [row["_id"] for row in await cls.aggregate_rows(stages)]
