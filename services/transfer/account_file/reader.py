"""Reading an account file: its lines, checked as a whole before anything of it is written."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from bson import ObjectId
from pydantic import ValidationError as PydanticError

from app.errors import BodyTooLargeError, FieldError, ValidationError
from app.validation_errors import error_message
from services.tracking.rules.invariants import check_task
from services.transfer.account_file.rows import entry_row, task_row
from services.transfer.schemas.account_file import (
    AccountFileLine,
    AccountLine,
    DeletedEntryLine,
    EndLine,
    EntryLine,
    ProjectLine,
    TaskLine,
    account_file_line,
)

MAX_DECOMPRESSED_BYTES = 256 * 1024 * 1024
MAX_LINE_LENGTH = 1024 * 1024

_GZIP = b"\x1f\x8b"
_NOBODY = ObjectId("0" * 24)


@dataclass(frozen=True, slots=True)
class TaskPart:
    """A task and its entries, which stand in the lines after the one of the task."""

    task: TaskLine
    entries: list[EntryLine]
    line: int = 0


@dataclass(slots=True)
class AccountFile:
    """What a file says, but for its tasks and entries, of which there may be many."""

    account: AccountLine
    projects: list[ProjectLine]
    entries: int


def read_account(file: BinaryIO) -> AccountFile:
    """The whole file, checked. Raises ValidationError with the line that is wrong, or BodyTooLargeError.

    It takes its time: call it in a thread.
    """
    check = _Check()
    number = 0
    for number, line in _lines(file):
        try:
            check.take(line)
        except ValueError as wrong:
            raise _wrong(number, str(wrong)) from wrong
    try:
        return check.whole()
    except ValueError as wrong:
        raise _wrong(number, str(wrong)) from wrong


def parts_of(file: BinaryIO) -> Iterator[TaskPart | DeletedEntryLine]:
    """The tasks with their entries, and then the deleted entries, of a file that has been checked."""
    part: TaskPart | None = None
    for number, line in _lines(file):
        if isinstance(line, EntryLine) and part is not None:
            part.entries.append(line)
            continue
        if part is not None:
            yield part
            part = None
        if isinstance(line, TaskLine):
            part = TaskPart(line, [], number)
        elif isinstance(line, DeletedEntryLine):
            yield line


def _lines(file: BinaryIO) -> Iterator[tuple[int, AccountFileLine]]:
    """The lines with their numbers. Raises ValidationError or BodyTooLargeError."""
    file.seek(0)
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    stream = gzip.GzipFile(fileobj=file, mode="rb") if packed else file
    number = unpacked = 0
    while line := _line(stream, number + 1):
        number, unpacked = number + 1, unpacked + len(line)
        if unpacked > MAX_DECOMPRESSED_BYTES:
            raise BodyTooLargeError(f"The file unpacks to more than {MAX_DECOMPRESSED_BYTES:,} bytes.")
        if len(line) > MAX_LINE_LENGTH:
            raise _wrong(number, f"has more than {MAX_LINE_LENGTH:,} bytes")
        try:
            yield number, account_file_line.validate_json(line)
        except PydanticError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)[0]
            at = ".".join(str(step) for step in found["loc"])
            raise _wrong(number, f"{at}: {error_message(found)}" if at else error_message(found)) from None
    if number == 0:
        raise _wrong(1, "is missing: the file is empty")


def _line(stream: BinaryIO | gzip.GzipFile, number: int) -> bytes:
    try:
        return stream.readline(MAX_LINE_LENGTH + 1)
    except (EOFError, OSError, zlib.error) as wrong:
        raise _wrong(number, "cannot be unpacked: the file was cut short or changed") from wrong


def _wrong(number: int, says: str) -> ValidationError:
    return ValidationError(errors=(FieldError(f"line {number:,}: {says}", pointer="#/file"),))


@dataclass(slots=True)
class _Check:
    """Looks at one line after the other. What is wrong with the one, or with what it ends, is a ValueError.

    An entry may be there twice: it was moved or deleted while the file was made. So may a timer.
    """

    account: AccountLine | None = None
    projects: dict[str, ProjectLine] = field(default_factory=dict)
    """By their names."""
    new_ids: dict[str, ObjectId] = field(default_factory=dict)
    """Of the projects, by their ids."""
    end: EndLine | None = None
    tasks: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    entries: int = 0
    deleted: int = 0
    part: TaskPart | None = None

    def take(self, line: AccountFileLine) -> None:
        """The next line."""
        if self.end is not None:
            raise ValueError("stands after the end")
        if isinstance(line, AccountLine) != (self.account is None):
            raise ValueError("is not the place of an account: that is the first line, and no other")
        if isinstance(line, AccountLine):
            self.account = line
            return
        if isinstance(line, EndLine):
            self._end_part()
            self.end = line
            return
        if isinstance(line, ProjectLine | TaskLine):
            if line.id in self.ids:
                raise ValueError("has the id of a line before it")
            self.ids.add(line.id)
        self._take_thing(line)

    def whole(self) -> AccountFile:
        """All of it, once no line is left."""
        if self.end is None or self.account is None:
            raise ValueError("is the last one, but not the end: the file was cut short")
        counted = (len(self.projects), len(self.tasks), self.entries, self.deleted)
        if counted != (self.end.projects, self.end.tasks, self.end.entries, self.end.deleted_entries):
            raise ValueError("counts other lines than there are: the file was changed")
        return AccountFile(self.account, list(self.projects.values()), self.entries)

    def _take_thing(self, line: ProjectLine | TaskLine | EntryLine | DeletedEntryLine) -> None:
        if isinstance(line, EntryLine):
            self._take_entry(line)
            return
        self._end_part()
        if isinstance(line, ProjectLine):
            if self.tasks or line.name in self.projects:
                raise ValueError("stands after a task, or has the name of another project")
            self.projects[line.name] = line
            self.new_ids[line.id] = ObjectId(line.id)
        elif isinstance(line, TaskLine):
            if line.project_id is not None and line.project_id not in self.new_ids:
                raise ValueError("project_id: is no project of the file")
            self.tasks.add(line.id)
            self.part = TaskPart(line, [])
        else:
            self._require_a_task(line)
            self.deleted += 1

    def _take_entry(self, line: EntryLine) -> None:
        if self.part is None or self.part.task.id != line.task_id:
            raise ValueError("does not stand after its task")
        if line.ended_at is None and any(entry.ended_at is None for entry in self.part.entries):
            raise ValueError("runs, and so does another entry of its task")
        self.part.entries.append(line)
        self.entries += 1

    def _require_a_task(self, line: DeletedEntryLine) -> None:
        if line.task_id not in self.tasks:
            raise ValueError("task_id: is no task of the file")
        if line.started_at.microsecond or line.ended_at.microsecond:
            raise ValueError("started_at and ended_at: are not whole seconds")

    def _end_part(self) -> None:
        """Ends the task before this line, once it is one that can be stored."""
        part, self.part = self.part, None
        if part is None:
            return
        entries = [entry_row(entry, ObjectId, _NOBODY) for entry in part.entries]
        row = task_row(part.task, entries, _NOBODY, ObjectId, _NOBODY, self.new_ids)
        verdict = check_task(row)
        for says in (*verdict.schema_errors, *verdict.inconsistencies):
            raise ValueError(f"ends a task that contradicts itself: {says}")
