"""Sessions: one document a sign-in, with the hash of the refresh token that is good now."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument

MAX_ROTATIONS_KEPT = 10


class Rotation(BaseModel):
    """A token that was rotated: its hash, and who did it."""

    hash: str
    rotated_at: datetime
    address: str
    user_agent: str


class RefreshToken(StoredDocument):
    """A family of refresh tokens: each is made of the one before, and only the last is good.

    Its id is the claim `sid` of the access tokens that come with them. Only SHA-256 of a token is stored.
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
        """The collection and its indexes: one that ends it, one to find the sessions of a user."""

        name = "refresh_tokens"
        indexes: ClassVar = [
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0),
            IndexModel([("user_id", ASCENDING)], name="by_user"),
        ]

    @classmethod
    def new(
        cls, session_id: ObjectId, user_id: ObjectId, *, token_hash: str, token_version: int, lifetime: timedelta
    ) -> Self:
        """A session that begins now, not stored yet."""
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
    async def find_known(cls, session_id: ObjectId) -> Row | None:
        """The session, revoked or not; None when its time is over, though the database may not have removed it yet."""
        return await cls._find_one({"_id": session_id, "expires_at": {"$gt": naive_utc(utc_now())}})

    @classmethod
    async def is_live(cls, session_id: ObjectId, user_id: ObjectId) -> bool:
        """Whether nobody has ended this session of the user."""
        live = {"_id": session_id, "user_id": user_id, "expires_at": {"$gt": naive_utc(utc_now())}, "revoked_at": None}
        return await cls._find_one(live, {"_id": 1}) is not None

    @classmethod
    async def rotate(cls, session: Row, token_hash: str, *, lifetime: timedelta, address: str, user_agent: str) -> bool:
        """Puts another token in the place of the one that was read; False when somebody else did, or ended it."""
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
            {**_of_session(session), "token_hash": session["token_hash"], "revoked_at": None},
            {"$set": changes, "$push": {"rotated": {"$each": [rotation], "$slice": -MAX_ROTATIONS_KEPT}}},
        )

    @classmethod
    async def revoke(cls, session_id: ObjectId, user_id: ObjectId) -> None:
        """Ends the session. It stays, so that its tokens are known for what they are."""
        now = naive_utc(utc_now())
        await cls._update_one(
            {"_id": session_id, "user_id": user_id, "revoked_at": None},
            {"$set": {"revoked_at": now, "updated_at": now}},
        )


def _of_session(session: Row) -> Row:
    return {"_id": session["_id"], "user_id": session["user_id"]}
