"""Time entries as requests ask for them and answers show them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType, TypedDict

from app.clock import rfc3339
from documents.entries import EntrySource
from services.schemas.fields import (
    Cursor,
    Flag,
    Id,
    Limit,
    Moment,
    NextCursor,
    ProjectFilter,
    SearchText,
    Tag,
    TaskFilter,
    Timestamp,
    Zone,
)

EntrySort = TypeAliasType("EntrySort", Literal["started_at", "-started_at"])

ENDED_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182931",
    "task_id": "6920a3f1c2d4e5f607182930",
    "started_at": "2026-11-18T09:00:00Z",
    "ended_at": "2026-11-18T10:30:00Z",
    "duration_seconds": 5400,
    "note": "First draft",
    "tags": ["writing"],
    "billable": True,
    "source": "timer",
    "timezone": "Europe/Berlin",
    "needs_review": False,
    "hourly_rate": None,
    "created_at": "2026-11-18T09:00:00.412Z",
    "updated_at": "2026-11-18T10:30:00.087Z",
}
RUNNING_EXAMPLE: JsonDict = {
    **ENDED_EXAMPLE,
    "ended_at": None,
    "duration_seconds": None,
    "updated_at": "2026-11-18T09:00:00.412Z",
}


class EntryQuery(BaseModel):
    """Which of all entries, in which order, from where on."""

    model_config = ConfigDict(extra="forbid")

    from_: Moment | None = Field(
        default=None,
        alias="from",
        description="An instant, or a day in `timezone`: then its first instant. 31 days before `to`, or before now, "
        "when it is left out.",
    )
    to: Moment | None = Field(
        default=None, description="As `from`, and not part of it. 24 hours from now when it is left out."
    )
    timezone: Zone | None = Field(default=None, description="Whose days these are; one's own when it is left out.")
    task_id: TaskFilter | None = None
    project_id: ProjectFilter | None = None
    tag: list[Tag] = Field(
        default=[], max_length=20, description="An entry's own or its task's. Given twice, it means either."
    )
    q: SearchText | None = Field(default=None, description="A part of the note or of the task's title, in any case.")
    needs_review: Flag | None = Field(default=None, description="Whether a person has yet to look at it.")
    sort: EntrySort = Field(default="-started_at", description="With - it descends.")
    limit: Limit = 50
    cursor: Cursor | None = None


@with_config(ConfigDict(extra="forbid"))
class HourlyRateRead(TypedDict):
    """What an hour costs."""

    amount: Annotated[int, Field(description="In minor units of the currency.")]
    currency: Annotated[str, Field(description="ISO 4217", examples=["EUR"])]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [ENDED_EXAMPLE]}))
class EntryRead(TypedDict):
    """A time entry: [started_at, ended_at) in whole seconds."""

    id: Id
    task_id: Id
    started_at: Timestamp
    ended_at: Annotated[Timestamp | None, Field(description="null while it runs")]
    duration_seconds: Annotated[int | None, Field(description="null while it runs")]
    note: str | None
    tags: list[str]
    billable: bool
    source: EntrySource
    timezone: Annotated[str, Field(description="The IANA zone where it was tracked.", examples=["Europe/Berlin"])]
    needs_review: Annotated[
        bool,
        Field(description="Whether the timer ran longer than the user's cap, or over other time."),
    ]
    hourly_rate: HourlyRateRead | None
    created_at: Timestamp
    updated_at: Timestamp


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [ENDED_EXAMPLE], "next_cursor": None}]})
)
class EntryPage(TypedDict):
    """A page of time entries."""

    items: list[EntryRead]
    next_cursor: NextCursor


def read_entry(task_id: str, entry: dict[str, Any]) -> EntryRead:
    """The answer about a stored entry of this task."""
    ended_at = entry["ended_at"]
    return {
        "id": str(entry["id"]),
        "task_id": task_id,
        "started_at": rfc3339(entry["started_at"]),
        "ended_at": rfc3339(ended_at) if ended_at else None,
        "duration_seconds": entry["duration_seconds"],
        "note": entry["note"],
        "tags": entry["tags"],
        "billable": entry["billable"],
        "source": entry["source"],
        "timezone": entry["timezone"],
        "needs_review": entry["needs_review"],
        "hourly_rate": entry["hourly_rate"],
        "created_at": rfc3339(entry["created_at"]),
        "updated_at": rfc3339(entry["updated_at"]),
    }
