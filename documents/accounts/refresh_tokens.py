"""Sessions: one document per sign-in, with the hash of the current refresh token."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument, by_ids

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

    `updated_at` is the time of the sign-in or of the last refresh, as long as the session is not revoked. `address` and
    `user_agent` are those of that request. They are absent in sessions that an earlier version created.
    """

    user_id: PydanticObjectId
    token_hash: str
    token_version: int
    rotated: list[Rotation]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    address: str | None = None
    user_agent: str | None = None

    class Settings:
        """The collection and its indexes: a TTL index, and one by user and last use."""

        name = "refresh_tokens"
        indexes: ClassVar = [
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0),
            IndexModel(
                [("user_id", ASCENDING), ("updated_at", DESCENDING), ("_id", DESCENDING)], name="by_user_and_last_use"
            ),
        ]

    @classmethod
    def new(
        cls,
        session_id: ObjectId,
        user_id: ObjectId,
        *,
        token_hash: str,
        token_version: int,
        lifetime: timedelta,
        address: str | None = None,
        user_agent: str | None = None,
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
            address=address,
            user_agent=user_agent,
        )

    def as_row(self) -> Row:
        """Return the session as stored. An unknown address or user agent is absent."""
        row = super().as_row()
        absent = {name for name in ("address", "user_agent") if row[name] is None}
        return {name: value for name, value in row.items() if name not in absent}

    @classmethod
    async def find_unexpired(cls, session_id: ObjectId) -> Row | None:
        """Return the session, revoked or not, or None when it has expired.

        An expired session may not have been removed yet.
        """
        return await cls._find_by_id(session_id, {"expires_at": {"$gt": naive_utc(utc_now())}})

    @classmethod
    async def is_active(cls, session_id: ObjectId, user_id: ObjectId) -> bool:
        """Return whether the session of the user has neither expired nor been revoked."""
        active = {"user_id": user_id, "expires_at": {"$gt": naive_utc(utc_now())}, "revoked_at": None}
        return await cls._find_by_id(session_id, active, {"_id": 1}) is not None

    @classmethod
    async def find_active(cls, session_ids: Collection[ObjectId], user_ids: Collection[ObjectId]) -> list[Row]:
        """Return the id and the user of each of these sessions that has neither expired nor been revoked."""
        active: Row = {"user_id": {"$in": [*user_ids]}, "expires_at": {"$gt": naive_utc(utc_now())}, "revoked_at": None}
        return await cls.aggregate_rows([*by_ids(session_ids, active), {"$project": {"user_id": 1}}])

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
            "address": address,
            "user_agent": user_agent,
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
    async def find_active_page(
        cls, user_id: ObjectId, token_version: int, *, after: tuple[datetime, ObjectId] | None, limit: int
    ) -> list[Row]:
        """Return at most `limit` active sessions of the user, the last used first, starting after this one."""
        active: Row = {
            "token_version": token_version,
            "expires_at": {"$gt": naive_utc(utc_now())},
            "revoked_at": None,
        }
        by_user: Row = {"user_id": user_id}
        if after is not None:
            used_at, session_id = after
            by_user["updated_at"] = {"$lte": used_at}
            active["$or"] = [{"updated_at": {"$lt": used_at}}, {"updated_at": used_at, "_id": {"$lt": session_id}}]
        order = {"$sort": {"updated_at": DESCENDING, "_id": DESCENDING}}
        # Two stages, because $or is in the second one (portable form: decision 10).
        return await cls.aggregate_rows([{"$match": by_user}, {"$match": active}, order, {"$limit": limit}])

    @classmethod
    async def revoke(cls, session_id: ObjectId, user_id: ObjectId) -> bool:
        """Revoke the session. It stays stored until it expires. Return False when it was not active."""
        now = naive_utc(utc_now())
        return await cls._update_one(
            {"_id": session_id, "user_id": user_id, "expires_at": {"$gt": now}, "revoked_at": None},
            {"$set": {"revoked_at": now, "updated_at": now}},
        )
