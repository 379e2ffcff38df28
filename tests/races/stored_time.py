"""Checks of the stored time: counters match the entries, and each entry is stored once."""

from tests.conftest import Database
from tests.support.http import Json


async def assert_stored_time_is_consistent(database: Database) -> None:
    """Check that the counters of each task match its entries, and that each entry is stored once."""
    places: list[object] = []
    async for task in database.tasks.find():
        entries = task["time_entries"]
        assert task["entry_count"] == len(entries)
        assert task["tracked_seconds"] == sum(entry["duration_seconds"] for entry in entries)
        assert task["first_started_at"] == min((entry["started_at"] for entry in entries), default=None)
        assert task["last_ended_at"] == max((entry["ended_at"] for entry in entries), default=None)
        assert entries == sorted(entries, key=_sort_key)
        assert all(_length_seconds(entry) == entry["duration_seconds"] >= 0 for entry in entries)
        places += [entry["id"] for entry in entries]
        if "active" in task:
            places.append(task["active"]["id"])
    places += [deleted["_id"] async for deleted in database.deleted_entries.find()]
    assert len(places) == len(set(places))


def _sort_key(entry: Json) -> tuple[object, object]:
    return entry["started_at"], entry["id"]


def _length_seconds(entry: Json) -> int:
    length = entry["ended_at"] - entry["started_at"]
    return int(length.total_seconds())
