"""Planning an import: which rows to write, and into which tasks. Pure functions without a database."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bson import ObjectId

from documents.tracking.tasks import MAX_HOT_ENTRIES
from services.tracking.rules.capacity import MAX_TASK_BYTES
from services.transfer.import_formats.results import ImportedRow
from services.transfer.imports.matching import ExistingEntries, LeftOut, match_rows

MAX_TASK_ENTRIES = MAX_HOT_ENTRIES - 1
"""An import leaves room for a timer in each task."""

MAX_ROWS_PER_BATCH = 1_000
MAX_TASKS_PER_BATCH = 100
MAX_BYTES_PER_BATCH = 4 * 1024 * 1024
"""The limits of one transaction. Each update of a task writes the whole task, so a few large batches are fastest."""

_ENTRY_BYTES = 400
"""The size of an entry without its note and tags, at most."""

_MAX_TITLE_LENGTH = 200

Name = tuple[str | None, str]
"""What identifies a task in a file: the name of its project, and its title."""


@dataclass(slots=True)
class TargetTask:
    """A task that entries are written to.

    Attributes:
        new_name: The name of a task that is to be created.
        found_as: The project id and the title by which an existing task was found, unless it was found by its
            imported name. It must still have them when the entries are written.
        entry_count: The number of entries, including those that are planned.
        size: The size of these entries in bytes.
    """

    task_id: ObjectId
    new_name: Name | None = None
    found_as: tuple[ObjectId | None, str] | None = None
    entry_count: int = 0
    size: int = 0

    def has_room(self, size: int) -> bool:
        """Return whether an entry of this size can be added."""
        return self.entry_count < MAX_TASK_ENTRIES and self.size + size <= MAX_TASK_BYTES

    @property
    def new_project(self) -> str | None:
        """The name in the file of the project of a new task."""
        return None if self.new_name is None else self.new_name[0]


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """A row of the file and the task that it is written to."""

    row: ImportedRow
    key: str
    target: TargetTask


@dataclass(slots=True)
class Existing:
    """A user's projects, live tasks and imported entries. If several have the same name, the oldest counts.

    Attributes:
        projects: By the name in the file of an earlier import, otherwise by their present name.
        imported: Tasks by their name in the file of an earlier import.
        named: Tasks by their present project and title.
    """

    projects: dict[str, ObjectId] = field(default_factory=dict)
    imported: dict[Name, TargetTask] = field(default_factory=dict)
    named: dict[tuple[ObjectId | None, str], TargetTask] = field(default_factory=dict)
    entries: ExistingEntries = field(default_factory=ExistingEntries)


@dataclass(slots=True)
class Plan:
    """The entries to write, in this order, and the rows that are left out."""

    entries: list[PlannedEntry] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def batches(self) -> Iterator[list[PlannedEntry]]:
        """Yield the entries in batches, each for one transaction."""
        batch: list[PlannedEntry] = []
        tasks: set[ObjectId] = set()
        size = 0
        for entry in self.entries:
            tasks.add(entry.target.task_id)
            size += _size_of(entry.row)
            is_full = len(batch) == MAX_ROWS_PER_BATCH or len(tasks) > MAX_TASKS_PER_BATCH or size > MAX_BYTES_PER_BATCH
            if batch and is_full:
                yield batch
                batch, tasks, size = [], {entry.target.task_id}, _size_of(entry.row)
            batch.append(entry)
        if batch:
            yield batch


@dataclass(slots=True)
class CreationCounter:
    """Counts what planned entries would create, for a dry run."""

    projects: set[str] = field(default_factory=set)
    tasks: set[ObjectId] = field(default_factory=set)
    entries: int = 0

    def add(self, planned: Iterable[PlannedEntry], existing: Existing) -> None:
        """Count these entries."""
        for entry in planned:
            self.entries += 1
            if entry.target.new_name is not None:
                self.tasks.add(entry.target.task_id)
            if entry.target.new_project is not None and entry.target.new_project not in existing.projects:
                self.projects.add(entry.target.new_project)

    def counts(self) -> dict[str, int]:
        """Return the numbers of projects, tasks and entries."""
        return {"projects": len(self.projects), "tasks": len(self.tasks), "entries": self.entries}


def plan(user_id: ObjectId, rows: list[ImportedRow], existing: Existing, *, by_time: bool) -> Plan:
    """Plan the import of these rows: by start time if overlaps are checked, otherwise task by task.

    The targets in `existing` are changed, so use it for one plan.
    """
    match, targets = match_rows(user_id, rows, existing.entries), _Targets(existing)
    entries = [
        PlannedEntry(row, key, targets.next_for((row.project, row.title), _size_of(row))) for row, key in match.rows
    ]
    if by_time:
        entries.sort(key=lambda entry: (int(entry.row.started_at.timestamp()), entry.row.number))
    else:
        entries = _by_task(entries)
    return Plan(entries, match.left_out)


class _Targets:
    """Finds the task for each entry. When a task is full, the next one has a number in its title."""

    def __init__(self, existing: Existing) -> None:
        self._existing = existing
        self._numbers: dict[Name, int] = {}

    def next_for(self, name: Name, size: int) -> TargetTask:
        """Return the task of this name for an entry of this size: the first that has room."""
        project, title = name
        while True:
            number = self._numbers.get(name, 1)
            target = self._target((project, _numbered(title, number)))
            if target.has_room(size):
                target.entry_count += 1
                target.size += size
                return target
            self._numbers[name] = number + 1

    def _target(self, name: Name) -> TargetTask:
        """Return the task with this imported name, otherwise with this present name, otherwise a new one."""
        target = self._existing.imported.get(name) or self._named(name)
        if target is None:
            target = self._existing.imported[name] = TargetTask(ObjectId(), new_name=name)
        return target

    def _named(self, name: Name) -> TargetTask | None:
        project, title = name
        if project is None:
            return self._existing.named.get((None, title))
        if project not in self._existing.projects:
            return None
        return self._existing.named.get((self._existing.projects[project], title))


def _size_of(row: ImportedRow) -> int:
    """Return the maximum size of the row's entry in bytes."""
    return _ENTRY_BYTES + len((row.note or "").encode()) + sum(len(tag.encode()) for tag in row.tags)


def _numbered(title: str, number: int) -> str:
    """Return the title of the task that continues a full one."""
    if number == 1:
        return title
    ending = f" ({number})"
    return title[: _MAX_TITLE_LENGTH - len(ending)].rstrip() + ending


def _by_task(entries: list[PlannedEntry]) -> list[PlannedEntry]:
    by_task: dict[ObjectId, list[PlannedEntry]] = {}
    for entry in entries:
        by_task.setdefault(entry.target.task_id, []).append(entry)
    return [entry for same_task in by_task.values() for entry in same_task]
