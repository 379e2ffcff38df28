"""The response models of audit events."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import rfc3339
from documents.accounts.audit_events import AuditEventName
from services.common.values.fields import Id, NextCursor, Timestamp

_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182960",
    "event": "signed_in",
    "at": "2026-11-18T08:58:04.311Z",
    "address": "203.0.113.7",
    "user_agent": "curl/8.5.0",
    "request_id": "5f0c7c1e9f0b4a1c8a53d7f4a86f0c11",
    "detail": {},
}


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]}))
class AuditEventRead(TypedDict):
    """An event in the history of the account."""

    id: Id
    event: AuditEventName
    at: Timestamp
    address: Annotated[str, Field(description="Network address of the client; empty for a command line.")]
    user_agent: str
    request_id: str
    detail: Annotated[dict[str, Any], Field(description="Further data, depending on the event.")]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_EXAMPLE], "next_cursor": None}]}))
class AuditPage(TypedDict):
    """A page of audit events."""

    items: list[AuditEventRead]
    next_cursor: NextCursor


def read_audit_event(event: dict[str, Any]) -> AuditEventRead:
    """Return the response model of a stored event."""
    return {
        "id": str(event["_id"]),
        "event": event["event"],
        "at": rfc3339(event["at"]),
        "address": event["address"],
        "user_agent": event["user_agent"],
        "request_id": event["request_id"],
        "detail": event["detail"],
    }
