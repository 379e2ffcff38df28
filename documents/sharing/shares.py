"""Shares: reports that anybody can read who has the secret of the share."""

from datetime import datetime
from typing import Any, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument


class Share(StoredDocument):
    """A report of a user that is public under a secret. Only the SHA-256 of the secret is stored.

    `report` is the query of the report, as the API shows it. A share is never changed.
    """

    user_id: PydanticObjectId
    name: str
    report: dict[str, Any]
    include_notes: bool
    secret_hash: str
    expires_at: datetime | None
    created_at: datetime

    class Settings:
        """The collection and its indexes: by hash, by user, and a TTL index."""

        name = "shares"
        indexes: ClassVar = [
            IndexModel([("secret_hash", ASCENDING)], name="one_share_per_hash", unique=True),
            IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)], name="by_user"),
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0),
        ]

    @classmethod
    def new(
        cls,
        user_id: ObjectId,
        share_id: ObjectId,
        *,
        name: str,
        report: Row,
        include_notes: bool,
        secret_hash: str,
        expires_at: datetime | None,
    ) -> Self:
        """Return a new share, not stored yet."""
        return cls(
            id=PydanticObjectId(share_id),
            user_id=PydanticObjectId(user_id),
            name=name,
            report=report,
            include_notes=include_notes,
            secret_hash=secret_hash,
            expires_at=None if expires_at is None else naive_utc(expires_at),
            created_at=naive_utc(utc_now()),
        )

    @classmethod
    async def find_by_hash(cls, secret_hash: str) -> Row | None:
        """Return the share with this hash, which may have expired."""
        return await cls._find_one({"secret_hash": secret_hash})
