"""A model of the tasks and time entries of a user, in plain Python.

It follows the documented behaviour of the service, not its implementation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.support.http import Json

CAP = timedelta(hours=12)

ExpectedErrors = set[tuple[int, str]]
"""The errors that a request may cause. The request must fail with one of them, unless the set is empty."""

NO_TASK = (404, "task_not_found")
NO_ENTRY = (404, "entry_not_found")
NO_TIMER = (404, "no_running_timer")
NOTHING_TO_RESUME = (404, "nothing_to_resume")
OTHER_TIMER_RUNNING = (409, "timer_already_running")
TIMER_RUNNING = (409, "timer_running")
OVERLAP = (409, "overlap")
STALE = (412, "stale_version")
INVALID = (422, "invalid_request")
IN_THE_FUTURE = (422, "in_the_future")


def truncate_to_seconds(instant: datetime) -> datetime:
    """Return the instant in UTC, truncated to whole seconds."""
    return instant.astimezone(UTC).replace(microsecond=0)


def rfc3339(instant: datetime) -> str:
    """Format an instant as in a response."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Entry:
    """A time entry. It is running if it has no end."""

    id: str
    started_at: datetime
    ended_at: datetime | None
    note: str | None
    tags: list[str]
    billable: bool
    source: str
    needs_review: bool = False

    @property
    def seconds(self) -> int:
        assert self.ended_at is not None
        return int((self.ended_at - self.started_at).total_seconds())

    def to_response(self, task_id: str) -> Json:
        """Return the entry as in a response, without the timestamps of its creation and update."""
        return {
            "id": self.id,
            "task_id": task_id,
            "started_at": rfc3339(self.started_at),
            "ended_at": rfc3339(self.ended_at) if self.ended_at else None,
            "duration_seconds": self.seconds if self.ended_at else None,
            "note": self.note,
            "tags": self.tags,
            "billable": self.billable,
            "source": self.source,
            "timezone": "UTC",
            "needs_review": self.needs_review,
            "hourly_rate": None,
        }


@dataclass
class Task:
    """A task with its entries."""

    id: str
    fields: Json
    entries: dict[str, Entry] = field(default_factory=dict)
    active: Entry | None = None
    version: int = 1
    is_deleted: bool = False

    @property
    def tracked_seconds(self) -> int:
        return sum(entry.seconds for entry in self.entries.values())

    def newest_first(self) -> list[Entry]:
        return sorted(self.entries.values(), key=lambda entry: (entry.started_at, entry.id), reverse=True)

    def to_response(self) -> Json:
        """Return the task as in a list, without its timestamps."""
        return {
            "id": self.id,
            "description": None,
            "project_id": None,
            "due_at": None,
            "estimate_seconds": None,
            **self.fields,
            "tracked_seconds": self.tracked_seconds,
            "entry_count": len(self.entries),
            "active": self.active.to_response(self.id) if self.active else None,
            "version": self.version,
        }


@dataclass
class Owner:
    """A user with all tasks and deleted entries."""

    policy: str = "allow"
    tasks: dict[str, Task] = field(default_factory=dict)
    deleted: dict[str, tuple[str, Entry]] = field(default_factory=dict)

    def live(self) -> list[Task]:
        return [task for task in self.tasks.values() if not task.is_deleted]

    def task(self, task_id: str) -> Task | None:
        """Return the task, unless it is deleted or of another user."""
        task = self.tasks.get(task_id)
        return None if task is None or task.is_deleted else task

    def running(self) -> Task | None:
        return next((task for task in self.live() if task.active), None)

    def task_of_ended_entry(self, entry_id: str) -> Task | None:
        """Return the task of an ended entry, deleted or not."""
        return next((task for task in self.tasks.values() if entry_id in task.entries), None)

    def entry_ids(self) -> list[str]:
        """Return the ids of all entries: ended, running and deleted ones, each group in the order of its tasks."""
        ended = [entry_id for task in self.tasks.values() for entry_id in task.entries]
        running = [task.active.id for task in self.tasks.values() if task.active]
        return ended + running + list(self.deleted)

    def task_id_of(self, entry_id: str) -> str | None:
        """Return the id of the task of an entry, which may be deleted."""
        holder = self.task_of_ended_entry(entry_id)
        if holder is not None:
            return holder.id
        running = self.running()
        if running is not None and running.active and running.active.id == entry_id:
            return running.id
        return self.deleted[entry_id][0] if entry_id in self.deleted else None

    def overlaps(
        self, start: datetime, end: datetime, *, exclude: str | None = None, running: bool = True
    ) -> set[tuple[str, str, int]]:
        """Return the entries that overlap [start, end), with the overlap in seconds. A running entry ends now."""
        now = truncate_to_seconds(datetime.now(UTC))
        return {
            (task.id, entry.id, seconds)
            for task, entry in self._live_entries(running=running)
            if entry.id != exclude
            and (seconds := _shared_seconds(start, end, entry.started_at, entry.ended_at or now)) > 0
        }

    def _live_entries(self, *, running: bool) -> Iterator[tuple[Task, Entry]]:
        for task in self.live():
            yield from ((task, entry) for entry in task.entries.values())
            if running and task.active:
                yield task, task.active

    def last_ended_entries(self) -> list[tuple[Task, Entry]]:
        """Return the entries of existing tasks that ended last: several if they ended in the same second."""
        ended = [(entry.ended_at, task, entry) for task, entry in self._live_entries(running=False) if entry.ended_at]
        last = max((instant for instant, _, _ in ended), default=None)
        return [(task, entry) for instant, task, entry in ended if instant == last]

    def end(self, task: Task, ended_at: datetime, policy: str) -> Entry:
        """End the running entry of the task, and increment the version of the task."""
        entry = task.active
        assert entry is not None
        entry.ended_at = max(ended_at, entry.started_at)
        overlaps = policy != "allow" and self.overlaps(
            entry.started_at, entry.ended_at, exclude=entry.id, running=False
        )
        entry.needs_review = entry.ended_at - entry.started_at > CAP or bool(overlaps)
        task.entries[entry.id] = entry
        task.active = None
        task.version += 1
        return entry


def _shared_seconds(start: datetime, end: datetime, other_start: datetime, other_end: datetime) -> int:
    if start >= end or other_start >= other_end:
        return 0
    return int((min(end, other_end) - max(start, other_start)).total_seconds())
