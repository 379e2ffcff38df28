"""Requests that carry an Idempotency-Key: what they were, and what they were answered."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument

RETENTION = timedelta(hours=24)
LOCK_TIMEOUT = timedelta(seconds=30)
"""How long a request may be under way before its retry does the work: whoever was at it has died."""

_LONG_AGO = naive_utc(datetime(1970, 1, 1, tzinfo=UTC))


class IdempotencyKey(StoredDocument):
    """One key of a user. The ids of whatever the request makes derive from `seed`, at every try of it.

    `subject` is the entry that the work is about to end, `done` what was answered to its parts so far;
    `answer` is there once all of it is done.
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
        """The collection and its indexes: one that keeps a key unique, one that ends it."""

        name = "idempotency_keys"
        indexes: ClassVar = [
            IndexModel([("user_id", ASCENDING), ("key", ASCENDING)], name="one_request_per_key", unique=True),
            IndexModel(
                [("created_at", ASCENDING)], name="kept_24_hours", expireAfterSeconds=int(RETENTION.total_seconds())
            ),
        ]

    @classmethod
    def new(cls, user_id: ObjectId, *, key: str, fingerprint: str) -> Self:
        """The key of a request that begins now, not stored yet."""
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
        """The key as it was used before, its time over or not."""
        return await cls._find_one({"user_id": user_id, "key": key})

    @classmethod
    def is_expired(cls, known: Row) -> bool:
        """Whether its 24 hours are over, though the database may not have removed it yet."""
        return bool(known["created_at"] <= naive_utc(utc_now() - RETENTION))

    @classmethod
    def is_in_progress(cls, known: Row) -> bool:
        """Whether somebody is at it, as far as can be told."""
        return known["answer"] is None and known["taken_at"] > naive_utc(utc_now() - LOCK_TIMEOUT)

    @classmethod
    async def acquire(cls, known: Row) -> Row | None:
        """The key in the hands of the caller; None when another retry was faster."""
        now = naive_utc(utc_now())
        if not await cls._update_one(_hold_on(known), {"$set": {"taken_at": now}}):
            return None
        return {**known, "taken_at": now}

    @classmethod
    async def save_subject(cls, held: Row, subject: ObjectId) -> None:
        """Keeps which entry the work is about to end."""
        await cls._update_one(_hold_on(held), {"$set": {"subject": subject}})

    @classmethod
    async def save_part(cls, held: Row, part: dict[str, Any]) -> bool:
        """Keeps what the next part of the request was answered, and holds the key as if it was taken just now.

        `held` says so then. False when another try has taken the key over.
        """
        now = naive_utc(utc_now())
        kept = await cls._update_one(_hold_on(held), {"$push": {"done": part}, "$set": {"taken_at": now}})
        if kept:
            held["taken_at"] = now
        return kept

    @classmethod
    async def save_response(cls, held: Row, answer: dict[str, Any]) -> bool:
        """Keeps what the request was answered; False when another try has taken the key over."""
        return await cls._update_one(_hold_on(held), {"$set": {"answer": answer, "done": []}})

    @classmethod
    async def release(cls, held: Row) -> None:
        """Leaves the work, done or not, to the next try."""
        await cls._update_one(_hold_on(held), {"$set": {"taken_at": _LONG_AGO}})

    @classmethod
    async def discard(cls, held: Row) -> None:
        """Makes the key as if it had never been used."""
        await cls._delete_one(_hold_on(held))


def _hold_on(known: Row) -> Row:
    return {field: known[field] for field in ("_id", "user_id", "taken_at")}
