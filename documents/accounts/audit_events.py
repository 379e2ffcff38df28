"""Audit events: what happened to an account. They are never changed, and expire."""

from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import PyMongoError
from typing_extensions import TypeAliasType

from app.clock import naive_utc, utc_now
from app.errors import DatabaseUnavailableError
from app.request_context import RequestContext
from documents.common.base import StoredDocument
from documents.common.ordered_ids import new_ordered_id

AuditEventName = TypeAliasType(
    "AuditEventName",
    Literal[
        "signed_in",
        "sign_in_failed",
        "token_refreshed",
        "signed_out",
        "session_revoked",
        "password_changed",
        "email_changed",
        "api_token_created",
        "api_token_revoked",
        "calendar_feed_created",
        "calendar_feed_revoked",
        "share_created",
        "share_revoked",
        "webhook_created",
        "webhook_secret_rotated",
        "webhook_deleted",
        "exported",
        "imported",
        "account_deleted",
    ],
)


class AuditEvent(StoredDocument):
    """An event, with the client address, user agent and id of the request that caused it."""

    user_id: PydanticObjectId
    event: AuditEventName
    at: datetime
    address: str
    user_agent: str
    request_id: str
    detail: dict[str, Any]
    expires_at: datetime

    class Settings:
        """The collection and its indexes: by user, and a TTL index."""

        name = "audit_events"
        indexes: ClassVar = [
            IndexModel([("user_id", ASCENDING), ("_id", DESCENDING)], name="by_user"),
            IndexModel([("expires_at", ASCENDING)], name="kept_until_it_expires", expireAfterSeconds=0),
        ]

    @classmethod
    def new(cls, user_id: ObjectId, event: AuditEventName, origin: RequestContext, detail: dict[str, Any]) -> Self:
        """Return an event that happens now, not stored yet."""
        now = utc_now()
        return cls(
            id=new_ordered_id(),
            user_id=PydanticObjectId(user_id),
            event=event,
            at=naive_utc(now),
            address=origin.address,
            user_agent=origin.user_agent,
            request_id=origin.request_id,
            detail=detail,
            expires_at=naive_utc(now + origin.audit_retention),
        )

    async def try_add(self) -> bool:
        """Insert the event. Return False instead of raising an error when the database fails."""
        try:
            await self.add()
        except (PyMongoError, DatabaseUnavailableError):
            return False
        return True
