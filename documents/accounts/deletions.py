"""Accounts that were deleted just now: what a process that has not heard of it may still write is removed, too."""

from datetime import datetime
from typing import ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import DuplicateError, Row, StoredDocument


class AccountDeletion(StoredDocument):
    """A deletion that is not over yet. Its id is that of the user."""

    created_at: datetime

    class Settings:
        """The collection. It is as good as empty, so it has no index of its own."""

        name = "account_deletions"
        indexes: ClassVar[list[IndexModel]] = []

    @classmethod
    async def begin(cls, user_id: ObjectId) -> None:
        """Keeps that the account is being deleted, from now on or since it was first said."""
        try:
            await cls(id=PydanticObjectId(user_id), created_at=naive_utc(utc_now())).add()
        except DuplicateError:
            return

    @classmethod
    async def all_under_way(cls) -> list[Row]:
        """Every deletion that is not over."""
        return await cls.aggregate_rows([{"$match": {}}])

    @classmethod
    async def end(cls, user_id: ObjectId) -> None:
        """Forgets the deletion: nothing is left of the account."""
        await cls._delete_one({"_id": user_id})
