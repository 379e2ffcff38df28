"""Checks of the stored time: totals match the entries, and each entry is stored once."""

from tests.conftest import Database
from tests.support.http import Json
from tests.support.pages.stored_tasks import PagedTask, read_tasks


async def assert_stored_time_is_consistent(database: Database) -> None:
    """Check that the totals of each task match its hot and paged entries, and that each entry is stored once."""
    places: list[object] = []
    for task in await read_tasks(database):
        _check_entries(task.hot)
        for page in task.pages:
            _check_page(task.row, page)
        _check_totals(task.row, task.entries)
        _check_bound_of_pages(task)
        places += [entry["id"] for entry in task.entries]
        if "active" in task.row:
            places.append(task.row["active"]["id"])
    places += [deleted["_id"] async for deleted in database.deleted_entries.find()]
    assert len(places) == len(set(places)), "an entry is stored twice"


def _check_entries(entries: list[Json]) -> None:
    assert entries == sorted(entries, key=_sort_key)
    assert all(_length_seconds(entry) == entry["duration_seconds"] >= 0 for entry in entries)


def _check_totals(stored: Json, entries: list[Json]) -> None:
    assert stored["entry_count"] == len(entries)
    assert stored["tracked_seconds"] == sum(entry["duration_seconds"] for entry in entries)
    assert stored["first_started_at"] == min((entry["started_at"] for entry in entries), default=None)
    assert stored["last_ended_at"] == max((entry["ended_at"] for entry in entries), default=None)


def _check_page(task: Json, page: Json) -> None:
    assert (page["user_id"], page["task_id"]) == (task["user_id"], task["_id"])
    assert page["entries"], "a page without entries is listed"
    _check_entries(page["entries"])
    _check_totals(page, page["entries"])
    assert page["import_ids"] == sorted({entry["import_id"] for entry in page["entries"] if "import_id" in entry})
    assert "replaced_at" not in page, "a replaced page is listed"


def _check_bound_of_pages(task: PagedTask) -> None:
    until = task.row.get("paged_until")
    assert until is None or all(page["last_ended_at"] <= until for page in task.pages)


def _sort_key(entry: Json) -> tuple[object, object]:
    return entry["started_at"], entry["id"]


def _length_seconds(entry: Json) -> int:
    length = entry["ended_at"] - entry["started_at"]
    return int(length.total_seconds())
