"""Stored documents, for tests that write to the database directly."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from app.database.deadlines import without_deadline
from tests.conftest import Database
from tests.support.http import Json

NINE = datetime(2026, 11, 18, 9)  # noqa: DTZ001 -- as the driver decodes it

TASK_FIELDS: Json = {
    "title": "Write the offer",
    "description": None,
    "status": "pending",
    "tags": ["sales"],
    "project_id": None,
    "priority": None,
    "due_at": None,
    "estimate_seconds": None,
    "billable": False,
}
"""The fields of a new task."""


async def insert_rows(database: Database, collection: str, rows: Iterable[Json]) -> None:
    """Insert many documents, however long a busy machine needs for it."""
    with without_deadline():
        await database[collection].insert_many(rows)


def task_row(user_id: ObjectId, **fields: Any) -> Json:
    """Return a valid task of this user, with these fields changed."""
    return {
        "_id": ObjectId(),
        "user_id": user_id,
        "project_id": None,
        "title": "Write the offer",
        "description": None,
        "status": "pending",
        "tags": [],
        "priority": None,
        "due_at": None,
        "estimate_seconds": None,
        "billable": False,
        "time_entries": [],
        "tracked_seconds": 0,
        "entry_count": 0,
        "first_started_at": None,
        "last_ended_at": None,
        "version": 1,
        "created_at": NINE,
        "updated_at": NINE,
        "completed_at": None,
        "deleted_at": None,
    } | fields


def running_entry(**fields: Any) -> Json:
    """Return a valid running entry that started at 09:00, with these fields changed."""
    return {
        "id": ObjectId(),
        "started_at": NINE,
        "ended_at": None,
        "duration_seconds": None,
        "note": None,
        "tags": [],
        "billable": False,
        "source": "timer",
        "timezone": "UTC",
        "needs_review": False,
        "hourly_rate": None,
        "created_at": NINE,
        "updated_at": NINE,
    } | fields


def ended_entry(*, minutes: int = 30, at: datetime = NINE, **fields: Any) -> Json:
    """Return a valid ended entry of this length, with these fields changed."""
    ended = {"started_at": at, "ended_at": at + timedelta(minutes=minutes), "duration_seconds": minutes * 60}
    return running_entry() | ended | fields


def tracked(*entries: Json) -> Json:
    """Return the fields of a task with these ended entries."""
    return {
        "status": "in_progress",
        "time_entries": list(entries),
        "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
        "entry_count": len(entries),
        "first_started_at": min(entry["started_at"] for entry in entries),
        "last_ended_at": max(entry["ended_at"] for entry in entries),
    }


def page_row(task: Json, *entries: Json, **fields: Any) -> Json:
    """Return a valid page of this task with these ended entries, and with these fields changed. It is not listed."""
    totals = tracked(*entries)
    return {
        "_id": ObjectId(),
        "user_id": task["user_id"],
        "task_id": task["_id"],
        "entries": totals["time_entries"],
        **{name: totals[name] for name in ("tracked_seconds", "entry_count", "first_started_at", "last_ended_at")},
        "import_ids": sorted({entry["import_id"] for entry in entries if "import_id" in entry}),
        "version": 1,
        "created_at": NINE,
        "updated_at": NINE,
    } | fields


def paged_task(user_id: ObjectId, *parts: list[Json], **fields: Any) -> tuple[Json, list[Json]]:
    """Return a valid task and its pages. The last list of ended entries is hot, the others are one page each."""
    *paged, hot = parts
    task = task_row(user_id, **tracked(*(entry for part in parts for entry in part)) | {"time_entries": hot})
    pages = [page_row(task, *entries) for entries in paged]
    listed = {"pages": [page["_id"] for page in pages], "paged_until": max(page["last_ended_at"] for page in pages)}
    return task | listed | fields, pages


def project_row(user_id: ObjectId, **fields: Any) -> Json:
    """Return a valid project of this user, with these fields changed."""
    return {
        "_id": ObjectId(),
        "user_id": user_id,
        "name": "Site",
        "client_name": None,
        "color": None,
        "billable": True,
        "hourly_rate": {"amount": 9550, "currency": "EUR"},
        "archived_at": None,
        "created_at": NINE,
        "updated_at": NINE,
        "deleted_at": None,
        "tasks_version": 0,
    } | fields


def short_entries(count: int) -> list[Json]:
    """Return adjacent entries of one minute each, the last of which ends at 09:00."""
    return [ended_entry(minutes=1, at=NINE - timedelta(minutes=count - number)) for number in range(count)]


async def remove_stored_responses(database: Database) -> None:
    """Remove all stored responses, as if the service had been killed before it stored them."""
    long_ago = {"answer": None, "taken_at": NINE.replace(year=2020)}
    async for key in database.idempotency_keys.find():
        await database.idempotency_keys.update_one({"_id": key["_id"]}, {"$set": long_ago})
