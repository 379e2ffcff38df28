"""Tasks with many entries, inserted as the service stores them after years of tracking: ten entries a day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from pymongo.synchronous.database import Database

from benchmarks.harness.seeding import Document, ended_entry, task_row
from documents.tracking.pages import TaskPage, page_contents
from documents.tracking.tasks import Task

ENTRIES_PER_DAY = 10
FIRST_START = timedelta(hours=8)
BETWEEN_STARTS = timedelta(minutes=50)

MIN_HOT_ENTRIES = Task.hot_entries - Task.paged_at_once
"""How many hot entries remain in a task when a page was turned."""

TYPICAL_HOT_ENTRIES = (MIN_HOT_ENTRIES + Task.hot_entries) // 2
"""The mean number of hot entries between two page turns."""


@dataclass(frozen=True, slots=True)
class GrowingTask:
    """A task and the ids of its pages, as inserted. `first_entry` is its oldest entry."""

    task: Document
    page_ids: tuple[ObjectId, ...]
    first_entry: ObjectId

    def restore(self, database: Database[Document]) -> None:
        """Restore the inserted task, and delete the pages that were added since."""
        task = self.task
        database["tasks"].replace_one({"_id": task["_id"]}, task)
        for page_id in self.stored_page_ids(database).difference(self.page_ids):
            database["task_pages"].delete_one({"_id": page_id})
        if self.page_ids:
            database["task_pages"].update_one({"_id": self.page_ids[-1]}, {"$unset": {"replaced_at": ""}})

    def make_page_due(self, database: Database[Document]) -> None:
        """Add hot entries to the inserted task until a page is due."""
        hot = self.task["time_entries"]
        now = self.task["updated_at"]
        added = [ended_entry(now, now) for _ in range(Task.hot_entries - len(hot))]
        counters = {
            "entry_count": self.task["entry_count"] + len(added),
            "tracked_seconds": self.task["tracked_seconds"] + sum(entry["duration_seconds"] for entry in added),
        }
        due = {**self.task, **counters, "time_entries": hot + added, "last_ended_at": added[-1]["ended_at"]}
        database["tasks"].replace_one({"_id": due["_id"]}, due)

    def stored_page_ids(self, database: Database[Document]) -> set[ObjectId]:
        """Return the ids of all stored pages of the task."""
        condition = {"user_id": self.task["user_id"], "task_id": self.task["_id"]}
        return {page["_id"] for page in database["task_pages"].find(condition, {"_id": 1})}


def insert_task(
    database: Database[Document], user_id: ObjectId, number: int, entries: int, hot: int = TYPICAL_HOT_ENTRIES
) -> GrowingTask:
    """Insert a task whose entries ended before today: `hot` of them in the task, the others in full pages."""
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    today = now.replace(hour=0, minute=0, second=0)
    starts = [_start(today, place, number) for place in reversed(range(entries))]
    task = task_row(user_id, number, now)
    first_entry, page_ids, seconds = ObjectId(), [], 0
    paged = entries - min(hot, entries)
    for place in range(0, paged, TaskPage.capacity):
        rows = [ended_entry(start, now) for start in starts[place : min(place + TaskPage.capacity, paged)]]
        if place == 0:
            rows[0]["id"] = first_entry
        page = TaskPage.new_row(user_id, task["_id"], rows)
        database["task_pages"].insert_one(page, bypass_document_validation=True)  # halves the time of a run
        page_ids.append(page["_id"])
        seconds += page["tracked_seconds"]
        task["paged_until"] = page["last_ended_at"]
    task["time_entries"] = [ended_entry(start, now) for start in starts[paged:]]
    if not paged:
        task["time_entries"][0]["id"] = first_entry
    contents = page_contents(task["time_entries"])
    task |= {
        "tracked_seconds": seconds + contents["tracked_seconds"],
        "entry_count": entries,
        "first_started_at": starts[0],
        "last_ended_at": contents["last_ended_at"],
        "version": entries + 1,
    }
    if page_ids:
        task["pages"] = page_ids
    database["tasks"].insert_one(task)
    return GrowingTask(task, tuple(page_ids), first_entry)


def _start(today: datetime, place: int, number: int) -> datetime:
    """Return the start of the entry at this place, counted from the newest one."""
    days, turn = divmod(place, ENTRIES_PER_DAY)
    in_day = FIRST_START + BETWEEN_STARTS * (ENTRIES_PER_DAY - 1 - turn) + timedelta(minutes=number)
    return today - timedelta(days=days + 1) + in_day
