"""The tasks and entries of accounts of two years, as the service stores them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from bson import ObjectId
from pymongo.synchronous.database import Database

from benchmarks.harness.growing_tasks import TYPICAL_HOT_ENTRIES
from benchmarks.harness.seeding import Document, ended_entry, task_row
from documents.tracking.pages import TaskPage, page_contents

WORK_MINUTES = 600
"""The minutes of a day in which entries start."""

FIRST_START = timedelta(hours=7)
LENGTH = timedelta(minutes=5)
BATCH_SIZE = 100

_VERBS = ("Answer", "Build", "Call", "Draft", "Estimate", "Fix", "Merge", "Plan", "Review", "Test", "Update", "Write")
_OBJECTS = ("the offer", "the report", "the website", "the contract", "the invoice", "the release", "the slides")
_TAGS = tuple(f"area {number}" for number in range(40))
_ENTRY_TAGS = ("deep", "meeting", "mail", "travel", "support")


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of an account: tasks with entries within a few days each, and routines with entries over all days."""

    tasks: int
    projects: int
    routines: int = 0
    routine_entries: int = 0
    task_entries: int = 14
    task_days: int = 10
    days: int = 730

    @property
    def entries(self) -> int:
        """The number of all entries."""
        return self.tasks * self.task_entries + self.routines * self.routine_entries


LARGE = Shape(tasks=5_000, projects=60, routines=30, routine_entries=1_000)
SMALL = Shape(tasks=100, projects=5)
BUSY = Shape(tasks=100, projects=5, task_entries=50, task_days=7, days=7)
"""A week of 5,000 entries."""


def insert_account(database: Database[Document], user_id: ObjectId, shape: Shape, seed: int) -> list[ObjectId]:
    """Insert the projects, tasks and pages of a user. Return the ids of the routines.

    The same seed creates the same data. All entries ended before today.
    """
    random, now = Random(seed), datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    projects = [_project_row(user_id, number, now) for number in range(shape.projects)]
    database["projects"].insert_many(projects)
    project_ids = [project["_id"] for project in projects]
    routines = list(_routine_rows(user_id, shape, random, now))
    pages = [page for _, pages in routines for page in pages]
    tasks = [*_task_rows(user_id, shape, random, now), *(task for task, _ in routines)]
    for task in tasks:
        task["project_id"] = random.choice(project_ids)
    # Without validation the time is half as long.
    for first in range(0, len(tasks), BATCH_SIZE):
        database["tasks"].insert_many(tasks[first : first + BATCH_SIZE], bypass_document_validation=True)
    for page in pages:
        database["task_pages"].insert_one(page, bypass_document_validation=True)
    return [task["_id"] for task, _ in routines]


def _task_rows(user_id: ObjectId, shape: Shape, random: Random, now: datetime) -> Iterator[Document]:
    """Yield the tasks, the oldest first. Those that ended more than two months ago are completed, but for some."""
    today = now.replace(hour=0, minute=0, second=0)
    for number in range(shape.tasks):
        first_day = today + timedelta(days=(shape.days - shape.task_days) * number / shape.tasks - shape.days)
        starts = sorted(_start(first_day, random.randrange(shape.task_days), random) for _ in range(shape.task_entries))
        title = f"{random.choice(_VERBS)} {random.choice(_OBJECTS)} {random.randrange(10_000)}"
        task = _task(user_id, title, starts, [ended_entry(start, start) for start in starts], random)
        ended_at = task["last_ended_at"]
        if now - ended_at > timedelta(days=60) and random.random() < 0.95:
            task |= {"status": "completed", "completed_at": ended_at}
        task["due_at"] = ended_at + timedelta(days=random.randrange(30)) if random.random() < 0.6 else None
        yield task


def _routine_rows(
    user_id: ObjectId, shape: Shape, random: Random, now: datetime
) -> Iterator[tuple[Document, list[Document]]]:
    """Yield the tasks that are tracked for all two years, each with its pages."""
    today = now.replace(hour=0, minute=0, second=0)
    for number in range(shape.routines):
        days = [shape.days * place // shape.routine_entries for place in range(shape.routine_entries)]
        starts = sorted(_start(today - timedelta(days=shape.days), day, random) for day in days)
        entries = [ended_entry(start, start) for start in starts]
        hot, paged = entries[-TYPICAL_HOT_ENTRIES:], entries[:-TYPICAL_HOT_ENTRIES]
        task = _task(user_id, f"Routine {number}", starts, hot, random)
        batches = [paged[first : first + TaskPage.capacity] for first in range(0, len(paged), TaskPage.capacity)]
        pages = [TaskPage.new_row(user_id, task["_id"], batch) for batch in batches]
        task |= {
            "tracked_seconds": len(entries) * int(LENGTH.total_seconds()),
            "entry_count": len(entries),
            "pages": [page["_id"] for page in pages],
            "paged_until": pages[-1]["last_ended_at"],
            "due_at": None,
        }
        yield task, pages


def _task(user_id: ObjectId, title: str, starts: list[datetime], entries: list[Document], random: Random) -> Document:
    """Return a task with these hot entries, created with the first start."""
    for entry in entries:
        entry |= {
            "ended_at": entry["started_at"] + LENGTH,
            "duration_seconds": int(LENGTH.total_seconds()),
            "tags": random.sample(_ENTRY_TAGS, random.randrange(3)),
            "billable": random.random() < 0.7,
            "needs_review": random.random() < 0.001,
        }
    contents = page_contents(entries)
    return {
        **task_row(user_id, 0, starts[0]),
        "title": title,
        "tags": random.sample(_TAGS, 2),
        "time_entries": entries,
        "tracked_seconds": contents["tracked_seconds"],
        "entry_count": len(entries),
        "first_started_at": starts[0],
        "last_ended_at": contents["last_ended_at"],
        "version": len(entries) + 1,
        "created_at": starts[0],
        "updated_at": contents["last_ended_at"],
    }


def _start(first: datetime, day: int, random: Random) -> datetime:
    """Return a random start on a day."""
    midnight = (first + timedelta(days=day)).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + FIRST_START + timedelta(minutes=random.randrange(WORK_MINUTES))


def _project_row(user_id: ObjectId, number: int, now: datetime) -> Document:
    return {
        "_id": ObjectId(),
        "user_id": user_id,
        "name": f"Project {number:03}",
        "client_name": f"Client {number % 12}",
        "color": None,
        "billable": True,
        "hourly_rate": None,
        "archived_at": None,
        "created_at": now,
        "updated_at": now,
        "deleted_at": None,
        "tasks_version": 0,
    }
