"""The query and response models of time entries."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType, TypedDict

from app.clock import rfc3339
from documents.common.base import Row
from documents.tracking.entries import EntrySource
from services.common.values.fields import (
    BooleanFlag,
    Cursor,
    Id,
    InstantOrDate,
    Limit,
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
_WITH_TASK_EXAMPLE: JsonDict = {
    **ENDED_EXAMPLE,
    "task_title": "Write the offer",
    "project_id": None,
    "task_version": 3,
}


class EntryQuery(BaseModel):
    """The query parameters of the list of time entries."""

    model_config = ConfigDict(extra="forbid")

    from_: InstantOrDate | None = Field(
        default=None,
        alias="from",
        description="Start, inclusive: an instant, or a date in `timezone`. Default: the first entry.",
    )
    to: InstantOrDate | None = Field(
        default=None, description="End, exclusive: an instant, or a date in `timezone`. Default: in 24 hours."
    )
    timezone: Zone | None = Field(default=None, description="IANA time zone of the days. Default: the user's.")
    task_id: TaskFilter | None = None
    project_id: ProjectFilter | None = None
    tag: list[Tag] = Field(
        default=[], max_length=20, description="A tag of the entry or of its task. Repeat it to match any of several."
    )
    q: SearchText | None = Field(
        default=None, description="Text in the note or the title of the task, case-insensitive."
    )
    needs_review: BooleanFlag | None = Field(default=None, description="Whether the entry is marked for review.")
    sort: EntrySort = Field(default="-started_at", description="A leading - sorts descending.")
    limit: Limit = 50
    cursor: Cursor | None = None


@with_config(ConfigDict(extra="forbid"))
class HourlyRateRead(TypedDict):
    """An hourly rate."""

    amount: Annotated[int, Field(description="In minor units of the currency.")]
    currency: Annotated[str, Field(description="ISO 4217", examples=["EUR"])]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [ENDED_EXAMPLE]}))
class EntryRead(TypedDict):
    """A time entry. It covers [started_at, ended_at) in whole seconds."""

    id: Id
    task_id: Id
    started_at: Timestamp
    ended_at: Annotated[Timestamp | None, Field(description="null while it is running.")]
    duration_seconds: Annotated[int | None, Field(description="null while it is running.")]
    note: str | None
    tags: list[str]
    billable: bool
    source: EntrySource
    timezone: Annotated[str, Field(description="IANA time zone in which it was tracked.", examples=["Europe/Berlin"])]
    needs_review: Annotated[
        bool,
        Field(
            description="Whether it is marked for review: its timer exceeded timer_cap_hours, it overlapped other "
            "entries, or it was imported with more than 31 days."
        ),
    ]
    hourly_rate: HourlyRateRead | None
    created_at: Timestamp
    updated_at: Timestamp


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [ENDED_EXAMPLE], "next_cursor": None}]})
)
class EntryPage(TypedDict):
    """A page of the time entries of one task."""

    items: list[EntryRead]
    next_cursor: NextCursor


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_WITH_TASK_EXAMPLE]}))
class EntryWithTask(EntryRead):
    """A time entry with the title, the project and the version of its task."""

    task_title: str
    project_id: Annotated[Id | None, Field(description="The project of the task, or null.")]
    task_version: Annotated[
        int, Field(description="The version of the task when the entry was read. It is the ETag of the entry.")
    ]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_WITH_TASK_EXAMPLE], "next_cursor": None}]})
)
class EntryWithTaskPage(TypedDict):
    """A page of the time entries of all tasks."""

    items: list[EntryWithTask]
    next_cursor: NextCursor


def read_entry(task_id: str, entry: dict[str, Any]) -> EntryRead:
    """Return the response model of a stored entry of this task."""
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


def read_entry_with_task(row: Row) -> EntryWithTask:
    """Return the response model of a row of find_entries."""
    return {
        **read_entry(str(row["task_id"]), row["entry"]),
        "task_title": row["title"],
        "project_id": str(row["project_id"]) if row["project_id"] else None,
        "task_version": row["version"],
    }
