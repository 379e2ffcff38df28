"""Parts of task updates that change entries. Each one updates the counters of the task as well."""

from app.clock import naive_utc, utc_now
from documents.common.base import Row

ENTRY_SORT: Row = {"started_at": 1, "id": 1}
"""The order in which the ended entries of a task are stored."""

_AT_THE_END: Row = {"$position": 2**31 - 1}


def push_entries(task: Row, entries: list[Row]) -> Row:
    """Return the update that adds ended entries to a task and to its counters.

    The entries are sorted unless the only new one starts after all others have ended.
    """
    first, last = task["first_started_at"], task["last_ended_at"]
    is_newest = len(entries) == 1 and (last is None or entries[0]["started_at"] > last)
    order = _AT_THE_END if is_newest else {"$sort": ENTRY_SORT}
    return {
        "$set": {
            "first_started_at": min([entry["started_at"] for entry in entries] + ([first] if first else [])),
            "last_ended_at": max([entry["ended_at"] for entry in entries] + ([last] if last else [])),
        },
        "$inc": {
            "tracked_seconds": sum(entry["duration_seconds"] for entry in entries),
            "entry_count": len(entries),
        },
        "$push": {"time_entries": {"$each": entries, **order}},
    }


def changed_counters(old: Row, new: list[Row], bounds: Row | None) -> Row:
    """Return the $set stage that updates the counters of a task whose hot entry `old` was replaced by `new`.

    `bounds` are the first start and the last end. Without them, they are those of the hot entries.
    """
    seconds = sum(entry["duration_seconds"] for entry in new) - old["duration_seconds"]
    return {
        "tracked_seconds": {"$add": ["$tracked_seconds", seconds]},
        "entry_count": {"$add": ["$entry_count", len(new) - 1]},
        "first_started_at": {"$min": _entry_values("started_at")},
        "last_ended_at": {"$max": _entry_values("ended_at")},
        "version": {"$add": ["$version", 1]},
        "updated_at": {"$literal": naive_utc(utc_now())},
        **({field: {"$literal": bound} for field, bound in bounds.items()} if bounds else {}),
    }


def import_version_update(task: Row) -> Row:
    """Return the fields by which an imported task that was not edited still counts as unedited after this update."""
    return {"import_version": task["version"] + 1} if task.get("import_version") == task["version"] else {}


def _entry_values(field: str) -> Row:
    """Return an aggregation expression: the values of a field of the ended entries (portable form: decision 10)."""
    return {"$map": {"input": "$time_entries", "in": f"$$this.{field}"}}
