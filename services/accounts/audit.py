"""The audit trail: what happened to an account, when, and where it was asked for from."""

import asyncio
from typing import Any

import structlog
from bson import ObjectId

from app.request_context import current_request
from documents.accounts.audit_events import AuditEvent, AuditEventName
from services.accounts.schemas.audit import AuditPage, read_audit_event
from services.common.acting_user import ActingUser
from services.common.pagination import newest_first_page
from services.common.values.fields import PageQuery

log = structlog.get_logger()


class AuditService:
    """What happened to the accounts. It can be added to and read, no more."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    async def record(self, user_id: ObjectId, event: AuditEventName, **detail: Any) -> None:
        """Keeps that this happened just now."""
        await AuditEvent.new(user_id, event, current_request(), detail).add()

    def record_soon(self, user_id: ObjectId, event: AuditEventName, **detail: Any) -> None:
        """The same, but the caller does not wait for it: so that nobody can tell by the time whether it was done."""
        writing = asyncio.create_task(self._try_to_record(user_id, event, detail))
        self._under_way.add(writing)
        writing.add_done_callback(self._under_way.discard)

    async def _try_to_record(self, user_id: ObjectId, event: AuditEventName, detail: dict[str, Any]) -> None:
        if not await AuditEvent.new(user_id, event, current_request(), detail).add_if_it_can_be():
            log.warning("unrecorded_event", audit_event=event)

    async def page(self, user: ActingUser, *, query: PageQuery) -> AuditPage:
        """A page of what happened to the user's account, the latest first. Raises InvalidCursorError."""
        found, next_cursor = await newest_first_page(AuditEvent, user.id, query, list_name="audit")
        return {"items": [read_audit_event(event) for event in found], "next_cursor": next_cursor}


audit_service = AuditService()
