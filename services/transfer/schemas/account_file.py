"""The file that holds a whole account: a JSON object a line, as it is written and as it is read.

First the account, then its projects, then each task with its entries right after it (the running
one last), then the deleted entries that can still be restored, and at the end what was written of
each: a file without its end has been cut short.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from app.clock import rfc3339
from documents.accounts.users import OverlapPolicy
from documents.common.base import object_id
from documents.tracking.entries import EntrySource
from documents.tracking.tasks import TaskStatus
from services.accounts.schemas.users import TimerCapHours
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
"""What stands for a title or a name of which nothing is left: an earlier version took control characters."""

SCHEMA_VERSION = 1
"""One more when a line changes so that a reader of the one before would misread it."""


def _known_id(value: str) -> str:
    known = object_id(value)
    if known is None:
        raise ValueError("is not an id")
    return str(known)  # one way to write it, so that ids can be compared


StoredId = Annotated[str, AfterValidator(_known_id)]
ImportedText = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]
ImportKey = Annotated[str, Field(pattern="^(?:[0-9a-f]{2}){1,64}$")]
Count = Annotated[int, Field(ge=0)]


class Line(RequestModel):
    """What every line says of itself."""

    schema_version: Literal[1]


class PreferencesRead(RequestModel):
    """What the user chose of the rules."""

    overlap_policy: OverlapPolicy
    timer_cap_hours: TimerCapHours


class AccountLine(Line):
    """Whose file it is: the first line."""

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
    """What an import knows the project again by; only an imported one has it."""


class TaskImportName(RequestModel):
    """What a file calls a task that an import has made."""

    project: ImportedText | None
    title: ImportedText


class TaskLine(Line):
    """A task, in the trash or not. What its entries add up to is not said: they say it."""

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
    """What an import knows the task again by; only an imported one has it."""


class _AnEntry(Line):
    """What is said of any entry."""

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
    """What an import knows the entry again by; only an imported one has it."""


class EntryLine(_AnEntry):
    """An entry of the task before it. One that has no end still runs."""

    type: Literal["entry"]
    ended_at: Instant | None

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.ended_at is not None and self.ended_at < self.started_at:
            raise ValueError("ends before it starts")
        return self


class DeletedEntryLine(_AnEntry):
    """An entry that was deleted, or a timer that was discarded: it belongs to a task of the file."""

    type: Literal["deleted_entry"]
    ended_at: Instant
    deleted_at: Instant

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.ended_at < self.started_at:
            raise ValueError("ends before it starts")
        return self


class EndLine(Line):
    """How many of each were written: the last line."""

    type: Literal["end"]
    projects: Count
    tasks: Count
    entries: Count
    deleted_entries: Count


AccountFileLine = Annotated[
    AccountLine | ProjectLine | TaskLine | EntryLine | DeletedEntryLine | EndLine, Field(discriminator="type")
]

account_file_line: TypeAdapter[AccountFileLine] = TypeAdapter(AccountFileLine)
"""Reads a line: `validate_json` answers one of the six, or raises pydantic's ValidationError."""


def write_account(user: dict[str, Any], exported_at: datetime) -> dict[str, Any]:
    """The line of a stored user: nothing in it lets anybody sign in."""
    return {
        **_line("account"),
        "exported_at": rfc3339(exported_at),
        "email": user["email"],
        "full_name": _line_of_today(user["full_name"]) or None,
        "timezone": user["timezone"],
        "week_start": user["week_start"],
        "preferences": user["preferences"],
    }


def write_project(project: dict[str, Any]) -> dict[str, Any]:
    """The line of a stored project."""
    texts = {
        "name": _line_of_today(project["name"]) or NAMELESS,
        "client_name": _line_of_today(project["client_name"]) or None,
    }
    return {**_line("project"), **read_project(project), **texts, **_import_name(project)}


def write_task(task: dict[str, Any]) -> dict[str, Any]:
    """The line of a stored task, whose entries follow it."""
    project_id = task["project_id"]
    return {
        **_line("task"),
        "id": str(task["_id"]),
        "project_id": None if project_id is None else str(project_id),
        "title": _line_of_today(task["title"]) or NAMELESS,
        "description": _lines_of_today(task["description"], MAX_DESCRIPTION_LENGTH),
        "status": task["status"],
        "tags": _tags_of_today(task["tags"]),
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
    """The line of a stored entry, ended or running."""
    return {**_line("entry"), **_entry(task_id, entry)}


def write_deleted_entry(deleted: dict[str, Any]) -> dict[str, Any]:
    """The line of an entry as deleted_entries keeps it."""
    return {
        **_line("deleted_entry"),
        **_entry(str(deleted["task_id"]), deleted["entry"]),
        "deleted_at": rfc3339(deleted["deleted_at"]),
    }


def write_end(*, projects: int, tasks: int, entries: int, deleted_entries: int) -> dict[str, Any]:
    """The last line."""
    return {
        **_line("end"),
        "projects": projects,
        "tasks": tasks,
        "entries": entries,
        "deleted_entries": deleted_entries,
    }


def _line_of_today(text: str | None) -> str:
    return upgrade_line(text, MAX_TITLE_LENGTH) if text else ""


def _lines_of_today(text: str | None, longest: int) -> str | None:
    return upgrade_lines(text, longest) if text else text


def _tags_of_today(tags: list[str]) -> list[str]:
    found = (upgrade_line(tag, MAX_TAG_LENGTH) for tag in tags)
    return list(dict.fromkeys(truncate(nfc(tag.lower()), MAX_TAG_LENGTH) for tag in found if tag))


def _line(kind: str) -> dict[str, Any]:
    return {"type": kind, "schema_version": SCHEMA_VERSION}


def _import_name(imported: dict[str, Any]) -> dict[str, Any]:
    return {"import_name": imported["import_name"]} if "import_name" in imported else {}


def _entry(task_id: str, entry: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {**read_entry(task_id, entry)}
    del read["duration_seconds"]  # the start and the end say it
    read |= {"note": _lines_of_today(entry["note"], MAX_NOTE_LENGTH), "tags": _tags_of_today(entry["tags"])}
    key = entry.get("import_key")
    return read if key is None else {**read, "import_key": key if isinstance(key, str) else key.hex()}


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)
