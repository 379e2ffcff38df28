"""Reading an account file. All lines are validated before anything is written."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from bson import ObjectId
from pydantic import ValidationError as PydanticError

from app.errors import BodyTooLargeError, FieldError, ValidationError
from app.validation_errors import error_message
from documents.transfer.imported_pages import text_bytes
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

MAX_PART_ENTRIES = 500
MAX_PART_BYTES = 4 * 1024 * 1024
"""The entries of a task that are validated or written at once."""

_GZIP = b"\x1f\x8b"
_DUMMY_ID = ObjectId("0" * 24)


@dataclass(slots=True)
class TaskPart:
    """A task with its entries, which follow it in the file, or with some of them.

    Attributes:
        line: The number of the line before the entries.
        is_first: Whether these are the first entries of the task.
        is_last: Whether no entries of the task follow in another part.
        size: The maximum size of the entries in bytes.
    """

    task: TaskLine
    entries: list[EntryLine]
    line: int = 0
    is_first: bool = True
    is_last: bool = True
    size: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the next entry begins another part."""
        return len(self.entries) >= MAX_PART_ENTRIES or self.size >= MAX_PART_BYTES

    def add(self, entry: EntryLine) -> None:
        """Add an entry."""
        self.entries.append(entry)
        self.size += text_bytes(entry.note, entry.tags)


@dataclass(slots=True)
class AccountFile:
    """The content of the file without tasks and entries, which are streamed: see `iterate_parts`."""

    account: AccountLine
    projects: list[ProjectLine]
    entries: int


def read_account(file: BinaryIO) -> AccountFile:
    """Validate the whole file. Raises ValidationError with the number of the invalid line, or BodyTooLargeError.

    It is CPU-bound: call it in a thread.
    """
    validator = _Validator()
    number = 0
    for number, line in _lines(file):
        try:
            validator.add(line)
        except ValueError as error:
            raise _line_error(number, str(error)) from error
    try:
        return validator.finish()
    except ValueError as error:
        raise _line_error(number, str(error)) from error


def iterate_parts(file: BinaryIO) -> Iterator[TaskPart | DeletedEntryLine]:
    """Yield the tasks with their entries, then the deleted entries. The file must have been validated.

    A task with many entries is in several parts.
    """
    part: TaskPart | None = None
    for number, line in _lines(file):
        if isinstance(line, EntryLine) and part is not None:
            if part.is_full:
                part.is_last = False
                yield part
                part = TaskPart(part.task, [], number - 1, is_first=False)
            part.add(line)
            continue
        if part is not None:
            yield part
            part = None
        if isinstance(line, TaskLine):
            part = TaskPart(line, [], number)
        elif isinstance(line, DeletedEntryLine):
            yield line


def _lines(file: BinaryIO) -> Iterator[tuple[int, AccountFileLine]]:
    """Yield the lines with their numbers, from 1. Raises ValidationError or BodyTooLargeError."""
    file.seek(0)
    is_compressed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    stream = gzip.GzipFile(fileobj=file, mode="rb") if is_compressed else file
    number = size = 0
    while line := _line(stream, number + 1):
        number, size = number + 1, size + len(line)
        if size > MAX_DECOMPRESSED_BYTES:
            raise BodyTooLargeError(f"The decompressed file has more than {MAX_DECOMPRESSED_BYTES:,} bytes.")
        if len(line) > MAX_LINE_LENGTH:
            raise _line_error(number, f"has more than {MAX_LINE_LENGTH:,} bytes")
        try:
            yield number, account_file_line.validate_json(line)
        except PydanticError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            field_path = ".".join(str(step) for step in first["loc"])
            raise _line_error(
                number, f"{field_path}: {error_message(first)}" if field_path else error_message(first)
            ) from None
    if number == 0:
        raise _line_error(1, "is missing: the file is empty")


def _line(stream: BinaryIO | gzip.GzipFile, number: int) -> bytes:
    try:
        return stream.readline(MAX_LINE_LENGTH + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise _line_error(number, "cannot be decompressed: the file is truncated or damaged") from error


def _line_error(number: int, message: str) -> ValidationError:
    return ValidationError(errors=(FieldError(f"line {number:,}: {message}", pointer="#/file"),))


@dataclass(slots=True)
class _Validator:
    """Validates one line after the other. Its methods raise ValueError for an invalid line.

    An entry may occur twice, because it was moved or deleted during the export. The same holds for a timer.

    Attributes:
        projects: By name.
        new_ids: The ids of the projects.
        part: The task whose entries are being read, with those that are not validated yet.
        has_timer: Whether a running entry of this task was read.
    """

    account: AccountLine | None = None
    projects: dict[str, ProjectLine] = field(default_factory=dict)
    new_ids: dict[str, ObjectId] = field(default_factory=dict)
    end: EndLine | None = None
    tasks: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    entries: int = 0
    deleted: int = 0
    part: TaskPart | None = None
    has_timer: bool = False

    def add(self, line: AccountFileLine) -> None:
        """Validate the next line."""
        if self.end is not None:
            raise ValueError("follows the end line")
        if isinstance(line, AccountLine) != (self.account is None):
            raise ValueError("must be an account line if it is the first line, and must not be one otherwise")
        if isinstance(line, AccountLine):
            self.account = line
            return
        if isinstance(line, EndLine):
            self._end_part()
            self.end = line
            return
        if isinstance(line, ProjectLine | TaskLine):
            if line.id in self.ids:
                raise ValueError("has the id of an earlier line")
            self.ids.add(line.id)
        self._add_item(line)

    def finish(self) -> AccountFile:
        """Return the content after the last line."""
        if self.end is None or self.account is None:
            raise ValueError("is the last line but not an end line: the file is truncated")
        counts = (len(self.projects), len(self.tasks), self.entries, self.deleted)
        if counts != (self.end.projects, self.end.tasks, self.end.entries, self.end.deleted_entries):
            raise ValueError("has counts that differ from the lines of the file: the file is damaged")
        return AccountFile(self.account, list(self.projects.values()), self.entries)

    def _add_item(self, line: ProjectLine | TaskLine | EntryLine | DeletedEntryLine) -> None:
        if isinstance(line, EntryLine):
            self._add_entry(line)
            return
        self._end_part()
        if isinstance(line, ProjectLine):
            if self.tasks or line.name in self.projects:
                raise ValueError("follows a task, or has the name of another project")
            self.projects[line.name] = line
            self.new_ids[line.id] = ObjectId(line.id)
        elif isinstance(line, TaskLine):
            if line.project_id is not None and line.project_id not in self.new_ids:
                raise ValueError("project_id: is not the id of a project in the file")
            self.tasks.add(line.id)
            self.part, self.has_timer = TaskPart(line, []), False
        else:
            self._check_deleted_entry(line)
            self.deleted += 1

    def _add_entry(self, line: EntryLine) -> None:
        if self.part is None or self.part.task.id != line.task_id:
            raise ValueError("does not follow its task")
        if line.ended_at is None and self.has_timer:
            raise ValueError("is a second running entry of its task")
        self.has_timer = self.has_timer or line.ended_at is None
        if self.part.is_full:
            task = self.part.task
            self._end_part()
            self.part = TaskPart(task, [])
        self.part.add(line)
        self.entries += 1

    def _check_deleted_entry(self, line: DeletedEntryLine) -> None:
        if line.task_id not in self.tasks:
            raise ValueError("task_id: is not the id of a task in the file")
        if line.started_at.microsecond or line.ended_at.microsecond:
            raise ValueError("started_at and ended_at: are not whole seconds")

    def _end_part(self) -> None:
        """Validate the task, or the entries of it, that end before this line."""
        part, self.part = self.part, None
        if part is None:
            return
        entries = [entry_row(entry, ObjectId, _DUMMY_ID) for entry in part.entries]
        row = task_row(part.task, entries, _DUMMY_ID, ObjectId, _DUMMY_ID, self.new_ids)
        verdict = check_task(row)
        for message in (*verdict.schema_errors, *verdict.inconsistencies):
            raise ValueError(f"ends an inconsistent task: {message}")
