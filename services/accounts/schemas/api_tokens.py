"""The request and response models of API tokens."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import rfc3339
from app.security.scopes import Scope
from services.common.values.fields import Id, Instant, NextCursor, RequestModel, Timestamp
from services.common.values.texts import Text, normalize_line

_EXAMPLE: JsonDict = {"name": "Status bar", "scopes": ["read", "timer"], "expires_at": "2027-11-18T00:00:00Z"}
_READ_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182950",
    "name": "Status bar",
    "prefix": "task_timer_api_5d1e3f",
    "scopes": ["read", "timer"],
    "expires_at": "2027-11-18T00:00:00Z",
    "last_used_at": None,
    "created_at": "2026-11-18T08:59:02.345Z",
}

TokenName = Annotated[str, Text(normalize_line, 100, min_length=1)]


def _unique(scopes: list[Scope]) -> list[Scope]:
    return list(dict.fromkeys(scopes))


class ApiTokenCreate(RequestModel):
    """An API token to create."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: TokenName
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=10), AfterValidator(_unique)]
    expires_at: Instant | None = Field(default=None, description="Default: it does not expire.")


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class ApiTokenRead(TypedDict):
    """An API token, without its secret."""

    id: Id
    name: str
    prefix: Annotated[str, Field(description="First characters of the token, to recognise it.")]
    scopes: list[Scope]
    expires_at: Timestamp | None
    last_used_at: Annotated[Timestamp | None, Field(description="Accurate to about a minute.")]
    created_at: Timestamp


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{**_READ_EXAMPLE, "token": "task_timer_api_5d1e3f49680c7a..."}]},
    )
)
class ApiTokenCreated(ApiTokenRead):
    """A new API token with its secret, which is not shown again."""

    token: str


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_READ_EXAMPLE], "next_cursor": None}]})
)
class ApiTokenPage(TypedDict):
    """A page of API tokens."""

    items: list[ApiTokenRead]
    next_cursor: NextCursor


def read_api_token(token: dict[str, Any]) -> ApiTokenRead:
    """Return the response model of a stored token."""
    expires_at, last_used_at = token["expires_at"], token["last_used_at"]
    return {
        "id": str(token["_id"]),
        "name": token["name"],
        "prefix": token["prefix"],
        "scopes": token["scopes"],
        "expires_at": rfc3339(expires_at) if expires_at else None,
        "last_used_at": rfc3339(last_used_at) if last_used_at else None,
        "created_at": rfc3339(token["created_at"]),
    }
