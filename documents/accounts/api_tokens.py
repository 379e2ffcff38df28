"""API tokens: what programs of a user sign in with, each for some scopes and perhaps for some time."""

from datetime import datetime
from typing import ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.clock import naive_utc, utc_now
from app.security.scopes import Scope
from documents.common.base import Row, StoredDocument


class ApiToken(StoredDocument):
    """A token of a user. Only SHA-256 of its secret is stored; `prefix` is how it begins, to tell it by."""

    user_id: PydanticObjectId
    name: str
    prefix: str
    token_hash: str
    scopes: list[Scope]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime

    class Settings:
        """The collection and its indexes: one finds a token, one lists those of a user, one ends them."""

        name = "api_tokens"
        indexes: ClassVar = [
            IndexModel([("token_hash", ASCENDING)], name="one_token_per_hash", unique=True),
            IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)], name="by_user"),
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0),
        ]

    @classmethod
    def new(
        cls,
        user_id: ObjectId,
        *,
        name: str,
        prefix: str,
        token_hash: str,
        scopes: list[Scope],
        expires_at: datetime | None,
    ) -> Self:
        """A token that has just been made, not stored yet."""
        return cls(
            id=PydanticObjectId(),
            user_id=PydanticObjectId(user_id),
            name=name,
            prefix=prefix,
            token_hash=token_hash,
            scopes=scopes,
            expires_at=None if expires_at is None else naive_utc(expires_at),
            last_used_at=None,
            created_at=naive_utc(utc_now()),
        )

    @classmethod
    async def find_known(cls, token_hash: str) -> Row | None:
        """The token of this secret, its time over or not."""
        return await cls._find_one({"token_hash": token_hash})

    @classmethod
    async def mark_used(cls, token: Row) -> None:
        """Keeps that it is used now, unless somebody has since it was read."""
        await cls._update_one(
            {"_id": token["_id"], "user_id": token["user_id"], "last_used_at": token["last_used_at"]},
            {"$set": {"last_used_at": naive_utc(utc_now())}},
        )

    @classmethod
    async def remove(cls, user_id: ObjectId, token_id: ObjectId) -> bool:
        """Whether the user had this token: it is gone."""
        return await cls._delete_one({"_id": token_id, "user_id": user_id})
