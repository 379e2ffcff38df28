"""What a user's tasks and time are, in plain Python: the promises of the service without a database.

Written from what the service says that it does, not from how it does it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.support.http import Json

CAP = timedelta(hours=12)

Refusals = set[tuple[int, str]]
"""The errors that a request may end with: it must end with one of them, unless there are none."""

NO_TASK = (404, "task_not_found")
NO_ENTRY = (404, "entry_not_found")
NO_TIMER = (404, "no_running_timer")
NOTHING_TO_RESUME = (404, "nothing_to_resume")
OTHER_TIMER = (409, "timer_already_running")
RUNS = (409, "timer_running")
OVERLAP = (409, "overlap")
STALE = (412, "stale_version")
INVALID = (422, "invalid_request")
IN_THE_FUTURE = (422, "in_the_future")


def whole(instant: datetime) -> datetime:
    """The instant in whole seconds, truncated."""
    return instant.astimezone(UTC).replace(microsecond=0)


def said(instant: datetime) -> str:
    """A whole second as answers say it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Entry:
    """A time entry; one without an end runs."""

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

    def shown(self, task_id: str) -> Json:
        """The entry in an answer, but for when it was made and changed."""
        return {
            "id": self.id,
            "task_id": task_id,
            "started_at": said(self.started_at),
            "ended_at": said(self.ended_at) if self.ended_at else None,
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
    in_the_trash: bool = False

    @property
    def tracked_seconds(self) -> int:
        return sum(entry.seconds for entry in self.entries.values())

    def newest_first(self) -> list[Entry]:
        return sorted(self.entries.values(), key=lambda entry: (entry.started_at, entry.id), reverse=True)

    def shown(self) -> Json:
        """The task in a list, but for when it was made, changed, completed and trashed."""
        return {
            "id": self.id,
            "description": None,
            "project_id": None,
            "due_at": None,
            "estimate_seconds": None,
            **self.fields,
            "tracked_seconds": self.tracked_seconds,
            "entry_count": len(self.entries),
            "active": self.active.shown(self.id) if self.active else None,
            "version": self.version,
        }


@dataclass
class Owner:
    """A user with all that is theirs."""

    policy: str = "allow"
    tasks: dict[str, Task] = field(default_factory=dict)
    deleted: dict[str, tuple[str, Entry]] = field(default_factory=dict)

    def live(self) -> list[Task]:
        return [task for task in self.tasks.values() if not task.in_the_trash]

    def task(self, task_id: str) -> Task | None:
        """The task, unless it is in the trash or somebody else's."""
        task = self.tasks.get(task_id)
        return None if task is None or task.in_the_trash else task

    def running(self) -> Task | None:
        return next((task for task in self.live() if task.active), None)

    def holder(self, entry_id: str) -> Task | None:
        """The task of an entry that has ended, in the trash or not."""
        return next((task for task in self.tasks.values() if entry_id in task.entries), None)

    def entry_ids(self) -> list[str]:
        """Every entry there ever was, in the order in which tasks hold them: ended, running and deleted ones."""
        ended = [entry_id for task in self.tasks.values() for entry_id in task.entries]
        running = [task.active.id for task in self.tasks.values() if task.active]
        return ended + running + list(self.deleted)

    def home(self, entry_id: str) -> str | None:
        """The id of the task that the entry is in, or was in."""
        holder = self.holder(entry_id)
        if holder is not None:
            return holder.id
        running = self.running()
        if running is not None and running.active and running.active.id == entry_id:
            return running.id
        return self.deleted[entry_id][0] if entry_id in self.deleted else None

    def overlaps(
        self, start: datetime, end: datetime, *, but: str | None = None, running: bool = True
    ) -> set[tuple[str, str, int]]:
        """The live entries that share time with [start, end), and how much; the running one counts up to now."""
        return {
            (task.id, entry.id, seconds)
            for task, entry in self._live_entries(running=running)
            if entry.id != but
            and (seconds := _shared(start, end, entry.started_at, entry.ended_at or whole(datetime.now(UTC)))) > 0
        }

    def _live_entries(self, *, running: bool) -> Iterator[tuple[Task, Entry]]:
        for task in self.live():
            yield from ((task, entry) for entry in task.entries.values())
            if running and task.active:
                yield task, task.active

    def tracked_last(self) -> list[tuple[Task, Entry]]:
        """Of the live tasks, the entries that ended last: one, or several that ended at the same second."""
        ended = [(entry.ended_at, task, entry) for task, entry in self._live_entries(running=False) if entry.ended_at]
        last = max((instant for instant, _, _ in ended), default=None)
        return [(task, entry) for instant, task, entry in ended if instant == last]

    def end(self, task: Task, ended_at: datetime, policy: str) -> Entry:
        """The running entry of the task, which has ended; the task is one version on."""
        entry = task.active
        assert entry is not None
        entry.ended_at = max(ended_at, entry.started_at)
        doubtful = policy != "allow" and self.overlaps(entry.started_at, entry.ended_at, but=entry.id, running=False)
        entry.needs_review = entry.ended_at - entry.started_at > CAP or bool(doubtful)
        task.entries[entry.id] = entry
        task.active = None
        task.version += 1
        return entry


def _shared(start: datetime, end: datetime, other_start: datetime, other_end: datetime) -> int:
    if start >= end or other_start >= other_end:
        return 0
    return int((min(end, other_end) - max(start, other_start)).total_seconds())
