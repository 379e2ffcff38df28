"""The lines of an account file: how they are written and how they are read. Each line is a JSON object.

The order is: the account, its projects, each task followed by its entries (the running one last), the deleted
entries that can be restored, and the end line with the number of each. A file without an end line is truncated.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from app.clock import rfc3339
from documents.accounts.users import Locale, OverlapPolicy, Theme
from documents.common.base import object_id
from documents.tracking.entries import EntrySource
from documents.tracking.tasks import TaskStatus
from services.accounts.schemas.users import IdleMinutes, SnapMinutes, TimerCapHours
from services.common.values.fields import (
    MAX_DESCRIPTION_LENGTH,
    MAX_NAME_LENGTH,
    MAX_NOTE_LENGTH,
    MAX_TAG_LENGTH,
    MAX_TITLE_LENGTH,
    ClientName,
    Color,
    Description,
    FullName,
    Instant,
    Note,
    Priority,
    ProjectName,
    RequestModel,
    Seconds,
    Tags,
    Title,
    WeekStart,
    Zone,
)
from services.common.values.texts import nfc, truncate, upgrade_line, upgrade_lines
from services.tracking.schemas.entries import read_entry
from services.tracking.schemas.projects import HourlyRate, read_project

NAMELESS = "(no name)"
"""Replaces a title or a name that is empty without the control characters that earlier versions accepted."""

SCHEMA_VERSION = 1
"""To be increased when readers of the previous version would misread a line."""


def _known_id(value: str) -> str:
    known = object_id(value)
    if known is None:
        raise ValueError("is not an id")
    return str(known)  # in lower case, so that ids can be compared


StoredId = Annotated[str, AfterValidator(_known_id)]
ImportedText = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
ImportKey = Annotated[str, Field(pattern="^(?:[0-9a-f]{2}){1,64}$")]
Count = Annotated[int, Field(ge=0)]


class Line(RequestModel):
    """The fields of every line."""

    schema_version: Literal[1]


class PreferencesRead(RequestModel):
    """The user's preferences. Files of earlier versions contain the first two only."""

    overlap_policy: OverlapPolicy
    timer_cap_hours: TimerCapHours
    locale: Locale | None = None
    theme: Theme | None = None
    shortcuts: bool | None = None
    snap_minutes: SnapMinutes | None = None
    idle_minutes: IdleMinutes | None = None


class AccountLine(Line):
    """The user: the first line."""

    type: Literal["account"]
    exported_at: Instant
    email: str
    full_name: FullName | None
    timezone: Zone
    week_start: WeekStart
    preferences: PreferencesRead


class ProjectLine(Line):
    """A project, archived or not."""

    type: Literal["project"]
    id: StoredId
    name: ProjectName
    client_name: ClientName | None
    color: Color | None
    billable: bool
    hourly_rate: HourlyRate | None
    archived_at: Instant | None
    created_at: Instant
    updated_at: Instant
    import_name: ImportedText | None = None
    """Identifies an imported project in later imports."""


class TaskImportName(RequestModel):
    """The name of an imported task in its file."""

    project: ImportedText | None
    title: ImportedText


class TaskLine(Line):
    """A task, in the trash or not, without the totals of its entries."""

    type: Literal["task"]
    id: StoredId
    project_id: StoredId | None
    title: Title
    description: Description | None
    status: TaskStatus
    tags: Tags
    priority: Priority | None
    due_at: Instant | None
    estimate_seconds: Seconds | None
    billable: bool
    created_at: Instant
    updated_at: Instant
    completed_at: Instant | None
    deleted_at: Instant | None
    import_name: TaskImportName | None = None
    """Identifies an imported task in later imports."""


class _AnEntry(Line):
    """The fields of every entry."""

    id: StoredId
    task_id: StoredId
    started_at: Instant
    note: Note | None
    tags: Tags
    billable: bool
    source: EntrySource
    timezone: Zone
    needs_review: bool
    hourly_rate: HourlyRate | None
    created_at: Instant
    updated_at: Instant
    import_key: ImportKey | None = None
    """Identifies an imported entry in later imports."""


class EntryLine(_AnEntry):
    """An entry of the preceding task. The running entry has no end."""

    type: Literal["entry"]
    ended_at: Instant | None

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.ended_at is not None and self.ended_at < self.started_at:
            raise ValueError("ends before it starts")
        return self


class DeletedEntryLine(_AnEntry):
    """A deleted entry or a discarded timer of a task in the file."""

    type: Literal["deleted_entry"]
    ended_at: Instant
    deleted_at: Instant

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.ended_at < self.started_at:
            raise ValueError("ends before it starts")
        return self


class EndLine(Line):
    """The number of lines of each type: the last line."""

    type: Literal["end"]
    projects: Count
    tasks: Count
    entries: Count
    deleted_entries: Count


AccountFileLine = Annotated[
    AccountLine | ProjectLine | TaskLine | EntryLine | DeletedEntryLine | EndLine, Field(discriminator="type")
]

account_file_line: TypeAdapter[AccountFileLine] = TypeAdapter(AccountFileLine)
"""Parses a line with `validate_json`."""


def write_account(user: dict[str, Any], exported_at: datetime) -> dict[str, Any]:
    """Return the line of a stored user, without any credentials."""
    return {
        **_line("account"),
        "exported_at": rfc3339(exported_at),
        "email": user["email"],
        "full_name": _to_valid_line(user["full_name"]) or None,
        "timezone": user["timezone"],
        "week_start": user["week_start"],
        "preferences": user["preferences"],
    }


def write_project(project: dict[str, Any]) -> dict[str, Any]:
    """Return the line of a stored project."""
    texts = {
        "name": _to_valid_line(project["name"]) or NAMELESS,
        "client_name": _to_valid_line(project["client_name"]) or None,
    }
    return {**_line("project"), **read_project(project), **texts, **_import_name(project)}


def write_task(task: dict[str, Any]) -> dict[str, Any]:
    """Return the line of a stored task."""
    project_id = task["project_id"]
    return {
        **_line("task"),
        "id": str(task["_id"]),
        "project_id": None if project_id is None else str(project_id),
        "title": _to_valid_line(task["title"]) or NAMELESS,
        "description": _to_valid_lines(task["description"], MAX_DESCRIPTION_LENGTH),
        "status": task["status"],
        "tags": _to_valid_tags(task["tags"]),
        "priority": task["priority"],
        "due_at": _instant(task["due_at"]),
        "estimate_seconds": task["estimate_seconds"],
        "billable": task["billable"],
        "created_at": rfc3339(task["created_at"]),
        "updated_at": rfc3339(task["updated_at"]),
        "completed_at": _instant(task["completed_at"]),
        "deleted_at": _instant(task["deleted_at"]),
        **_import_name(task),
    }


def write_entry(task_id: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the line of a stored entry, ended or running."""
    return {**_line("entry"), **_entry(task_id, entry)}


def write_deleted_entry(deleted: dict[str, Any]) -> dict[str, Any]:
    """Return the line of a stored deleted entry."""
    return {
        **_line("deleted_entry"),
        **_entry(str(deleted["task_id"]), deleted["entry"]),
        "deleted_at": rfc3339(deleted["deleted_at"]),
    }


def write_end(*, projects: int, tasks: int, entries: int, deleted_entries: int) -> dict[str, Any]:
    """Return the last line."""
    return {
        **_line("end"),
        "projects": projects,
        "tasks": tasks,
        "entries": entries,
        "deleted_entries": deleted_entries,
    }


def _to_valid_line(text: str | None) -> str:
    return upgrade_line(text, MAX_TITLE_LENGTH) if text else ""


def _to_valid_lines(text: str | None, longest: int) -> str | None:
    return upgrade_lines(text, longest) if text else text


def _to_valid_tags(tags: list[str]) -> list[str]:
    found = (upgrade_line(tag, MAX_TAG_LENGTH) for tag in tags)
    return list(dict.fromkeys(truncate(nfc(tag.lower()), MAX_TAG_LENGTH) for tag in found if tag))


def _line(kind: str) -> dict[str, Any]:
    return {"type": kind, "schema_version": SCHEMA_VERSION}


def _import_name(imported: dict[str, Any]) -> dict[str, Any]:
    return {"import_name": imported["import_name"]} if "import_name" in imported else {}


def _entry(task_id: str, entry: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {**read_entry(task_id, entry)}
    del read["duration_seconds"]  # it follows from the start and the end
    read |= {"note": _to_valid_lines(entry["note"], MAX_NOTE_LENGTH), "tags": _to_valid_tags(entry["tags"])}
    key = entry.get("import_key")
    return read if key is None else {**read, "import_key": key if isinstance(key, str) else key.hex()}


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)
