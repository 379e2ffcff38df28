"""The overlap policy of a request, and the overlapping entries in a response."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import aware_utc, rfc3339, truncate_to_seconds, utc_now
from documents.accounts.users import OverlapPolicy
from services.common.intervals import Interval, seconds_between
from services.common.values.fields import Id, Timestamp

OVERLAP_EXAMPLE: JsonDict = {
    "task_id": "6920a3f1c2d4e5f607182930",
    "entry_id": "6920a3f1c2d4e5f607182931",
    "started_at": "2026-11-18T09:00:00Z",
    "ended_at": "2026-11-18T10:30:00Z",
    "overlap_seconds": 1800,
}


class OverlapQuery(BaseModel):
    """The query parameters of a write of tracked time."""

    model_config = ConfigDict(extra="forbid")

    overlap: OverlapPolicy | None = Field(
        default=None, description="How to treat time that overlaps other entries. Default: the user's overlap_policy."
    )


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [OVERLAP_EXAMPLE]}))
class OverlapRead(TypedDict):
    """An entry that overlaps the written one. A running entry counts up to now."""

    task_id: Id
    entry_id: Id
    started_at: Timestamp
    ended_at: Annotated[Timestamp | None, Field(description="null while it is running.")]
    overlap_seconds: int


def read_overlap(task_id: str, entry: dict[str, Any], interval: Interval) -> OverlapRead:
    """Return the response model of a stored entry, with the number of seconds by which it overlaps the interval."""
    started_at, ended_at = aware_utc(entry["started_at"]), entry["ended_at"]
    until = aware_utc(ended_at) if ended_at else truncate_to_seconds(utc_now())
    return {
        "task_id": task_id,
        "entry_id": str(entry["id"]),
        "started_at": rfc3339(started_at),
        "ended_at": rfc3339(ended_at) if ended_at else None,
        "overlap_seconds": seconds_between(max(started_at, interval.started_at), min(until, interval.ended_at)),
    }


def overlaps_member(overlaps: list[OverlapRead] | None) -> dict[str, list[OverlapRead]]:
    """Return the `overlaps` member of a response, or no member when the list is None."""
    return {} if overlaps is None else {"overlaps": overlaps}
