"""API tokens, with which a user's programs authenticate. Each has scopes, and may expire."""

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.clock import naive_utc, utc_now
from app.security.scopes import Scope
from documents.common.base import Row, StoredDocument
from documents.common.ordered_ids import new_ordered_id


class ApiToken(StoredDocument):
    """An API token of a user. Only the SHA-256 of the secret is stored; `prefix` is its beginning, to recognise it."""

    user_id: PydanticObjectId
    name: str
    prefix: str
    token_hash: str
    scopes: list[Scope]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime

    class Settings:
        """The collection and its indexes: by hash, by user, and a TTL index."""

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
        """Return a new token, not stored yet."""
        return cls(
            id=new_ordered_id(),
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
    async def find_by_hash(cls, token_hash: str) -> Row | None:
        """Return the token with this hash, which may have expired."""
        return await cls._find_one({"token_hash": token_hash})

    @classmethod
    async def find_by_hashes(cls, token_hashes: Collection[str]) -> list[Row]:
        """Return the user, the hash and the expiry of each token with one of these hashes."""
        return await cls.aggregate_rows(
            [
                {"$match": {"token_hash": {"$in": [*token_hashes]}}},
                {"$project": {"user_id": 1, "token_hash": 1, "expires_at": 1}},
            ]
        )

    @classmethod
    async def mark_used(cls, token: Row) -> None:
        """Set `last_used_at` to now, unless another request has set it since the token was read."""
        await cls._update_one(
            {"_id": token["_id"], "user_id": token["user_id"], "last_used_at": token["last_used_at"]},
            {"$set": {"last_used_at": naive_utc(utc_now())}},
        )
