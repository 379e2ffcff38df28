"""Tasks with as many entries as people gather in years."""

from datetime import UTC, datetime, timedelta

from bson import ObjectId

from documents.imported import with_entries
from tests.support import Json

NOTE = "n" * 1000
_AN_ENTRY = 1400
_BEGIN = datetime(2026, 1, 5, tzinfo=UTC)


def many_entries(megabytes: float) -> Json:
    """The fields of a task whose ended entries take so many megabytes, a minute each."""
    return with_entries([_entry(number) for number in range(int(megabytes * 1_000_000 / _AN_ENTRY))])


def _entry(number: int) -> Json:
    began = _BEGIN + timedelta(minutes=number)
    return {
        "id": ObjectId(),
        "started_at": began,
        "ended_at": began + timedelta(seconds=60),
        "duration_seconds": 60,
        "note": NOTE,
        "tags": [],
        "billable": False,
        "source": "manual",
        "timezone": "UTC",
        "needs_review": False,
        "hourly_rate": None,
        "created_at": began,
        "updated_at": began,
    }
