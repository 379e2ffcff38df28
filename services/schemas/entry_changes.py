"""Time entries as requests write them, and as the answers to that show them."""

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from app.clock import utc_now
from services.schemas.entries import ENDED_EXAMPLE, EntryRead
from services.schemas.fields import Input, Instant, Note, Tags, Zone
from services.schemas.overlaps import OverlapRead

LONGEST_SECONDS = 31 * 24 * 60 * 60

Duration = Annotated[int, Field(ge=1, le=LONGEST_SECONDS)]


class EntryCreate(Input):
    """An entry to be written down: its start, and either its end or how long it is."""

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
    duration_seconds: Duration | None = Field(default=None, description="In place of ended_at.")
    note: Note | None = None
    tags: Tags = Field(default_factory=list)
    billable: bool | None = Field(default=None, description="The task's own when it is left out.")
    timezone: Zone | None = Field(default=None, description="The user's own when it is left out.")


class EntryUpdate(Input):
    """A JSON merge patch (RFC 7396) of an ended entry: null clears the note."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ended_at": "2026-11-18T10:30:00Z"}, {"needs_review": False}]}
    )

    # What cannot be cleared has no null in its type; the defaults only say that nothing was sent.
    started_at: Instant = Field(default_factory=utc_now)
    ended_at: Instant = Field(default_factory=utc_now)
    duration_seconds: Duration = Field(default_factory=int, description="In place of ended_at.")
    note: Note | None = Field(default_factory=lambda: None)
    tags: Tags = Field(default_factory=list)
    billable: bool = Field(default_factory=bool)
    timezone: Zone = Field(default_factory=str)
    needs_review: bool = Field(default_factory=bool)


class EntrySplit(Input):
    """Where an entry is split."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"at": "2026-11-18T09:45:00Z"}]})

    at: Annotated[Instant, Field(description="Strictly inside of the entry.")]


class EntryMove(Input):
    """Where an entry is moved to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task_id": "6920a3f1c2d4e5f607182930"}]})

    task_id: str


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [ENDED_EXAMPLE]}))
class EntryWriteResult(EntryRead):
    """An entry as it has been written; `overlaps` where the policy is to warn."""

    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="The entries that share time with it.")]]


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
    """The two entries that one has become: the first keeps its id."""

    first: EntryRead
    second: EntryRead
    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="The entries that share time with them.")]]
