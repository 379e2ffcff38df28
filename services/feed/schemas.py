"""The query and response models of the change feed."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, with_config
from typing_extensions import TypedDict

from app.clock import rfc3339
from documents.common.base import Row
from documents.common.change_types import CHANGE_TYPES, ChangeType
from services.common.values.fields import Id, Limit, Timestamp, whole_number

MAX_SEQ = 2**53 - 1
"""The highest integer that all JSON parsers read exactly."""

Seq = Annotated[int, Field(ge=0, le=MAX_SEQ), BeforeValidator(whole_number)]
"""A query parameter that is the `seq` of a change, or 0."""

TypeFilter = Annotated[list[ChangeType], Field(max_length=len(CHANGE_TYPES))]

_EXAMPLE: dict[str, JsonValue] = {
    "id": "6920a3f1c2d4e5f607182934",
    "seq": 42,
    "type": "project.created",
    "occurred_at": "2026-11-18T09:00:00.412Z",
    "task_id": None,
    "entry_id": None,
    "project_id": "6920a3f1c2d4e5f607182932",
    "import_id": None,
    "version": None,
    "request_id": "5f0c7c1e9f0b4a1c8a53d7f4a86f0c11",
    "data": {
        "id": "6920a3f1c2d4e5f607182932",
        "name": "Website",
        "client_name": "Example Ltd",
        "color": "#2f6fde",
        "billable": True,
        "hourly_rate": {"amount": 9500, "currency": "EUR"},
        "archived_at": None,
        "created_at": "2026-11-18T09:00:00.412Z",
        "updated_at": "2026-11-18T09:00:00.412Z",
    },
}


class ChangeQuery(BaseModel):
    """The query parameters of the change feed."""

    model_config = ConfigDict(extra="forbid")

    after: Seq = Field(default=0, description="Return the changes after this `seq`: `last_seq` of the last response.")
    limit: Limit = 50
    type: TypeFilter = Field(default=[], description="Repeat the parameter to match any of several.")


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]}))
class ChangeRead(TypedDict):
    """A change to the user's data. Ids that do not apply are null."""

    id: Id
    seq: Annotated[int, Field(description="Starts at 1 for each user and has no gaps.")]
    type: ChangeType
    occurred_at: Timestamp
    task_id: Id | None
    entry_id: Id | None
    project_id: Id | None
    import_id: Id | None
    version: Annotated[int | None, Field(description="The version of the task after the change.")]
    request_id: Annotated[str | None, Field(description="The request that caused it; null for a command.")]
    data: Annotated[
        dict[str, Any] | None,
        Field(description="The object as the API shows it after the change; null for what is gone."),
    ]


@with_config(
    ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"items": [_EXAMPLE], "last_seq": 42, "has_more": False}]}
    )
)
class ChangePage(TypedDict):
    """Changes in the order of `seq`."""

    items: list[ChangeRead]
    last_seq: Annotated[int, Field(description="Continue with `after` set to this number.")]
    has_more: Annotated[bool, Field(description="Whether more changes follow now.")]


def read_change(change: Row) -> ChangeRead:
    """Return the change for a response."""
    return {
        "id": str(change["_id"]),
        "seq": change["seq"],
        "type": change["type"],
        "occurred_at": rfc3339(change["occurred_at"]),
        "task_id": _id_text(change["task_id"]),
        "entry_id": _id_text(change["entry_id"]),
        "project_id": _id_text(change["project_id"]),
        "import_id": _id_text(change["import_id"]),
        "version": change["version"],
        "request_id": change["request_id"],
        "data": change["data"],
    }


def _id_text(value: object) -> str | None:
    return None if value is None else str(value)
