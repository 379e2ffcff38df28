"""The request and response models of tasks."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType, TypedDict

from app.clock import rfc3339
from documents.tracking.tasks import TaskStatus as Status
from services.common.values.fields import (
    BooleanFlag,
    Cursor,
    Description,
    Id,
    Instant,
    Limit,
    NextCursor,
    Priority,
    ProjectFilter,
    RequestModel,
    SearchText,
    Seconds,
    Tag,
    Tags,
    Timestamp,
    Title,
)
from services.tracking.schemas.entries import ENDED_EXAMPLE, EntryRead, read_entry

_EXAMPLE: JsonDict = {
    "title": "Write the offer",
    "tags": ["sales"],
    "priority": 2,
    "due_at": "2026-11-30T17:00:00+01:00",
}

TASK_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182930",
    "title": "Write the offer",
    "description": None,
    "status": "in_progress",
    "tags": ["sales"],
    "priority": 2,
    "project_id": None,
    "due_at": "2026-11-30T16:00:00Z",
    "estimate_seconds": None,
    "billable": True,
    "tracked_seconds": 5400,
    "entry_count": 1,
    "active": None,
    "version": 3,
    "created_at": "2026-11-18T08:59:12.345Z",
    "updated_at": "2026-11-18T10:30:00.087Z",
    "completed_at": None,
    "deleted_at": None,
}


class TaskCreate(RequestModel):
    """A task to create."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    title: Title
    description: Description | None = None
    status: Status = "pending"
    tags: Tags = Field(default_factory=list)
    project_id: Id | None = None
    priority: Priority | None = None
    due_at: Instant | None = None
    estimate_seconds: Seconds | None = None
    billable: bool = Field(default_factory=bool, description="Default: as the project, or false without one.")


class TaskUpdate(RequestModel):
    """A JSON merge patch (RFC 7396) of a task. null clears a nullable field."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "completed", "due_at": None}]})

    # A field that cannot be null has no null in its type. The default of a missing field is never read.
    title: Title = Field(default_factory=str)
    description: Description | None = Field(default_factory=lambda: None)
    status: Status = Field(default_factory=lambda: "pending")
    tags: Tags = Field(default_factory=list)
    project_id: Id | None = Field(default_factory=lambda: None)
    priority: Priority | None = Field(default_factory=lambda: None)
    due_at: Instant | None = Field(default_factory=lambda: None)
    estimate_seconds: Seconds | None = Field(default_factory=lambda: None)
    billable: bool = Field(default_factory=bool)


TaskSort = TypeAliasType(
    "TaskSort",
    Literal[
        "created_at",
        "-created_at",
        "updated_at",
        "-updated_at",
        "due_at",
        "-due_at",
        "title",
        "-title",
        "project_id",
        "-project_id",
        "tracked_seconds",
        "-tracked_seconds",
    ],
)


class TaskQuery(BaseModel):
    """The query parameters of the list of tasks."""

    model_config = ConfigDict(extra="forbid")

    status: list[Status] = Field(default=[], description="Repeat the parameter to match any of several.")
    tag: list[Tag] = Field(default=[], max_length=20, description="Repeat the parameter to match any of several.")
    project_id: ProjectFilter | None = None
    q: SearchText | None = Field(default=None, description="Text in the title or the description, case-insensitive.")
    running: BooleanFlag | None = Field(default=None, description="Whether a timer is running on the task.")
    due_before: Instant | None = Field(default=None, description="Due before this instant.")
    due_after: Instant | None = Field(default=None, description="Due at this instant or later.")
    updated_since: Instant | None = Field(default=None, description="Updated at this instant or later.")
    deleted: BooleanFlag = Field(default=False, description="true: list only the trash.")
    sort: TaskSort = Field(
        default="-created_at",
        description="A leading - sorts descending. A null due_at or project_id sorts last.",
    )
    limit: Limit = 50
    cursor: Cursor | None = None


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [TASK_EXAMPLE]}))
class TaskRead(TypedDict):
    """A task. `tracked_seconds` and `entry_count` count its ended entries."""

    id: Id
    title: str
    description: str | None
    status: Status
    tags: list[str]
    priority: int | None
    project_id: Id | None
    due_at: Timestamp | None
    estimate_seconds: int | None
    billable: bool
    tracked_seconds: int
    entry_count: int
    active: Annotated[EntryRead | None, Field(description="The running entry, or null.")]
    version: Annotated[int, Field(description="Incremented by every change; the ETag of the task.")]
    created_at: Timestamp
    updated_at: Timestamp
    completed_at: Timestamp | None
    deleted_at: Annotated[Timestamp | None, Field(description="When it was moved to the trash.")]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{**TASK_EXAMPLE, "time_entries": [ENDED_EXAMPLE]}]})
)
class TaskWithEntries(TaskRead):
    """A task with the newest 100 of its ended entries, newest first."""

    time_entries: list[EntryRead]


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [TASK_EXAMPLE], "next_cursor": None}]})
)
class TaskPage(TypedDict):
    """A page of tasks."""

    items: list[TaskRead]
    next_cursor: NextCursor


def read_task(task: dict[str, Any]) -> TaskRead:
    """Return the response model of a stored task."""
    task_id = str(task["_id"])
    active = task.get("active")
    project_id, due_at = task["project_id"], task["due_at"]
    completed_at, deleted_at = task["completed_at"], task["deleted_at"]
    return {
        "id": task_id,
        "title": task["title"],
        "description": task["description"],
        "status": task["status"],
        "tags": task["tags"],
        "priority": task["priority"],
        "project_id": str(project_id) if project_id else None,
        "due_at": rfc3339(due_at) if due_at else None,
        "estimate_seconds": task["estimate_seconds"],
        "billable": task["billable"],
        "tracked_seconds": task["tracked_seconds"],
        "entry_count": task["entry_count"],
        "active": read_entry(task_id, active) if active else None,
        "version": task["version"],
        "created_at": rfc3339(task["created_at"]),
        "updated_at": rfc3339(task["updated_at"]),
        "completed_at": rfc3339(completed_at) if completed_at else None,
        "deleted_at": rfc3339(deleted_at) if deleted_at else None,
    }


def read_task_with_entries(task: dict[str, Any]) -> TaskWithEntries:
    """Return the response model of a stored task with the entries that were read with it."""
    task_id = str(task["_id"])
    entries = [read_entry(task_id, entry) for entry in reversed(task["time_entries"])]
    return {**read_task(task), "time_entries": entries}
