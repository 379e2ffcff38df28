"""Users: who may sign in, and how they like their time kept."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import ASCENDING, IndexModel

from app.clock import stored, utc_now
from documents.base import Row, StoredDocument

OverlapPolicy = Literal["allow", "warn", "forbid"]


class Preferences(BaseModel):
    """What a user chose of the rules."""

    overlap_policy: OverlapPolicy = "allow"
    timer_cap_hours: Annotated[int, Field(ge=1)] = 12


class User(StoredDocument):
    """A user. `email` is as typed; `email_key` is what must be unique."""

    email: str
    email_key: str
    password_hash: str
    full_name: str | None
    timezone: str
    week_start: Annotated[int, Field(ge=0, le=6)]
    preferences: Preferences
    is_active: bool
    token_version: Annotated[int, Field(ge=0)]
    timeline_version: Annotated[int, Field(ge=0)]
    created_at: datetime
    updated_at: datetime

    class Settings:
        """The collection and its indexes."""

        name = "users"
        indexes: ClassVar = [IndexModel([("email_key", ASCENDING)], name="one_account_per_email", unique=True)]

    @classmethod
    def new(cls, *, email: str, email_key: str, password_hash: str, full_name: str | None, timezone: str) -> Self:
        """A user who has just registered, not stored yet."""
        now = stored(utc_now())
        return cls(
            id=ObjectId(),
            email=email,
            email_key=email_key,
            password_hash=password_hash,
            full_name=full_name,
            timezone=timezone,
            week_start=0,
            preferences=Preferences(),
            is_active=True,
            token_version=0,
            timeline_version=0,
            created_at=now,
            updated_at=now,
        )

    @classmethod
    async def with_email(cls, email_key: str) -> Row | None:
        """The user of this normalised e-mail address."""
        return await cls._one({"email_key": email_key})

    @classmethod
    async def with_id(cls, user_id: ObjectId) -> Row | None:
        """The user of this id."""
        return await cls._one({"_id": user_id})

    @classmethod
    async def change(cls, user_id: ObjectId, fields: Row) -> Row | None:
        """Sets these fields and no other. Dotted names reach into preferences."""
        return await cls._changed({"_id": user_id}, {"$set": {**fields, "updated_at": stored(utc_now())}})

    @classmethod
    async def change_and_end_sessions(cls, user_id: ObjectId, fields: Row) -> Row | None:
        """Sets these fields, and makes every access token of the user void."""
        return await cls._changed(
            {"_id": user_id},
            {"$set": {**fields, "updated_at": stored(utc_now())}, "$inc": {"token_version": 1}},
        )

    @classmethod
    async def begin_change_of_time(cls, user_id: ObjectId) -> None:
        """Makes the transaction that the caller is in the only one that changes this user's time while it checks it."""
        await cls._matched({"_id": user_id}, {"$inc": {"timeline_version": 1}})
