"""Planning an import: which rows to write, and into which tasks. Pure functions without a database."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bson import ObjectId

from documents.transfer.imported_pages import text_bytes
from services.transfer.import_formats.results import ImportedRow
from services.transfer.imports.matching import ExistingEntries, LeftOut, match_rows

MAX_ROWS_PER_BATCH = 1_000
MAX_TASKS_PER_BATCH = 100
MAX_BYTES_PER_BATCH = 4 * 1024 * 1024
"""The limits of one transaction. Each update of a task writes the whole task, so a few large batches are fastest."""

Name = tuple[str | None, str]
"""What identifies a task in a file: the name of its project, and its title."""


@dataclass(slots=True)
class TargetTask:
    """A task that entries are written to.

    Attributes:
        new_name: The name of a task that is to be created.
        found_as: The project id and the title by which an existing task was found, unless it was found by its
            imported name. It must still have them when the entries are written.
        planned: The number of planned entries that are not written yet.
    """

    task_id: ObjectId
    new_name: Name | None = None
    found_as: tuple[ObjectId | None, str] | None = None
    planned: int = 0

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
    """Plan the import of these rows: by start if overlaps are checked, otherwise task by task, and by start in each.

    The targets in `existing` are changed, so use it for one plan.
    """
    match, targets = match_rows(user_id, rows, existing.entries), _Targets(existing)
    entries = [PlannedEntry(row, key, targets.target_for((row.project, row.title))) for row, key in match.rows]
    entries = _by_time(entries) if by_time else _by_task(entries)
    return Plan(entries, match.left_out)


class _Targets:
    """Finds the task for each entry."""

    def __init__(self, existing: Existing) -> None:
        self._existing = existing

    def target_for(self, name: Name) -> TargetTask:
        """Return the task with this imported name, otherwise with this present name, otherwise a new one."""
        target = self._existing.imported.get(name) or self._named(name)
        if target is None:
            target = self._existing.imported[name] = TargetTask(ObjectId(), new_name=name)
        target.planned += 1
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
    return text_bytes(row.note, row.tags)


def _by_task(entries: list[PlannedEntry]) -> list[PlannedEntry]:
    by_task: dict[ObjectId, list[PlannedEntry]] = {}
    for entry in entries:
        by_task.setdefault(entry.target.task_id, []).append(entry)
    return [entry for same_task in by_task.values() for entry in _by_time(same_task)]


def _by_time(entries: list[PlannedEntry]) -> list[PlannedEntry]:
    return sorted(entries, key=lambda entry: (int(entry.row.started_at.timestamp()), entry.row.number))
