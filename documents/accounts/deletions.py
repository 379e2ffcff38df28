"""Unfinished account deletions.

A process with a cached user may still write documents after the deletion. A later sweep removes them too.
"""

from datetime import datetime
from typing import ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import DuplicateError, Row, StoredDocument


class AccountDeletion(StoredDocument):
    """An account deletion that is not finished yet. Its id is the id of the user."""

    created_at: datetime

    class Settings:
        """The collection. It is almost always empty, so it needs no index."""

        name = "account_deletions"
        indexes: ClassVar[list[IndexModel]] = []

    @classmethod
    async def begin(cls, user_id: ObjectId) -> None:
        """Record that the account is being deleted. A deletion that is recorded already keeps its time."""
        try:
            await cls(id=PydanticObjectId(user_id), created_at=naive_utc(utc_now())).add()
        except DuplicateError:
            return

    @classmethod
    async def find_unfinished(cls) -> list[Row]:
        """Return all unfinished deletions."""
        return await cls.aggregate_rows([{"$match": {}}])

    @classmethod
    async def end(cls, user_id: ObjectId) -> None:
        """Remove the record: nothing is left of the account."""
        await cls._delete_one({"_id": user_id})
