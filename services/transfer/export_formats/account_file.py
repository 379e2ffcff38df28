"""Write an account as gzipped NDJSON (RFC 1952). The lines are defined in services/transfer/schemas/account_file.py."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from datetime import datetime
from functools import partial

import orjson
from bson import ObjectId

from services.common.offload import run_in_thread
from services.common.values.fields import MAX_NAME_LENGTH
from services.common.values.texts import truncate
from services.transfer.export_formats.context import Batches, Chunks, Row
from services.transfer.schemas.account_file import (
    write_account,
    write_deleted_entry,
    write_end,
    write_entry,
    write_project,
    write_task,
)

CHUNK_BYTES = 64 * 1024

_GZIP_WBITS = 31
"""The `wbits` of zlib for the gzip format with the largest window."""

ToLines = Callable[[Row], Iterable[Row]]


async def write_account_file(
    user: Row, *, projects: Batches, tasks: Batches, deleted_entries: Batches, now: datetime
) -> Chunks:
    """Write the account, the rows of the batches, and a last line with their counts."""
    file, lines = _GzipLines(), _LineWriter()
    file.add([write_account(user, now)])
    parts: list[tuple[Batches, ToLines]] = [
        (projects, lines.project_lines),
        (tasks, lines.task_lines),
        (deleted_entries, lines.deleted_entry_lines),
    ]
    for batches, to_lines in parts:
        async with aclosing(batches):
            async for batch in batches:
                chunk = await run_in_thread(partial(file.add_all, batch, to_lines))
                if chunk:
                    yield chunk
    yield file.finish()


class _LineWriter:
    """Converts rows to lines that refer only to rows that are in the file.

    A row that is created or deleted while the file is written can be read without its project or task.
    """

    def __init__(self) -> None:
        self._projects: set[ObjectId] = set()
        self._names: set[str] = set()
        self._tasks: set[ObjectId] = set()

    def project_lines(self, project: Row) -> Iterator[Row]:
        """Yield the project. Names that only an earlier version distinguished get a number."""
        self._projects.add(project["_id"])
        line = write_project(project)
        yield {**line, "name": self._unique_name(line["name"])}

    def _unique_name(self, name: str) -> str:
        number, unique = 1, name
        while unique in self._names:
            number += 1
            unique = truncate(name, MAX_NAME_LENGTH - len(f" ({number})")) + f" ({number})"
        self._names.add(unique)
        return unique

    def task_lines(self, task: Row) -> Iterator[Row]:
        """Yield the task and its entries, or more entries of the same task: see stream_tasks.

        The task has no project if its project is being deleted.
        """
        if "entries" in task:
            yield from (write_entry(str(task["task_id"]), entry) for entry in task["entries"])
            return
        self._tasks.add(task["_id"])
        yield write_task(task if task["project_id"] in self._projects else {**task, "project_id": None})
        task_id = str(task["_id"])
        for entry in task["time_entries"]:
            yield write_entry(task_id, entry)
        if "active" in task:
            yield write_entry(task_id, task["active"])

    def deleted_entry_lines(self, deleted: Row) -> Iterator[Row]:
        """Yield the deleted entry if its task is in the file."""
        if deleted["task_id"] in self._tasks:
            yield write_deleted_entry(deleted)


class _GzipLines:
    """Compresses lines, and counts them by type."""

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(wbits=_GZIP_WBITS)
        self._compressed: list[bytes] = []
        self._counts: Counter[str] = Counter()

    def add_all(self, rows: list[Row], to_lines: ToLines) -> bytes:
        """Add the lines of these rows. Returns the next chunk, or nothing until there are CHUNK_BYTES."""
        for row in rows:
            self.add(to_lines(row))
        return self._take_chunk() if sum(map(len, self._compressed)) >= CHUNK_BYTES else b""

    def add(self, lines: Iterable[Row]) -> None:
        """Compress these lines."""
        for line in lines:
            self._counts[line["type"]] += 1
            self._compressed.append(self._compressor.compress(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)))

    def finish(self) -> bytes:
        """Add the last line, and return the last chunk."""
        counts = self._counts
        self.add(
            [
                write_end(
                    projects=counts["project"],
                    tasks=counts["task"],
                    entries=counts["entry"],
                    deleted_entries=counts["deleted_entry"],
                )
            ]
        )
        self._compressed.append(self._compressor.flush())
        return self._take_chunk()

    def _take_chunk(self) -> bytes:
        chunk = b"".join(self._compressed)
        self._compressed.clear()
        return chunk
