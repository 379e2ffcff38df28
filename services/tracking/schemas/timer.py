"""The request and response models of the timer."""

from datetime import datetime
from typing import Annotated, Any, NotRequired, Self

from pydantic import ConfigDict, Field, model_validator, with_config
from pydantic.config import JsonDict, JsonValue
from typing_extensions import TypedDict

from app.clock import aware_utc, rfc3339, utc_now
from services.common.intervals import seconds_between
from services.common.values.fields import Id, Instant, Note, RequestModel, Tags, Timestamp, Title
from services.tracking.schemas.entries import ENDED_EXAMPLE, RUNNING_EXAMPLE, EntryRead, read_entry
from services.tracking.schemas.overlaps import OverlapRead

_TARGET_EXAMPLES: list[JsonValue] = [
    {"task_id": "6920a3f1c2d4e5f607182930"},
    {"title": "Call the bank", "project_id": "6920a3f1c2d4e5f607182935"},
]


class TimerTarget(RequestModel):
    """The task of a timer: an existing one, or a new one. The other fields are those of the entry."""

    task_id: str | None = Field(default=None, description="An existing task. Either this or title is required.")
    title: Title | None = Field(default=None, description="Creates a task with this title.")
    project_id: Id | None = Field(default=None, description="The project of the new task.")
    note: Note | None = None
    tags: Tags = Field(default_factory=list)
    billable: bool | None = Field(default=None, description="Default: as the task.")

    @model_validator(mode="after")
    def _is_one_task(self) -> Self:
        if (self.task_id is None) == (self.title is None):
            raise ValueError("takes either task_id or title")
        if self.project_id is not None and self.title is None:
            raise ValueError("takes project_id only with title")
        return self


class TimerStart(TimerTarget):
    """A timer to start."""

    model_config = ConfigDict(json_schema_extra={"examples": _TARGET_EXAMPLES})

    started_at: Instant | None = Field(default=None, description="Default: now.")


class TimerUpdate(RequestModel):
    """A JSON merge patch (RFC 7396) of the running timer. null clears the note."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"started_at": "2026-11-18T09:00:00Z", "note": None}]})

    # A field that cannot be null has no null in its type. The default of a missing field is never read.
    started_at: Instant = Field(default_factory=utc_now)
    note: Note | None = Field(default_factory=lambda: None)
    tags: Tags = Field(default_factory=list)
    billable: bool = Field(default_factory=bool)


class TimerStop(RequestModel):
    """How to stop the timer. With `entry_id` the request is idempotent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entry_id": "6920a3f1c2d4e5f607182931"}]})

    ended_at: Instant | None = Field(default=None, description="Default: now.")
    entry_id: str | None = Field(default=None, description="Stop only the timer of this entry.")
    task_id: str | None = Field(default=None, description="The task of the timer: speeds up the lookup.")


class TimerSwitch(TimerTarget):
    """The task to switch the timer to."""

    model_config = ConfigDict(json_schema_extra={"examples": _TARGET_EXAMPLES})

    at: Instant | None = Field(default=None, description="When to switch. Default: now.")


TIMER_EXAMPLE: JsonDict = {
    "task_id": "6920a3f1c2d4e5f607182930",
    "task_title": "Write the offer",
    "project_id": "6920a3f1c2d4e5f607182935",
    "entry": RUNNING_EXAMPLE,
    "elapsed_seconds": 60,
    "server_time": "2026-11-18T09:01:00.500Z",
}
_STOPPED_EXAMPLE: JsonDict = {
    "task_id": "6920a3f1c2d4e5f607182930",
    "task_title": "Write the offer",
    "project_id": "6920a3f1c2d4e5f607182935",
    "entry": ENDED_EXAMPLE,
    "tracked_seconds": 5400,
    "server_time": "2026-11-18T10:30:00.087Z",
}


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [TIMER_EXAMPLE]}))
class TimerRead(TypedDict):
    """The running timer."""

    task_id: Id
    task_title: str
    project_id: Annotated[Id | None, Field(description="The project of the task.")]
    entry: EntryRead
    elapsed_seconds: int
    server_time: Timestamp


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [TIMER_EXAMPLE]}))
class TimerWriteResult(TimerRead):
    """The started or updated timer. With the policy `warn` it lists `overlaps`."""

    overlaps: NotRequired[Annotated[list[OverlapRead], Field(description="The entries that overlap it.")]]


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_STOPPED_EXAMPLE]}))
class TimerStopResult(TypedDict):
    """A stopped timer: its entry, and the total of the task."""

    task_id: Id
    task_title: str
    project_id: Annotated[Id | None, Field(description="The project of the task.")]
    entry: EntryRead
    tracked_seconds: Annotated[int, Field(description="Total of the ended entries of the task.")]
    server_time: Timestamp


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"stopped": _STOPPED_EXAMPLE, "started": TIMER_EXAMPLE}]},
    )
)
class TimerSwitchResult(TypedDict):
    """The stopped timer and the one started at the same instant."""

    stopped: Annotated[TimerStopResult | None, Field(description="null when no other timer was running.")]
    started: TimerRead


def read_timer(task: dict[str, Any], now: datetime) -> TimerRead:
    """Return the response model of the timer that runs on a stored task."""
    task_id = str(task["_id"])
    return {
        "task_id": task_id,
        "task_title": task["title"],
        "project_id": _project_id(task),
        "entry": read_entry(task_id, task["active"]),
        "elapsed_seconds": seconds_between(aware_utc(task["active"]["started_at"]), now),
        "server_time": rfc3339(now),
    }


def read_stopped(task: dict[str, Any], entry: dict[str, Any], now: datetime) -> TimerStopResult:
    """Return the response model of a stored task's entry that has ended."""
    task_id = str(task["_id"])
    return {
        "task_id": task_id,
        "task_title": task["title"],
        "project_id": _project_id(task),
        "entry": read_entry(task_id, entry),
        "tracked_seconds": task["tracked_seconds"],
        "server_time": rfc3339(now),
    }


def _project_id(task: dict[str, Any]) -> str | None:
    return str(task["project_id"]) if task["project_id"] else None
