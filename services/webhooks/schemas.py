"""The request and response models of webhooks and their deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import rfc3339
from app.json_bytes import to_json
from documents.common.change_types import ChangeType
from documents.webhooks.deliveries import DeliveryStatus
from documents.webhooks.webhooks import DisabledReason
from services.common.values.fields import Id, NextCursor, RequestModel, Timestamp
from services.common.values.texts import Text, normalize_line
from services.webhooks.urls import MAX_URL_LENGTH

_EXAMPLE: JsonDict = {
    "url": "https://hooks.example.com/task-timer",
    "types": ["timer.started", "timer.stopped"],
    "description": "Status light",
}
_READ_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182970",
    **_EXAMPLE,
    "active": True,
    "disabled_reason": None,
    "previous_secret_until": None,
    "created_at": "2026-11-18T08:59:02.345Z",
    "updated_at": "2026-11-18T08:59:02.345Z",
}
_DELIVERY_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182971",
    "change_id": "6920a3f1c2d4e5f607182972",
    "type": "timer.started",
    "status": "pending",
    "attempts": [{"at": "2026-11-18T09:00:00.512Z", "status_code": 503, "milliseconds": 84, "error": None}],
    "next_attempt_at": "2026-11-18T09:00:05.871Z",
}


def _unique(types: list[ChangeType]) -> list[ChangeType]:
    return list(dict.fromkeys(types))


Url = Annotated[
    str, Field(max_length=MAX_URL_LENGTH, description="Where changes are sent to: https, and a public host.")
]
Types = Annotated[list[ChangeType], Field(min_length=1, max_length=100), AfterValidator(_unique)]
WebhookDescription = Annotated[str, Text(normalize_line, 200, min_length=1)]


class WebhookCreate(RequestModel):
    """A webhook to create."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    url: Url
    types: Types | None = Field(default=None, description="The types of changes to send. Default: all.")
    description: WebhookDescription | None = None


class WebhookUpdate(RequestModel):
    """A JSON merge patch (RFC 7396) of a webhook. null clears a nullable field."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": True}]})

    # A field that cannot be null has no null in its type. The default of a missing field is never read.
    url: Url = Field(default_factory=str)
    types: Types | None = Field(
        default_factory=lambda: None, description="The types of changes to send, from the next one on. null: all."
    )
    description: WebhookDescription | None = Field(default_factory=lambda: None)
    active: bool = Field(default_factory=bool)


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class WebhookRead(TypedDict):
    """A webhook, without its secret."""

    id: Id
    url: str
    types: Annotated[list[ChangeType] | None, Field(description="null: changes of all types.")]
    description: str | None
    active: bool
    disabled_reason: Annotated[
        DisabledReason | None, Field(description="Why the service has deactivated it; null if it has not.")
    ]
    previous_secret_until: Annotated[
        Timestamp | None, Field(description="Until then the secret before the current one signs as well.")
    ]
    created_at: Timestamp
    updated_at: Timestamp


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{**_READ_EXAMPLE, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD..."}]},
    )
)
class WebhookWithSecret(WebhookRead):
    """A webhook with a new secret, which is not shown again."""

    secret: Annotated[str, Field(description="Signs each request (Standard Webhooks 1.0).")]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_READ_EXAMPLE], "next_cursor": None}]})
)
class WebhookPage(TypedDict):
    """A page of webhooks."""

    items: list[WebhookRead]
    next_cursor: NextCursor


@with_config(ConfigDict(extra="forbid"))
class AttemptRead(TypedDict):
    """A request to the receiver, and its response."""

    at: Timestamp
    status_code: Annotated[int | None, Field(description="The status of the response; null without a response.")]
    milliseconds: Annotated[int, Field(description="How long the attempt took.")]
    error: Annotated[str | None, Field(description="Why there was no response, or why it is not accepted.")]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_DELIVERY_EXAMPLE]}))
class DeliveryRead(TypedDict):
    """The delivery of a change or of a test."""

    id: Annotated[Id, Field(description="The header webhook-id of each attempt.")]
    change_id: Annotated[Id | None, Field(description="The id of the change; null for a test.")]
    type: ChangeType | Literal["webhook.test"]
    status: DeliveryStatus
    attempts: Annotated[list[AttemptRead], Field(description="The newest 20 attempts, in the order of time.")]
    next_attempt_at: Annotated[Timestamp | None, Field(description="null unless the status is pending.")]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_DELIVERY_EXAMPLE], "next_cursor": None}]})
)
class DeliveryPage(TypedDict):
    """A page of deliveries."""

    items: list[DeliveryRead]
    next_cursor: NextCursor


def read_webhook(webhook: dict[str, Any]) -> WebhookRead:
    """Return the response model of a stored webhook."""
    previous_secret_until = webhook["previous_secret_until"]
    return {
        "id": str(webhook["_id"]),
        "url": webhook["url"],
        "types": webhook["types"],
        "description": webhook["description"],
        "active": webhook["active"],
        "disabled_reason": webhook["disabled_reason"],
        "previous_secret_until": rfc3339(previous_secret_until) if previous_secret_until else None,
        "created_at": rfc3339(webhook["created_at"]),
        "updated_at": rfc3339(webhook["updated_at"]),
    }


def _read_attempt(attempt: dict[str, Any]) -> AttemptRead:
    return {
        "at": rfc3339(attempt["at"]),
        "status_code": attempt["status_code"],
        "milliseconds": attempt["milliseconds"],
        "error": attempt["error"],
    }


def read_delivery(delivery: dict[str, Any]) -> DeliveryRead:
    """Return the response model of a stored delivery."""
    change_id, next_attempt_at = delivery["change_id"], delivery["next_attempt_at"]
    return {
        "id": str(delivery["_id"]),
        "change_id": str(change_id) if change_id else None,
        "type": delivery["type"],
        "status": delivery["status"],
        "attempts": [_read_attempt(attempt) for attempt in delivery["attempts"]],
        "next_attempt_at": rfc3339(next_attempt_at) if next_attempt_at else None,
    }


def delivery_body(type: str, at: datetime, data: dict[str, Any]) -> str:  # noqa: A002 -- the name of the member
    """Return the JSON text that the attempts of a delivery send. `at` is when the change or the test occurred."""
    return to_json({"type": type, "timestamp": rfc3339(at), "data": data}).decode()
