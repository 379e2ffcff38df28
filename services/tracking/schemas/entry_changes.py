"""The request and response models of writes of time entries."""

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from app.clock import utc_now
from services.common.values.fields import Instant, Note, RequestModel, Tags, Zone
from services.tracking.schemas.entries import ENDED_EXAMPLE, EntryRead
from services.tracking.schemas.overlaps import OverlapRead

MAX_ENTRY_SECONDS = 31 * 24 * 60 * 60

Duration = Annotated[int, Field(ge=1, le=MAX_ENTRY_SECONDS)]


class EntryCreate(RequestModel):
    """A time entry to create: a start, and either an end or a duration."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"started_at": "2026-11-18T09:00:00+01:00", "ended_at": "2026-11-18T10:30:00+01:00"},
                {"started_at": "2026-11-18T09:00:00Z", "duration_seconds": 5400, "note": "First draft"},
            ]
        }
    )

    started_at: Instant
    ended_at: Instant | None = None
    duration_seconds: Duration | None = Field(default=None, description="Alternative to ended_at.")
    note: Note | None = None
    tags: Tags = Field(default_factory=list)
    billable: bool | None = Field(default=None, description="Default: as the task.")
    timezone: Zone | None = Field(default=None, description="IANA time zone. Default: the user's.")


class EntryUpdate(RequestModel):
    """A JSON merge patch (RFC 7396) of an ended time entry. null clears the note."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ended_at": "2026-11-18T10:30:00Z"}, {"needs_review": False}]}
    )

    # A field that cannot be null has no null in its type. The default of a missing field is never read.
    started_at: Instant = Field(default_factory=utc_now)
    ended_at: Instant = Field(default_factory=utc_now)
    duration_seconds: Duration = Field(default_factory=int, description="Alternative to ended_at.")
    note: Note | None = Field(default_factory=lambda: None)
    tags: Tags = Field(default_factory=list)
    billable: bool = Field(default_factory=bool)
    timezone: Zone = Field(default_factory=str)
    needs_review: bool = Field(default_factory=bool)


class EntrySplit(RequestModel):
    """The instant at which to split an entry."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"at": "2026-11-18T09:45:00Z"}]})

    at: Annotated[Instant, Field(description="Strictly inside the entry.")]


class EntryMove(RequestModel):
    """The task to move an entry to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task_id": "6920a3f1c2d4e5f607182930"}]})

    task_id: str


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [ENDED_EXAMPLE]}))
class EntryWriteResult(EntryRead):
    """The written time entry. With the policy `warn` it lists `overlaps`."""

    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="The entries that overlap it.")]]


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "first": {**ENDED_EXAMPLE, "ended_at": "2026-11-18T09:45:00Z", "duration_seconds": 2700},
                    "second": {
                        **ENDED_EXAMPLE,
                        "id": "6920a3f1c2d4e5f607182932",
                        "started_at": "2026-11-18T09:45:00Z",
                        "duration_seconds": 2700,
                    },
                }
            ]
        },
    )
)
class EntrySplitResult(TypedDict):
    """The two parts of a split entry. The first keeps its id."""

    first: EntryRead
    second: EntryRead
    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="The entries that overlap them.")]]
