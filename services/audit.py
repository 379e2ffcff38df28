"""The audit trail: what happened to an account, when, and where it was asked for from."""

import asyncio
from typing import Any

import structlog
from bson import ObjectId

from app.origins import origin
from documents.audit_events import AuditEvent, AuditEventName
from services.authentication import ActingUser
from services.cursors import Position, cut, decode_cursor, scope_of
from services.schemas.audit import AuditPage, AuditQuery, read_audit_event

log = structlog.get_logger()


class AuditService:
    """What happened to the accounts. It can be added to and read, no more."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    async def record(self, user_id: ObjectId, event: AuditEventName, **detail: Any) -> None:
        """Keeps that this happened just now."""
        await AuditEvent.new(user_id, event, origin(), detail).add()

    def record_soon(self, user_id: ObjectId, event: AuditEventName, **detail: Any) -> None:
        """The same, but the caller does not wait for it: so that nobody can tell by the time whether it was done."""
        writing = asyncio.create_task(self._try_to_record(user_id, event, detail))
        self._under_way.add(writing)
        writing.add_done_callback(self._under_way.discard)

    async def _try_to_record(self, user_id: ObjectId, event: AuditEventName, detail: dict[str, Any]) -> None:
        if not await AuditEvent.new(user_id, event, origin(), detail).add_if_it_can_be():
            log.warning("unrecorded_event", audit_event=event)

    async def page(self, user: ActingUser, *, query: AuditQuery) -> AuditPage:
        """A page of what happened to the user's account, the latest first. Raises InvalidCursorError."""
        scope = scope_of("audit", user.id, query)
        after = None if query.cursor is None else decode_cursor(query.cursor, scope=scope).value
        found = await AuditEvent.page(user.id, after=after, limit=query.limit + 1)
        items, next_cursor = cut(found, limit=query.limit, position=lambda event: Position(event["_id"]), scope=scope)
        return {"items": [read_audit_event(event) for event in items], "next_cursor": next_cursor}


audit_service = AuditService()
