"""The response models of sessions."""

from typing import Annotated, Any

from bson import ObjectId
from pydantic import ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import rfc3339
from services.common.values.fields import Id, NextCursor, Timestamp

_READ_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182930",
    "created_at": "2026-11-18T08:58:03.120Z",
    "last_used_at": "2026-11-18T10:28:03.417Z",
    "expires_at": "2026-12-18T10:28:03.417Z",
    "address": "192.0.2.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "current": True,
}


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class SessionRead(TypedDict):
    """A session. Address and user agent are null if an earlier version of the service created it."""

    id: Id
    created_at: Timestamp
    last_used_at: Annotated[Timestamp, Field(description="The sign-in or the last refresh.")]
    expires_at: Annotated[Timestamp, Field(description="When it ends, unless it is refreshed before.")]
    address: Annotated[str | None, Field(description="The address of the last use.")]
    user_agent: Annotated[str | None, Field(description="The user agent of the last use.")]
    current: Annotated[bool, Field(description="Whether it is the session of this request.")]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_READ_EXAMPLE], "next_cursor": None}]})
)
class SessionPage(TypedDict):
    """A page of sessions."""

    items: list[SessionRead]
    next_cursor: NextCursor


def read_session(session: dict[str, Any], *, current_id: ObjectId | None) -> SessionRead:
    """Return the response model of a stored session."""
    return {
        "id": str(session["_id"]),
        "created_at": rfc3339(session["created_at"]),
        "last_used_at": rfc3339(session["updated_at"]),
        "expires_at": rfc3339(session["expires_at"]),
        "address": session.get("address"),
        "user_agent": session.get("user_agent"),
        "current": session["_id"] == current_id,
    }
