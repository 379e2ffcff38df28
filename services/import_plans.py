"""What is to be written of a file, seen beside what a user has already: pure functions, without any database."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId

from app.clock import stored
from documents.tasks import MOST_ENTRIES
from services.import_formats.rows import ImportedRow

ROOM = MOST_ENTRIES - 1
"""How many entries an import puts into a task: the last place is a timer's."""

CHUNK = 500
"""How many entries are written as one."""

_LONGEST_TITLE = 200

Name = tuple[str | None, str]
"""What a task is known by: the name of its project, and its title."""


def import_key(user_id: ObjectId, name: Name, started_at: datetime, ended_at: datetime, note: str | None) -> str:
    """What an entry is known again by. Its instants are stored ones, its name is what the file calls its task."""
    project, title = name
    parts = (project or "", title, note or "", started_at.isoformat(), ended_at.isoformat())
    said = user_id.binary + "\0".join(parts).encode()
    return hashlib.sha256(said).hexdigest()[:32]


@dataclass(slots=True)
class Place:
    """A task that entries are put into; `taken` counts the entries in it. A new one is still to be made."""

    project: str | None
    title: str
    task_id: ObjectId
    taken: int = 0
    new: bool = True


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """A row of the file, and where it goes."""

    row: ImportedRow
    key: str
    place: Place


@dataclass(slots=True)
class Known:
    """What a user has: projects by name, live tasks by name, the first made of several, and the keys of all entries.

    `own` are those of entries that an earlier try of this very import has written.
    """

    projects: dict[str, ObjectId] = field(default_factory=dict)
    tasks: dict[Name, Place] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Plan:
    """What is to be written, in this order; what is there already is left out."""

    entries: list[PlannedEntry] = field(default_factory=list)
    duplicates: int = 0

    def chunks(self) -> Iterator[list[PlannedEntry]]:
        """The entries in parts that are each written as one."""
        for first in range(0, len(self.entries), CHUNK):
            yield self.entries[first : first + CHUNK]


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
            if entry.place.new:
                self.tasks.add(entry.place.task_id)
            if entry.place.project is not None and entry.place.project not in known.projects:
                self.projects.add(entry.place.project)

    def made(self) -> dict[str, int]:
        """How many of each."""
        return {"projects": len(self.projects), "tasks": len(self.tasks), "entries": self.entries}


def plan(user_id: ObjectId, rows: list[ImportedRow], known: Known, *, by_time: bool) -> Plan:
    """What is to be written of these rows: by time where overlaps are minded, else task by task.

    A row that stands twice in the file is a duplicate the second time. The places are taken in
    `known`, so it is good for one plan.
    """
    made, seen, places = Plan(), set(known.own), _Places(known.tasks)
    for row in rows:
        name = (row.project, row.title)
        key = import_key(user_id, name, stored(row.started_at), stored(row.ended_at), row.note)
        if key in known.own:
            known.own.discard(key)  # this import has written it before: only if it is met again it is a duplicate
        elif key in seen or key in known.keys:
            made.duplicates += 1
        else:
            seen.add(key)
            made.entries.append(PlannedEntry(row, key, places.next_for(name)))
    if by_time:
        made.entries.sort(key=lambda entry: (int(entry.row.started_at.timestamp()), entry.row.number))
    else:
        made.entries = _task_by_task(made.entries)
    return made


class _Places:
    """Which task the next entry of a name goes into."""

    def __init__(self, tasks: dict[Name, Place]) -> None:
        self._tasks = tasks
        self._numbers: dict[Name, int] = {}

    def next_for(self, name: Name) -> Place:
        """The task of the name that has room: the one there is, else the next by number."""
        project, title = name
        while True:
            number = self._numbers.get(name, 1)
            numbered = (project, _numbered(title, number))
            place = self._tasks.get(numbered)
            if place is None:
                place = self._tasks[numbered] = Place(*numbered, task_id=ObjectId())
            if place.taken < ROOM:
                place.taken += 1
                return place
            self._numbers[name] = number + 1


def _numbered(title: str, number: int) -> str:
    """The title of a task in which a full one goes on."""
    if number == 1:
        return title
    ending = f" ({number})"
    return title[: _LONGEST_TITLE - len(ending)].rstrip() + ending


def _task_by_task(entries: list[PlannedEntry]) -> list[PlannedEntry]:
    by_task: dict[ObjectId, list[PlannedEntry]] = {}
    for entry in entries:
        by_task.setdefault(entry.place.task_id, []).append(entry)
    return [entry for same in by_task.values() for entry in same]
