"""What is to be written of a file, seen beside what a user has already: pure functions, without any database."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bson import ObjectId

from documents.tracking.tasks import MAX_ENTRIES
from services.tracking.rules.capacity import MAX_TASK_BYTES
from services.transfer.import_formats.results import ImportedRow
from services.transfer.imports.matching import KnownEntries, LeftOut, matched

ROOM = MAX_ENTRIES - 1
"""How many entries an import puts into a task: the last place is a timer's."""

MAX_ROWS_PER_BATCH = 1_000
MAX_TASKS_PER_BATCH = 100
MAX_BYTES_PER_BATCH = 4 * 1024 * 1024
"""How much is written as one: few large parts, since each change of a task writes all of it, that take no second."""

_BYTES = 400
"""What an entry takes, but for its note."""

_MAX_TITLE_LENGTH = 200

Name = tuple[str | None, str]
"""What a file calls a task: the name of its project, and its title."""


@dataclass(slots=True)
class Place:
    """A task that entries are put into; `taken` counts the entries in it, `size` how many bytes they take.

    `new` is the name of one that is still to be made. `found_as` is there of a task that is known by
    its present project and title alone: it must have them still when the entries are written.
    """

    task_id: ObjectId
    new: Name | None = None
    found_as: tuple[ObjectId | None, str] | None = None
    taken: int = 0
    size: int = 0

    def has_room(self, size: int) -> bool:
        """Whether one more entry of this size goes into it: the rest is for a timer."""
        return self.taken < ROOM and self.size + size <= MAX_TASK_BYTES

    @property
    def new_in(self) -> str | None:
        """What the file calls the project that the task is to be made in, if there is one."""
        return None if self.new is None else self.new[0]


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """A row of the file, and where it goes."""

    row: ImportedRow
    key: str
    place: Place


@dataclass(slots=True)
class Known:
    """What a user has: projects and live tasks, and the entries that are known again.

    `projects` and `imported` are found by what the files of earlier imports called them, projects
    then by their present names; `named` are tasks by their present project and title. Of several
    the first made counts.
    """

    projects: dict[str, ObjectId] = field(default_factory=dict)
    imported: dict[Name, Place] = field(default_factory=dict)
    named: dict[tuple[ObjectId | None, str], Place] = field(default_factory=dict)
    entries: KnownEntries = field(default_factory=KnownEntries)


@dataclass(slots=True)
class Plan:
    """What is to be written, in this order, and what is left out since it is there already."""

    entries: list[PlannedEntry] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def chunks(self) -> Iterator[list[PlannedEntry]]:
        """The entries in parts that are each written as one."""
        part: list[PlannedEntry] = []
        tasks: set[ObjectId] = set()
        size = 0
        for entry in self.entries:
            tasks.add(entry.place.task_id)
            size += _size_of(entry.row)
            is_full = len(part) == MAX_ROWS_PER_BATCH or len(tasks) > MAX_TASKS_PER_BATCH or size > MAX_BYTES_PER_BATCH
            if part and is_full:
                yield part
                part, tasks, size = [], {entry.place.task_id}, _size_of(entry.row)
            part.append(entry)
        if part:
            yield part


@dataclass(slots=True)
class Tally:
    """What the entries that are planned will make."""

    projects: set[str] = field(default_factory=set)
    tasks: set[ObjectId] = field(default_factory=set)
    entries: int = 0

    def add(self, planned: Iterable[PlannedEntry], known: Known) -> None:
        """Counts these, too."""
        for entry in planned:
            self.entries += 1
            if entry.place.new is not None:
                self.tasks.add(entry.place.task_id)
            if entry.place.new_in is not None and entry.place.new_in not in known.projects:
                self.projects.add(entry.place.new_in)

    def made(self) -> dict[str, int]:
        """How many of each."""
        return {"projects": len(self.projects), "tasks": len(self.tasks), "entries": self.entries}


def plan(user_id: ObjectId, rows: list[ImportedRow], known: Known, *, by_time: bool) -> Plan:
    """What is to be written of these rows: by time where overlaps are minded, else task by task.

    The places are taken in `known`, so it is good for one plan.
    """
    found, places = matched(user_id, rows, known.entries), _Places(known)
    entries = [
        PlannedEntry(row, key, places.next_for((row.project, row.title), _size_of(row))) for row, key in found.rows
    ]
    if by_time:
        entries.sort(key=lambda entry: (int(entry.row.started_at.timestamp()), entry.row.number))
    else:
        entries = _task_by_task(entries)
    return Plan(entries, found.left_out)


class _Places:
    """Which task the next entry of a name goes into."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._numbers: dict[Name, int] = {}

    def next_for(self, name: Name, size: int) -> Place:
        """The task of the name that has room: the one there is, else the next by number."""
        project, title = name
        while True:
            number = self._numbers.get(name, 1)
            place = self._place((project, _numbered(title, number)))
            if place.has_room(size):
                place.taken += 1
                place.size += size
                return place
            self._numbers[name] = number + 1

    def _place(self, name: Name) -> Place:
        """The task that an import has made by this name, else the one that is called so, else a new one."""
        place = self._known.imported.get(name) or self._named(name)
        if place is None:
            place = self._known.imported[name] = Place(ObjectId(), new=name)
        return place

    def _named(self, name: Name) -> Place | None:
        project, title = name
        if project is None:
            return self._known.named.get((None, title))
        if project not in self._known.projects:
            return None
        return self._known.named.get((self._known.projects[project], title))


def _size_of(row: ImportedRow) -> int:
    """How many bytes its entry takes at most."""
    return _BYTES + len((row.note or "").encode()) + sum(len(tag.encode()) for tag in row.tags)


def _numbered(title: str, number: int) -> str:
    """The title of a task in which a full one goes on."""
    if number == 1:
        return title
    ending = f" ({number})"
    return title[: _MAX_TITLE_LENGTH - len(ending)].rstrip() + ending


def _task_by_task(entries: list[PlannedEntry]) -> list[PlannedEntry]:
    by_task: dict[ObjectId, list[PlannedEntry]] = {}
    for entry in entries:
        by_task.setdefault(entry.place.task_id, []).append(entry)
    return [entry for same in by_task.values() for entry in same]
