"""Users: who may sign in, and how they like their time kept."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import ASCENDING, IndexModel
from typing_extensions import TypeAliasType

from app.clock import naive_utc, utc_now
from app.database.deadlines import with_deadline
from documents.common.base import Row, StoredDocument

OverlapPolicy = TypeAliasType("OverlapPolicy", Literal["allow", "warn", "forbid"])


class Preferences(BaseModel):
    """What a user chose of the rules."""

    overlap_policy: OverlapPolicy = "allow"
    timer_cap_hours: Annotated[int, Field(ge=1)] = 12


_AT_ONCE = 500

BEING_DELETED: Row = {"deleted_at": {"$type": "date"}}
"""What tells an account that is gone for everybody, though not all of it has been removed yet."""


class User(StoredDocument):
    """A user. `email` is as typed; `email_key` is what must be unique.

    `deleted_at` is there only while the account is being deleted.
    """

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
    deleted_at: datetime | None = None

    class Settings:
        """The collection and its indexes: one a promise, one for deletions to be found again."""

        name = "users"
        indexes: ClassVar = [
            IndexModel([("email_key", ASCENDING)], name="one_account_per_email", unique=True),
            IndexModel([("deleted_at", ASCENDING)], name="being_deleted", partialFilterExpression=BEING_DELETED),
        ]

    @classmethod
    def new(cls, *, email: str, email_key: str, password_hash: str, full_name: str | None, timezone: str) -> Self:
        """A user who has just registered, not stored yet."""
        now = naive_utc(utc_now())
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

    def as_row(self) -> Row:
        """The user as stored: `deleted_at` is there only while the account is being deleted."""
        row = super().as_row()
        if row["deleted_at"] is None:
            del row["deleted_at"]
        return row

    @classmethod
    async def with_email(cls, *email_keys: str) -> Row | None:
        """The user who is stored under one of these normalised e-mail addresses: the first that has a user."""
        found = await cls.aggregate_rows([{"$match": {"email_key": {"$in": [*email_keys]}}}])
        return min(found, key=lambda user: email_keys.index(user["email_key"]), default=None)

    @classmethod
    async def all_beyond_ascii(cls) -> list[Row]:
        """The ids, addresses and keys of the accounts whose address needs more than ASCII."""
        return await cls.aggregate_rows(
            [{"$match": {"email_key": {"$regex": r"[^\x00-\x7f]"}}}, {"$project": {"email": 1, "email_key": 1}}]
        )

    @classmethod
    async def change_email_key(cls, user: Row, email_key: str) -> None:
        """Stores the account under another key, unless it has got another one since. Raises DuplicateError."""
        await cls._update_one({"_id": user["_id"], "email_key": user["email_key"]}, {"$set": {"email_key": email_key}})

    @classmethod
    async def with_id(cls, user_id: ObjectId) -> Row | None:
        """The user of this id."""
        return await cls._find_one({"_id": user_id})

    @classmethod
    async def each(cls) -> AsyncIterator[Row]:
        """What a list tells of all users, the oldest first."""
        shown = {"email": 1, "full_name": 1, "is_active": 1, "deleted_at": 1, "created_at": 1}
        found = cls.collection().find({}, shown, sort=[("_id", ASCENDING)])
        while rows := await with_deadline(found.to_list(_AT_ONCE)):
            for row in rows:
                yield row

    @classmethod
    async def change(cls, user_id: ObjectId, fields: Row) -> Row | None:
        """Sets these fields and no other. Dotted names reach into preferences."""
        return await cls._update_and_read({"_id": user_id}, {"$set": {**fields, "updated_at": naive_utc(utc_now())}})

    @classmethod
    async def change_and_end_sessions(cls, user_id: ObjectId, fields: Row) -> Row | None:
        """Sets these fields, and makes every access token of the user void."""
        return await cls._update_and_read(
            {"_id": user_id},
            {"$set": {**fields, "updated_at": naive_utc(utc_now())}, "$inc": {"token_version": 1}},
        )

    @classmethod
    async def change_password(cls, user: Row, password_hash: str) -> bool:
        """Puts a new hash in the place of the one that was read, and ends all sessions; False when it has changed."""
        return await cls._update_one(
            {"_id": user["_id"], "password_hash": user["password_hash"]},
            {
                "$set": {"password_hash": password_hash, "updated_at": naive_utc(utc_now())},
                "$inc": {"token_version": 1},
            },
        )

    @classmethod
    async def renew_hash(cls, user: Row, password_hash: str) -> None:
        """Puts a better hash of the same password in the place of the one that was read. No session ends."""
        await cls._update_one(
            {"_id": user["_id"], "password_hash": user["password_hash"]}, {"$set": {"password_hash": password_hash}}
        )

    @classmethod
    async def begin_deletion(cls, user: Row) -> bool:
        """Keeps the user out and frees the address; False when it was done already, or the password has changed."""
        now = naive_utc(utc_now())
        gone = {"is_active": False, "email_key": f"deleted {user['_id']}", "deleted_at": now, "updated_at": now}
        return await cls._update_one(
            {"_id": user["_id"], "password_hash": user["password_hash"], "is_active": True},
            {"$set": gone, "$inc": {"token_version": 1}},
        )

    @classmethod
    async def end_deletion(cls, user_id: ObjectId) -> None:
        """Removes an account that is being deleted, once nothing else is left of it."""
        await cls._delete_one({"_id": user_id, **BEING_DELETED})

    @classmethod
    async def find_being_deleted(cls) -> list[Row]:
        """The ids of the accounts whose deletion has begun and not ended."""
        return await cls.aggregate_rows([{"$match": BEING_DELETED}, {"$project": {"_id": 1}}])

    @classmethod
    async def lock(cls, user_id: ObjectId) -> bool:
        """Make the caller's transaction conflict with a deletion of the account. False if the deletion has begun."""
        return await cls._update_one({"_id": user_id, "deleted_at": None}, {"$inc": {"timeline_version": 1}})

    @classmethod
    async def begin_change_of_time(cls, user_id: ObjectId) -> None:
        """Makes the transaction that the caller is in the only one that changes this user's time while it checks it."""
        await cls._update_one({"_id": user_id}, {"$inc": {"timeline_version": 1}})
