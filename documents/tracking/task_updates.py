"""What an update of a task is made of that changes its entries: the counters are changed with them."""

from datetime import datetime
from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row

ENTRY_SORT: Row = {"started_at": 1, "id": 1}
"""How the ended entries of a task are kept."""


def push_entries(task: Row, entries: list[Row]) -> Row:
    """The update that puts ended entries among the others, and counts them."""
    first, last = task["first_started_at"], task["last_ended_at"]
    return {
        "$set": {
            "first_started_at": min([entry["started_at"] for entry in entries] + ([first] if first else [])),
            "last_ended_at": max([entry["ended_at"] for entry in entries] + ([last] if last else [])),
        },
        "$inc": {
            "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
            "entry_count": len(entries),
        },
        "$push": {"time_entries": {"$each": entries, "$sort": ENTRY_SORT}},
    }


def recomputed_counters(**more: Any) -> Row:
    """What an update sets that has changed the entries: the counters, reckoned anew from them, and the next version."""
    return {
        "tracked_seconds": {"$sum": _of_each_entry("duration_seconds")},
        "entry_count": {"$size": "$time_entries"},
        "first_started_at": {"$min": _of_each_entry("started_at")},
        "last_ended_at": {"$max": _of_each_entry("ended_at")},
        "version": {"$add": ["$version", 1]},
        "updated_at": {"$literal": naive_utc(utc_now())},
        **more,
    }


def import_version_update(task: Row) -> Row:
    """What an import sets beside its change of a task that an import made, if nobody else has changed it since."""
    return {"import_version": task["version"] + 1} if task.get("import_version") == task["version"] else {}


def unmodified_import(import_id: ObjectId, before: datetime) -> Row:
    """In an aggregation: whether this import made `$$this` entry, and nobody has changed it since.

    Then it was changed last when it was made, or `before` the import began.
    """
    as_made = {"$eq": ["$$this.updated_at", "$$this.created_at"]}
    unchanged = {"$or": [as_made, {"$lt": ["$$this.updated_at", before]}]}
    return {"$and": [{"$eq": ["$$this.import_id", import_id]}, unchanged]}


def _of_each_entry(field: str) -> Row:
    """In an aggregation: what stands in this field of each ended entry.

    Not "$time_entries.field": the embedded store finds nothing along a path through an array.
    """
    return {"$map": {"input": "$time_entries", "in": f"$$this.{field}"}}
