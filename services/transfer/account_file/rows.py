"""Converting the lines of an account file to documents. Pure functions without a database."""

from collections.abc import Callable, Sequence
from datetime import datetime

from bson import ObjectId

from app.clock import naive_utc
from documents.common.base import Row
from documents.transfer.imported_pages import entry_fields
from services.common.intervals import seconds_between
from services.transfer.schemas.account_file import DeletedEntryLine, EntryLine, ProjectLine, TaskLine

NewId = Callable[[str], ObjectId]
"""Converts the id of an item in the file to its id in the account."""


def project_row(line: ProjectLine, user_id: ObjectId, new_id: NewId, import_id: ObjectId) -> Row:
    """Return the project as it is stored."""
    row: Row = {
        "_id": new_id(line.id),
        "user_id": user_id,
        "name": line.name,
        "client_name": line.client_name,
        "color": line.color,
        "billable": line.billable,
        "hourly_rate": None if line.hourly_rate is None else line.hourly_rate.model_dump(),
        "archived_at": _to_naive(line.archived_at),
        "created_at": naive_utc(line.created_at),
        "updated_at": naive_utc(line.updated_at),
        "deleted_at": None,
        "tasks_version": 0,
        "import_id": import_id,
    }
    return row if line.import_name is None else {**row, "import_name": line.import_name}


def task_row(
    line: TaskLine,
    entries: list[Row],
    user_id: ObjectId,
    new_id: NewId,
    import_id: ObjectId,
    projects: dict[str, ObjectId],
    pages: Sequence[Row] = (),
) -> Row:
    """Return the task as it is stored, with these hot entries and these pages.

    An entry without an end is the running timer.
    """
    running = [entry for entry in entries if entry["ended_at"] is None]
    return {
        "_id": new_id(line.id),
        "user_id": user_id,
        "project_id": None if line.project_id is None else projects[line.project_id],
        "title": line.title,
        "description": line.description,
        "status": line.status,
        "tags": line.tags,
        "priority": line.priority,
        "due_at": _to_naive(line.due_at),
        "estimate_seconds": line.estimate_seconds,
        "billable": line.billable,
        **entry_fields([entry for entry in entries if entry["ended_at"] is not None], pages),
        **({"active": running[0]} if running else {}),
        "version": 1,
        "created_at": naive_utc(line.created_at),
        "updated_at": naive_utc(line.updated_at),
        "completed_at": _to_naive(line.completed_at),
        "deleted_at": _to_naive(line.deleted_at),
        "import_id": import_id,
        "import_version": 1,
        **({} if line.import_name is None else {"import_name": line.import_name.model_dump()}),
    }


def entry_row(line: EntryLine | DeletedEntryLine, new_id: NewId, import_id: ObjectId) -> Row:
    """Return the entry as it is stored."""
    row: Row = {
        "id": new_id(line.id),
        "started_at": naive_utc(line.started_at),
        "ended_at": _to_naive(line.ended_at),
        "duration_seconds": None if line.ended_at is None else seconds_between(line.started_at, line.ended_at),
        "note": line.note,
        "tags": line.tags,
        "billable": line.billable,
        "source": line.source,
        "timezone": line.timezone,
        "needs_review": line.needs_review,
        "hourly_rate": None if line.hourly_rate is None else line.hourly_rate.model_dump(),
        "created_at": naive_utc(line.created_at),
        "updated_at": naive_utc(line.updated_at),
        "import_id": import_id,
    }
    return row if line.import_key is None else {**row, "import_key": line.import_key}


def deleted_row(
    line: DeletedEntryLine, user_id: ObjectId, task_id: ObjectId, new_id: NewId, import_id: ObjectId
) -> Row:
    """Return the deleted entry as it is stored."""
    return {
        "_id": new_id(line.id),
        "user_id": user_id,
        "task_id": task_id,
        "entry": entry_row(line, new_id, import_id),
        "deleted_at": naive_utc(line.deleted_at),
    }


def _to_naive(instant: datetime | None) -> datetime | None:
    return None if instant is None else naive_utc(instant)
