"""Webhooks: the addresses to which a user's changes are sent."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel
from typing_extensions import TypeAliasType

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument
from documents.common.change_types import CHANGE_TYPES, ChangeType

MAX_WEBHOOKS = 20
"""The limit of a user."""

DisabledReason = TypeAliasType("DisabledReason", Literal["delivery_failed", "gone", "secret_unreadable"])
"""Why the service deactivated a webhook: every attempt of a delivery failed, the receiver answered 410, or SECRET_KEY
has changed, so that the secret cannot be decrypted."""


class Webhook(StoredDocument):
    """A webhook of a user.

    `types` is null when the webhook gets changes of every type. `secret` is encrypted, see
    app/security/webhook_secrets.py. `previous_secret` signs as well until `previous_secret_until`.
    `cursor_seq` is the seq of the last change that was turned into a delivery, or skipped because of its type.
    `slot` is a number that only one webhook of the user has, so that concurrent requests cannot exceed the limit.
    """

    user_id: PydanticObjectId
    slot: Annotated[int, Field(ge=0, le=MAX_WEBHOOKS - 1)]
    url: str
    types: Annotated[list[ChangeType], Field(min_length=1, max_length=len(CHANGE_TYPES))] | None
    description: str | None
    active: bool
    disabled_reason: DisabledReason | None
    secret: bytes
    previous_secret: bytes | None
    previous_secret_until: datetime | None
    cursor_seq: Annotated[int, Field(ge=0)]
    created_at: datetime
    updated_at: datetime

    class Settings:
        """The collection and its indexes: by user, with one webhook in each slot, and the active ones of all users."""

        name = "webhooks"
        indexes: ClassVar = [
            IndexModel([("user_id", ASCENDING), ("slot", ASCENDING)], name="one_webhook_per_slot", unique=True),
            IndexModel([("active", ASCENDING), ("user_id", ASCENDING)], name="by_active"),
        ]

    @classmethod
    def new(
        cls,
        user_id: ObjectId,
        webhook_id: ObjectId,
        *,
        slot: int,
        url: str,
        types: list[ChangeType] | None,
        description: str | None,
        secret: bytes,
        cursor_seq: int,
    ) -> Self:
        """Return a new, active webhook, not stored yet."""
        now = naive_utc(utc_now())
        return cls(
            id=PydanticObjectId(webhook_id),
            user_id=PydanticObjectId(user_id),
            slot=slot,
            url=url,
            types=types,
            description=description,
            active=True,
            disabled_reason=None,
            secret=secret,
            previous_secret=None,
            previous_secret_until=None,
            cursor_seq=cursor_seq,
            created_at=now,
            updated_at=now,
        )

    @classmethod
    async def find_of_user(cls, user_id: ObjectId) -> list[Row]:
        """Return all webhooks of a user, newest first."""
        return await cls.aggregate_rows([{"$match": {"user_id": user_id}}, {"$sort": {"_id": -1}}])

    @classmethod
    async def find_by_id(cls, user_id: ObjectId, webhook_id: ObjectId) -> Row | None:
        """Return a webhook of the user."""
        return await cls._find_by_id(webhook_id, {"user_id": user_id})

    @classmethod
    async def find_active_of(cls, user_ids: list[ObjectId]) -> list[Row]:
        """Return the active webhooks of these users."""
        return await cls.aggregate_rows(
            [{"$match": {"active": True, "user_id": {"$in": user_ids}}}, {"$sort": {"_id": 1}}]
        )

    @classmethod
    async def change(cls, user_id: ObjectId, webhook_id: ObjectId, fields: dict[str, Any]) -> Row | None:
        """Set these fields and return the webhook, or None when it does not exist."""
        return await cls._update_and_read(
            {"_id": webhook_id, "user_id": user_id}, {"$set": {**fields, "updated_at": naive_utc(utc_now())}}
        )

    @classmethod
    async def rotate_secret(cls, webhook: Row, secret: bytes, *, previous_until: datetime | None) -> Row | None:
        """Replace the secret, and keep the previous one until then. Without a time it is dropped.

        Returns None when the webhook was deleted, or another request has replaced the secret first.
        """
        fields = {
            "secret": secret,
            "previous_secret": None if previous_until is None else webhook["secret"],
            "previous_secret_until": None if previous_until is None else naive_utc(previous_until),
            "updated_at": naive_utc(utc_now()),
        }
        identity = {field: webhook[field] for field in ("_id", "user_id", "secret")}
        if not await cls._update_one(identity, {"$set": fields}):
            return None
        return await cls.find_by_id(webhook["user_id"], webhook["_id"])

    @classmethod
    async def advance(cls, webhook: Row, seq: int) -> bool:
        """Record that the changes up to `seq` have been turned into deliveries.

        Returns False when the webhook was deleted or deactivated, or when another process has advanced it.
        """
        current = {field: webhook[field] for field in ("_id", "user_id", "cursor_seq")}
        return await cls._update_one({**current, "active": True}, {"$set": {"cursor_seq": seq}})

    @classmethod
    async def disable(cls, user_id: ObjectId, webhook_id: ObjectId, reason: DisabledReason) -> bool:
        """Deactivate the webhook for this reason. Return False when it does not exist or is not active."""
        return await cls._update_one(
            {"_id": webhook_id, "user_id": user_id, "active": True},
            {"$set": {"active": False, "disabled_reason": reason, "updated_at": naive_utc(utc_now())}},
        )
