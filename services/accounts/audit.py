"""The audit trail: what happened to an account, when, and from which client."""

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
    """The audit events of accounts. They can be added and read, but not changed."""

    def __init__(self) -> None:
        self._background_tasks: set[asyncio.Task[None]] = set()

    async def record(self, user_id: ObjectId, event: AuditEventName, **detail: Any) -> None:
        """Record an event that happens now."""
        await AuditEvent.new(user_id, event, current_request(), detail).add()

    def record_in_background(self, user_id: ObjectId, event: AuditEventName, **detail: Any) -> None:
        """Record an event without waiting, so that the response time does not reveal whether one was recorded."""
        task = asyncio.create_task(self._try_to_record(user_id, event, detail))
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)

    async def _try_to_record(self, user_id: ObjectId, event: AuditEventName, detail: dict[str, Any]) -> None:
        if not await AuditEvent.new(user_id, event, current_request(), detail).try_add():
            log.warning("unrecorded_event", audit_event=event)

    async def list_events(self, user: ActingUser, *, query: PageQuery) -> AuditPage:
        """Return a page of the user's audit events, newest first. Raises InvalidCursorError."""
        events, next_cursor = await newest_first_page(AuditEvent, user.id, query, list_name="audit")
        return {"items": [read_audit_event(event) for event in events], "next_cursor": next_cursor}


audit_service = AuditService()
