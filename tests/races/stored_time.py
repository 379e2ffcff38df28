"""What is true of the stored time whatever has happened to it: the counters and the entries tell one story."""

from tests.conftest import Database
from tests.support.http import Json


async def balance(database: Database) -> None:
    """Every task counts what its entries say, and every entry is in one place."""
    places: list[object] = []
    async for task in database.tasks.find():
        entries = task["time_entries"]
        assert task["entry_count"] == len(entries)
        assert task["tracked_seconds"] == sum(entry["duration_seconds"] for entry in entries)
        assert task["first_started_at"] == min((entry["started_at"] for entry in entries), default=None)
        assert task["last_ended_at"] == max((entry["ended_at"] for entry in entries), default=None)
        assert entries == sorted(entries, key=_in_order)
        assert all(_length(entry) == entry["duration_seconds"] >= 0 for entry in entries)
        places += [entry["id"] for entry in entries]
        if "active" in task:
            places.append(task["active"]["id"])
    places += [deleted["_id"] async for deleted in database.deleted_entries.find()]
    assert len(places) == len(set(places))


def _in_order(entry: Json) -> tuple[object, object]:
    return entry["started_at"], entry["id"]


def _length(entry: Json) -> int:
    length = entry["ended_at"] - entry["started_at"]
    return int(length.total_seconds())
