"""Changes: the feed of a user, in the order of `seq`."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from bson.errors import InvalidDocument
from pydantic import Field
from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.errors import BulkWriteError, DocumentTooLarge

from app.database.cancellation import keep_cancellation
from documents.common.base import Row, StoredDocument
from documents.common.outbox import OutboxItem

_REFUSED_CODES = {121, 10334}
"""The codes of MongoDB for a new document that violates the validator or is too large."""


class RefusedChangeError(Exception):
    """The database refuses a change, and would refuse it again."""


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
    async def add_in_order(cls, rows: list[Row]) -> None:
        """Insert changes in this order, and stop at the first error.

        Raises DuplicateError when another relay has stored one of them, or another change with its `seq`.
        Raises RefusedChangeError.
        """
        try:
            await cls.add_all(rows)
        except BulkWriteError as error:
            if any(each["code"] not in _REFUSED_CODES for each in error.details["writeErrors"]):
                raise
            raise RefusedChangeError from error
        except (InvalidDocument, DocumentTooLarge) as error:
            raise RefusedChangeError from error

    @classmethod
    async def find_stored(cls, ids: Collection[ObjectId]) -> set[ObjectId]:
        """Return those of the ids whose changes are stored."""
        rows = await cls.aggregate_rows([{"$match": {"_id": {"$in": [*ids]}}}, {"$project": {"_id": 1}}])
        return {row["_id"] for row in rows}

    @classmethod
    async def set_position(cls, ids: Collection[ObjectId], position: int) -> None:
        """Make the changes part of this batch of the relay."""
        updates = [UpdateOne({"_id": change_id}, {"$set": {"position": position}}) for change_id in ids]
        await keep_cancellation(cls.collection().bulk_write(updates, ordered=False))

    @classmethod
    async def has_seq(cls, user_id: ObjectId, seq: int) -> bool:
        """Return whether the change with this `seq` is stored."""
        return await cls._find_one({"user_id": user_id, "seq": seq}, {"_id": 1}) is not None

    @classmethod
    async def find_newest_seq_after(cls, user_id: ObjectId, seq: int) -> int:
        """Return the highest `seq` that is stored for the user, or this one if none is higher.

        It reads the changes after this one only, because the embedded store sorts without the index.
        """
        rows = await cls.aggregate_rows(
            [{"$match": {"user_id": user_id, "seq": {"$gt": seq}}}, {"$project": {"_id": 0, "seq": 1}}]
        )
        return max((row["seq"] for row in rows), default=seq)

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
    async def find_range(cls, user_id: ObjectId, after: int, until: int) -> list[Row]:
        """Return the changes of the user with `after` < `seq` <= `until`, ascending."""
        return await cls.aggregate_rows(
            [{"$match": {"user_id": user_id, "seq": {"$gt": after, "$lte": until}}}, {"$sort": {"seq": 1}}]
        )

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

    @classmethod
    async def find_last_seqs_from_position(cls, position: int) -> dict[ObjectId, int]:
        """Return the users with changes in this batch of the relay or in later ones, and the highest `seq` of each."""
        group: Row = {"$group": {"_id": "$user_id", "seq": {"$max": "$seq"}}}
        rows = await cls.aggregate_rows([{"$match": {"position": {"$gte": position}}}, group])
        return {row["_id"]: row["seq"] for row in rows}

    @classmethod
    async def find_newest_position(cls) -> int:
        """Return the position of the last batch of which a change is stored, or 0."""
        rows = await cls.aggregate_rows([{"$sort": {"position": -1}}, {"$limit": 1}, {"$project": {"position": 1}}])
        return rows[0]["position"] if rows else 0

    @classmethod
    async def find_users_with_gaps(cls, now: datetime) -> list[ObjectId]:
        """Return the users of whose changes that have not expired a `seq` is missing."""
        return [
            row["_id"] for row in await cls._count_by_user({}, now) if row["count"] != row["last"] - row["first"] + 1
        ]

    @classmethod
    async def count_seqs(cls, user_id: ObjectId, now: datetime) -> tuple[int, int, int]:
        """Return the lowest and the highest `seq` of the user's changes that have not expired, and their number."""
        rows = await cls._count_by_user({"user_id": user_id}, now)
        return (rows[0]["first"], rows[0]["last"], rows[0]["count"]) if rows else (1, 0, 0)

    @classmethod
    async def _count_by_user(cls, query_filter: Row, now: datetime) -> list[Row]:
        sums = {"first": {"$min": "$seq"}, "last": {"$max": "$seq"}, "count": {"$sum": 1}}
        return await cls.aggregate_rows(
            [
                {"$match": query_filter},
                {"$match": {"expires_at": {"$gt": now}}},
                {"$project": {"user_id": 1, "seq": 1}},
                {"$group": {"_id": "$user_id", **sums}},
            ]
        )
