"""Tasks with as many entries as a user creates in years."""

from datetime import UTC, datetime, timedelta

from bson import ObjectId

from documents.transfer.imported_pages import entry_fields
from tests.support.http import Json

NOTE = "n" * 1000
_BYTES_WITHOUT_NOTE = 400
_FIRST_START = datetime(2026, 1, 5, tzinfo=UTC)


def many_entries(megabytes: float, note: str = NOTE) -> Json:
    """Return the fields of a task whose ended entries, of one minute each, have about this size in megabytes."""
    entry_bytes = len(note.encode()) + _BYTES_WITHOUT_NOTE
    return entry_fields([_entry(number, note) for number in range(int(megabytes * 1_000_000 / entry_bytes))])


def _entry(number: int, note: str) -> Json:
    started_at = _FIRST_START + timedelta(minutes=number)
    return {
        "id": ObjectId(),
        "started_at": started_at,
        "ended_at": started_at + timedelta(seconds=60),
        "duration_seconds": 60,
        "note": note,
        "tags": [],
        "billable": False,
        "source": "manual",
        "timezone": "UTC",
        "needs_review": False,
        "hourly_rate": None,
        "created_at": started_at,
        "updated_at": started_at,
    }
