"""Tasks with as many entries as people gather in years."""

from datetime import UTC, datetime, timedelta

from bson import ObjectId

from documents.transfer.import_queries import entry_fields
from tests.support.http import Json

NOTE = "n" * 1000
_BESIDE_THE_NOTE = 400
_BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


def many_entries(megabytes: float, note: str = NOTE) -> Json:
    """The fields of a task whose ended entries take about so many megabytes, a minute each."""
    each = len(note.encode()) + _BESIDE_THE_NOTE
    return entry_fields([_entry(number, note) for number in range(int(megabytes * 1_000_000 / each))])


def _entry(number: int, note: str) -> Json:
    began = _BEGIN + timedelta(minutes=number)
    return {
        "id": ObjectId(),
        "started_at": began,
        "ended_at": began + timedelta(seconds=60),
        "duration_seconds": 60,
        "note": note,
        "tags": [],
        "billable": False,
        "source": "manual",
        "timezone": "UTC",
        "needs_review": False,
        "hourly_rate": None,
        "created_at": began,
        "updated_at": began,
    }
