"""Sessions: one document per sign-in, with the hash of the current refresh token."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument

MAX_ROTATIONS = 10


class Rotation(BaseModel):
    """A refresh token that was replaced: its hash, and the client that used it."""

    hash: str
    rotated_at: datetime
    address: str
    user_agent: str


class RefreshToken(StoredDocument):
    """A family of refresh tokens: each is derived from the one before, and only the latest is valid.

    The id is the claim `sid` of the access tokens of the session. Only the SHA-256 of a token is stored.
    """

    user_id: PydanticObjectId
    token_hash: str
    token_version: int
    rotated: list[Rotation]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    class Settings:
        """The collection and its indexes: a TTL index, and one by user."""

        name = "refresh_tokens"
        indexes: ClassVar = [
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0),
            IndexModel([("user_id", ASCENDING)], name="by_user"),
        ]

    @classmethod
    def new(
        cls, session_id: ObjectId, user_id: ObjectId, *, token_hash: str, token_version: int, lifetime: timedelta
    ) -> Self:
        """Return a new session, not stored yet."""
        now = utc_now()
        return cls(
            id=PydanticObjectId(session_id),
            user_id=PydanticObjectId(user_id),
            token_hash=token_hash,
            token_version=token_version,
            rotated=[],
            created_at=naive_utc(now),
            updated_at=naive_utc(now),
            expires_at=naive_utc(now + lifetime),
            revoked_at=None,
        )

    @classmethod
    async def find_unexpired(cls, session_id: ObjectId) -> Row | None:
        """Return the session, revoked or not, or None when it has expired.

        The TTL index may not have removed an expired session yet.
        """
        return await cls._find_one({"_id": session_id, "expires_at": {"$gt": naive_utc(utc_now())}})

    @classmethod
    async def is_active(cls, session_id: ObjectId, user_id: ObjectId) -> bool:
        """Return whether the session of the user has neither expired nor been revoked."""
        active = {
            "_id": session_id,
            "user_id": user_id,
            "expires_at": {"$gt": naive_utc(utc_now())},
            "revoked_at": None,
        }
        return await cls._find_one(active, {"_id": 1}) is not None

    @classmethod
    async def find_active(cls, session_ids: Collection[ObjectId], user_ids: Collection[ObjectId]) -> list[Row]:
        """Return the id and the user of each of these sessions that has neither expired nor been revoked."""
        active: Row = {"user_id": {"$in": [*user_ids]}, "expires_at": {"$gt": naive_utc(utc_now())}, "revoked_at": None}
        return await cls.aggregate_rows(
            [
                {"$match": {"_id": {"$in": [*session_ids]}}},
                {"$match": active},
                {"$project": {"user_id": 1}},
            ]
        )

    @classmethod
    async def rotate(cls, session: Row, token_hash: str, *, lifetime: timedelta, address: str, user_agent: str) -> bool:
        """Replace the current token. Return False when another request has replaced it or ended the session."""
        now = utc_now()
        rotation = Rotation(
            hash=session["token_hash"], rotated_at=naive_utc(now), address=address, user_agent=user_agent
        ).model_dump()
        changes: dict[str, Any] = {
            "token_hash": token_hash,
            "updated_at": naive_utc(now),
            "expires_at": naive_utc(now + lifetime),
        }
        return await cls._update_one(
            {
                "_id": session["_id"],
                "user_id": session["user_id"],
                "token_hash": session["token_hash"],
                "revoked_at": None,
            },
            {"$set": changes, "$push": {"rotated": {"$each": [rotation], "$slice": -MAX_ROTATIONS}}},
        )

    @classmethod
    async def revoke(cls, session_id: ObjectId, user_id: ObjectId) -> None:
        """Revoke the session. It stays stored until it expires."""
        now = naive_utc(utc_now())
        await cls._update_one(
            {"_id": session_id, "user_id": user_id, "revoked_at": None},
            {"$set": {"revoked_at": now, "updated_at": now}},
        )
