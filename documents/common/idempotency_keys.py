"""Idempotency keys: the requests that were sent with one, and their responses."""

import secrets
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from app.clock import EPOCH, naive_utc, utc_now
from documents.common.base import Row, StoredDocument

RETENTION = timedelta(hours=24)
LOCK_TIMEOUT = timedelta(seconds=30)
"""A lock that is older was left by a process that died or hangs. A retry may then acquire it."""

_RELEASED_AT = EPOCH


class IdempotencyKey(StoredDocument):
    """An idempotency key of a user. All attempts of a request derive the ids of new documents from `seed`.

    `taken_at` is the time of the lock, `subject` the entry that the request is going to end, and `done` the
    results of the parts completed so far. `answer` is the response; it is null until the request is complete.
    """

    user_id: PydanticObjectId
    key: str
    fingerprint: str
    seed: str
    taken_at: datetime
    subject: PydanticObjectId | None
    done: list[dict[str, Any]]
    answer: dict[str, Any] | None
    created_at: datetime

    class Settings:
        """The collection and its indexes: a unique index on user and key, and a TTL index."""

        name = "idempotency_keys"
        indexes: ClassVar = [
            IndexModel([("user_id", ASCENDING), ("key", ASCENDING)], name="one_request_per_key", unique=True),
            IndexModel(
                [("created_at", ASCENDING)], name="kept_24_hours", expireAfterSeconds=int(RETENTION.total_seconds())
            ),
        ]

    @classmethod
    def new(cls, user_id: ObjectId, *, key: str, fingerprint: str) -> Self:
        """Return a key that the caller has locked, not stored yet."""
        now = naive_utc(utc_now())
        return cls(
            id=ObjectId(),
            user_id=user_id,
            key=key,
            fingerprint=fingerprint,
            seed=secrets.token_hex(16),
            taken_at=now,
            subject=None,
            done=[],
            answer=None,
            created_at=now,
        )

    @classmethod
    async def find_by_key(cls, user_id: ObjectId, key: str) -> Row | None:
        """Return the stored key, which may have expired."""
        return await cls._find_one({"user_id": user_id, "key": key})

    @classmethod
    def is_expired(cls, stored: Row) -> bool:
        """Return whether the retention is over. The key may not have been removed yet."""
        return bool(stored["created_at"] <= naive_utc(utc_now() - RETENTION))

    @classmethod
    def is_in_progress(cls, stored: Row) -> bool:
        """Return whether an attempt holds the lock and has not stored a response yet."""
        return stored["answer"] is None and stored["taken_at"] > naive_utc(utc_now() - LOCK_TIMEOUT)

    @classmethod
    async def acquire(cls, stored: Row) -> Row | None:
        """Lock the key and return it, or None when another attempt has locked it first."""
        now = naive_utc(utc_now())
        if not await cls._update_one(_lock_filter(stored), {"$set": {"taken_at": now}}):
            return None
        return {**stored, "taken_at": now}

    @classmethod
    async def save_subject(cls, locked: Row, subject: ObjectId) -> None:
        """Store the id of the entry that the request is going to end."""
        await cls._update_one(_lock_filter(locked), {"$set": {"subject": subject}})

    @classmethod
    async def save_part(cls, locked: Row, part: dict[str, Any]) -> bool:
        """Store the result of the next part and renew the lock, also in `locked`.

        Returns False when another attempt has acquired the lock.
        """
        now = naive_utc(utc_now())
        is_saved = await cls._update_one(_lock_filter(locked), {"$push": {"done": part}, "$set": {"taken_at": now}})
        if is_saved:
            locked["taken_at"] = now
        return is_saved

    @classmethod
    async def save_response(cls, locked: Row, response: dict[str, Any]) -> bool:
        """Store the response. Returns False when another attempt has acquired the lock."""
        return await cls._update_one(_lock_filter(locked), {"$set": {"answer": response, "done": []}})

    @classmethod
    async def release(cls, locked: Row) -> None:
        """Release the lock, so that a retry can acquire it at once."""
        await cls._update_one(_lock_filter(locked), {"$set": {"taken_at": _RELEASED_AT}})

    @classmethod
    async def discard(cls, stored: Row) -> None:
        """Delete the key, so that it can be used again."""
        await cls._delete_one(_lock_filter(stored))


def _lock_filter(stored: Row) -> Row:
    """Return the filter that matches the key as long as nobody else has locked it since it was read."""
    return {field: stored[field] for field in ("_id", "user_id", "taken_at")}
