"""The request and response models of projects."""

from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import rfc3339
from services.common.values.fields import (
    Amount,
    BooleanFlag,
    ClientName,
    Color,
    CurrencyCode,
    Cursor,
    Id,
    Limit,
    NextCursor,
    ProjectName,
    RequestModel,
    Timestamp,
)
from services.tracking.schemas.entries import HourlyRateRead

_EXAMPLE: JsonDict = {
    "name": "Website",
    "client_name": "Analytical Engines Ltd",
    "color": "#2f6fde",
    "billable": True,
    "hourly_rate": {"amount": 9000, "currency": "EUR"},
}
_READ_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182940",
    **_EXAMPLE,
    "archived_at": None,
    "created_at": "2026-11-18T08:59:02.345Z",
    "updated_at": "2026-11-18T08:59:02.345Z",
}


class HourlyRate(RequestModel):
    """An hourly rate."""

    amount: Amount
    currency: CurrencyCode


class HourlyRateUpdate(RequestModel):
    """A patch of an hourly rate. A key that is not sent keeps its value."""

    amount: Amount = Field(default_factory=int)
    currency: CurrencyCode = Field(default_factory=str)


class ProjectCreate(RequestModel):
    """A project to create."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: ProjectName
    client_name: ClientName | None = None
    color: Color | None = None
    billable: bool = Field(default=False, description="Default of its new tasks.")
    hourly_rate: HourlyRate | None = None


class ProjectUpdate(RequestModel):
    """A JSON merge patch (RFC 7396) of a project. null clears a nullable field."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"hourly_rate": {"amount": 9500}, "archived": True}]})

    # A field that cannot be null has no null in its type. The default of a missing field is never read.
    name: ProjectName = Field(default_factory=str)
    client_name: ClientName | None = Field(default_factory=lambda: None)
    color: Color | None = Field(default_factory=lambda: None)
    billable: bool = Field(default_factory=bool)
    hourly_rate: HourlyRateUpdate | None = Field(default_factory=lambda: None)
    archived: bool = Field(default_factory=bool)


class ProjectChangeQuery(BaseModel):
    """The query parameters of a project update."""

    model_config = ConfigDict(extra="forbid")

    rerate: BooleanFlag = Field(default=False, description="true: apply the rate to existing billable entries as well.")


class ProjectQuery(BaseModel):
    """The query parameters of the list of projects."""

    model_config = ConfigDict(extra="forbid")

    archived: BooleanFlag | None = Field(default=None, description="Whether it is archived. Default: all.")
    limit: Limit = 50
    cursor: Cursor | None = None


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class ProjectRead(TypedDict):
    """A project."""

    id: Id
    name: str
    client_name: str | None
    color: str | None
    billable: bool
    hourly_rate: HourlyRateRead | None
    archived_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{**_READ_EXAMPLE, "rerated_entries": 12}]}))
class ProjectUpdateResult(ProjectRead):
    """The updated project."""

    rerated_entries: NotRequired[
        Annotated[int, Field(description="Number of entries with a new rate. Only with rerate=true.")]
    ]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_READ_EXAMPLE], "next_cursor": None}]})
)
class ProjectPage(TypedDict):
    """A page of projects."""

    items: list[ProjectRead]
    next_cursor: NextCursor


def read_project(project: dict[str, Any]) -> ProjectRead:
    """Return the response model of a stored project."""
    archived_at = project["archived_at"]
    return {
        "id": str(project["_id"]),
        "name": project["name"],
        "client_name": project["client_name"],
        "color": project["color"],
        "billable": project["billable"],
        "hourly_rate": project["hourly_rate"],
        "archived_at": rfc3339(archived_at) if archived_at else None,
        "created_at": rfc3339(project["created_at"]),
        "updated_at": rfc3339(project["updated_at"]),
    }
