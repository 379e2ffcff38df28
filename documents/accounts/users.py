"""Users: their credentials, settings and preferences."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import ASCENDING, IndexModel
from typing_extensions import TypeAliasType

from app.clock import naive_utc, utc_now
from app.database.cancellation import keep_cancellation
from documents.common.base import Row, by_ids
from documents.common.outbox import (
    BY_OUTBOX_SINCE,
    DescribeChanges,
    OutboxDocument,
    OutboxItem,
    describe,
    with_outbox,
)

OverlapPolicy = TypeAliasType("OverlapPolicy", Literal["allow", "warn", "forbid"])
Locale = TypeAliasType("Locale", Literal["en", "de"])
Theme = TypeAliasType("Theme", Literal["system", "light", "dark"])


class Preferences(BaseModel):
    """The rules for time tracking that a user chose, and the settings of the page.

    A setting of the page is absent until the user chooses it.
    """

    overlap_policy: OverlapPolicy = "allow"
    timer_cap_hours: Annotated[int, Field(ge=1)] = 12
    locale: Locale | None = None
    theme: Theme | None = None
    shortcuts: bool | None = None
    snap_minutes: Annotated[int, Field(ge=5, le=60)] | None = None
    idle_minutes: Annotated[int, Field(ge=0, le=240)] | None = None


def without_unset(preferences: Row) -> Row:
    """Return the preferences as they are stored: without those that are None."""
    return {name: value for name, value in preferences.items() if value is not None}


_BATCH_SIZE = 500

_UNCHANGED_FIELDS = ("_id", "updated_at", "email", "full_name", "timezone", "week_start", "preferences")
"""The filter of an update has all of them: two updates within a millisecond have the same `updated_at`."""

BEING_DELETED: Row = {"deleted_at": {"$type": "date"}}
"""The filter for accounts whose deletion has begun and is not finished."""


class User(OutboxDocument):
    """A user. `email` is stored as it was entered; `email_key` is its normalised form, which is unique.

    `deleted_at` is present only while the account is being deleted.

    `pending_changes` are changes that a request makes in several steps and records at its end. It is absent when
    there are none. After a crash, the next start of the service records them.
    """

    owner_field = "_id"

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
    pending_changes: list[OutboxItem] | None = None

    class Settings:
        """The collection and its indexes: the unique e-mail key, unfinished deletions, and the outbox."""

        name = "users"
        indexes: ClassVar = [
            IndexModel([("email_key", ASCENDING)], name="one_account_per_email", unique=True),
            IndexModel([("deleted_at", ASCENDING)], name="being_deleted", partialFilterExpression=BEING_DELETED),
            BY_OUTBOX_SINCE,
        ]

    @classmethod
    def new(cls, *, email: str, email_key: str, password_hash: str, full_name: str | None, timezone: str) -> Self:
        """Return a new user, not stored yet."""
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
        """Return the user as stored. Optional fields are absent where they are None."""
        row = super().as_row()
        row["preferences"] = without_unset(row["preferences"])
        absent = {name for name in ("deleted_at", "pending_changes") if row[name] is None}
        return {name: value for name, value in row.items() if name not in absent}

    @classmethod
    async def find_by_email(cls, *email_keys: str) -> Row | None:
        """Return the user of the first of these e-mail keys that has a user."""
        users = await cls.aggregate_rows([{"$match": {"email_key": {"$in": [*email_keys]}}}])
        return min(users, key=lambda user: email_keys.index(user["email_key"]), default=None)

    @classmethod
    async def find_with_non_ascii_email(cls) -> list[Row]:
        """Return the id, address and key of each account with a non-ASCII e-mail key."""
        return await cls.aggregate_rows(
            [{"$match": {"email_key": {"$regex": r"[^\x00-\x7f]"}}}, {"$project": {"email": 1, "email_key": 1}}]
        )

    @classmethod
    async def change_email_key(cls, user: Row, email_key: str) -> None:
        """Set another e-mail key, unless the key has changed since it was read. Raises DuplicateError."""
        await cls._update_one({"_id": user["_id"], "email_key": user["email_key"]}, {"$set": {"email_key": email_key}})

    @classmethod
    async def find_by_id(cls, user_id: ObjectId) -> Row | None:
        """Return the user with this id, or None."""
        return await cls._find_one({"_id": user_id})

    @classmethod
    async def find_token_versions(cls, user_ids: Collection[ObjectId]) -> dict[ObjectId, int]:
        """Return the token versions of those of these users that are active, by their ids."""
        active = by_ids(user_ids, {"is_active": True})
        users = await cls.aggregate_rows([*active, {"$project": {"token_version": 1}}])
        return {user["_id"]: user["token_version"] for user in users}

    @classmethod
    async def iterate_all(cls) -> AsyncIterator[Row]:
        """Yield the listed fields of all users, oldest first."""
        projection = {"email": 1, "full_name": 1, "is_active": 1, "deleted_at": 1, "created_at": 1}
        cursor = cls.collection().find({}, projection, sort=[("_id", ASCENDING)])
        while rows := await keep_cancellation(cursor.to_list(_BATCH_SIZE)):
            for row in rows:
                yield row

    @classmethod
    async def update_if_unchanged(cls, user: Row, fields: Row, changes: DescribeChanges) -> Row | None:
        """Set these fields of the profile. Return the user, or None when the profile has changed since it was read.

        Raises DuplicateError when another account has the e-mail address.
        """
        values: Row = {**fields, "updated_at": naive_utc(utc_now())}
        updated = {**user, **values}
        is_updated = await cls._update_one(
            {field: user[field] for field in _UNCHANGED_FIELDS},
            with_outbox({"$set": values}, describe(updated, changes)),
        )
        return updated if is_updated else None

    @classmethod
    async def add_pending_change(cls, user_id: ObjectId, item: Row) -> None:
        """Store a change that is recorded later."""
        await cls._update_one({"_id": user_id}, {"$push": {"pending_changes": item}})

    @classmethod
    async def end_pending_change(cls, user_id: ObjectId, item_id: ObjectId, items: Sequence[Row]) -> bool:
        """Remove a pending change, and add these items to the outbox. Return False when it is removed already."""
        pending: Row = {"_id": user_id, "pending_changes.id": item_id}
        only_one: Row = {**pending, "pending_changes": {"$size": 1}}
        if await cls._update_one(only_one, with_outbox({"$unset": {"pending_changes": ""}}, items)):
            return True
        return await cls._update_one(pending, with_outbox({"$pull": {"pending_changes": {"id": item_id}}}, items))

    @classmethod
    async def add_to_outbox(cls, user_id: ObjectId, item: Row) -> None:
        """Add an item to the outbox, unless it is there already because the driver repeats the write."""
        await cls._update_one({"_id": user_id, "outbox.id": {"$ne": item["id"]}}, with_outbox({}, [item]))

    @classmethod
    async def find_with_pending_changes(cls) -> list[Row]:
        """Return the id and the pending changes of each user, of all, who has some."""
        return await cls.aggregate_rows(
            [{"$match": {"pending_changes.0": {"$exists": True}}}, {"$project": {"pending_changes": 1}}]
        )

    @classmethod
    async def update_fields_and_end_sessions(cls, user_id: ObjectId, fields: Row) -> Row | None:
        """Set the given fields, and invalidate all tokens of the user's sessions."""
        return await cls._update_and_read(
            {"_id": user_id},
            {"$set": {**fields, "updated_at": naive_utc(utc_now())}, "$inc": {"token_version": 1}},
        )

    @classmethod
    async def change_password(cls, user: Row, password_hash: str) -> bool:
        """Replace the password hash that was read, and end all sessions. Return False when it has changed since."""
        return await cls._update_one(
            {"_id": user["_id"], "password_hash": user["password_hash"]},
            {
                "$set": {"password_hash": password_hash, "updated_at": naive_utc(utc_now())},
                "$inc": {"token_version": 1},
            },
        )

    @classmethod
    async def upgrade_password_hash(cls, user: Row, password_hash: str) -> None:
        """Replace the password hash that was read by a stronger one of the same password. Sessions continue."""
        await cls._update_one(
            {"_id": user["_id"], "password_hash": user["password_hash"]}, {"$set": {"password_hash": password_hash}}
        )

    @classmethod
    async def begin_deletion(cls, user: Row) -> bool:
        """Disable the account and release its e-mail address.

        Returns False when the deletion has begun already, or the password has changed since it was read.
        """
        now = naive_utc(utc_now())
        fields = {"is_active": False, "email_key": f"deleted {user['_id']}", "deleted_at": now, "updated_at": now}
        return await cls._update_one(
            {"_id": user["_id"], "password_hash": user["password_hash"], "is_active": True},
            {"$set": fields, "$inc": {"token_version": 1}},
        )

    @classmethod
    async def end_deletion(cls, user_id: ObjectId) -> None:
        """Delete the account as the last step, when nothing else is left of it."""
        await cls._delete_one({"_id": user_id, **BEING_DELETED})

    @classmethod
    async def find_being_deleted(cls) -> list[Row]:
        """Return the ids of the accounts whose deletion has begun and is not finished."""
        return await cls.aggregate_rows([{"$match": BEING_DELETED}, {"$project": {"_id": 1}}])

    @classmethod
    async def lock(cls, user_id: ObjectId) -> bool:
        """Make the caller's transaction conflict with a deletion of the account. False if the deletion has begun."""
        return await cls._update_one({"_id": user_id, "deleted_at": None}, {"$inc": {"timeline_version": 1}})

    @classmethod
    async def lock_timeline(cls, user_id: ObjectId) -> None:
        """Serialise the current transaction with all others that change this user's time entries.

        Two such transactions write to the same document, so one of them is aborted and retried.
        """
        await cls._update_one({"_id": user_id}, {"$inc": {"timeline_version": 1}})
