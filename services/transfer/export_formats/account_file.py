"""A whole account as JSON lines in gzip (RFC 1952): see services/transfer/schemas/account_file.py for the lines."""

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

PIECE_BYTES = 64 * 1024

_IN_GZIP = 31
"""What zlib takes for the largest window in the format of gzip."""

LinesOf = Callable[[Row], Iterable[Row]]


async def write_account_file(
    user: Row, *, projects: Batches, tasks: Batches, deleted_entries: Batches, now: datetime
) -> Chunks:
    """The account, each of the others in batches, and the end, which counts them."""
    file, lines = _Packed(), _Lines()
    file.add([write_account(user, now)])
    parts: list[tuple[Batches, LinesOf]] = [
        (projects, lines.of_project),
        (tasks, lines.of_task),
        (deleted_entries, lines.of_deleted),
    ]
    for batches, lines_of in parts:
        async with aclosing(batches):
            async for batch in batches:
                piece = await run_in_thread(partial(file.add_all, batch, lines_of))
                if piece:
                    yield piece
    yield file.end()


class _Lines:
    """The lines of each thing, none of which refers to what is not in the file.

    What is made or deleted while the file is written may be met without what it belongs to.
    """

    def __init__(self) -> None:
        self._projects: set[ObjectId] = set()
        self._names: set[str] = set()
        self._tasks: set[ObjectId] = set()

    def of_project(self, project: Row) -> Iterator[Row]:
        """The project. Of names that an earlier version told apart and that are the same today, each has a number."""
        self._projects.add(project["_id"])
        line = write_project(project)
        yield {**line, "name": self._named_once(line["name"])}

    def _named_once(self, name: str) -> str:
        number, free = 1, name
        while free in self._names:
            number += 1
            free = truncate(name, MAX_NAME_LENGTH - len(f" ({number})")) + f" ({number})"
        self._names.add(free)
        return free

    def of_task(self, task: Row) -> Iterator[Row]:
        """The task, of no project when its own is being deleted, and its entries."""
        self._tasks.add(task["_id"])
        yield write_task(task if task["project_id"] in self._projects else {**task, "project_id": None})
        task_id = str(task["_id"])
        for entry in task["time_entries"]:
            yield write_entry(task_id, entry)
        if "active" in task:
            yield write_entry(task_id, task["active"])

    def of_deleted(self, deleted: Row) -> Iterator[Row]:
        """The deleted entry, if its task is there to take it back."""
        if deleted["task_id"] in self._tasks:
            yield write_deleted_entry(deleted)


class _Packed:
    """Lines on their way into the file, counted by their type."""

    def __init__(self) -> None:
        self._packing = zlib.compressobj(wbits=_IN_GZIP)
        self._packed: list[bytes] = []
        self._counts: Counter[str] = Counter()

    def add_all(self, rows: list[Row], lines_of: LinesOf) -> bytes:
        """The next piece of the file, with what these rows come to; nothing while it would be a small one."""
        for row in rows:
            self.add(lines_of(row))
        return self._piece() if sum(map(len, self._packed)) >= PIECE_BYTES else b""

    def add(self, lines: Iterable[Row]) -> None:
        """Packs these lines."""
        for line in lines:
            self._counts[line["type"]] += 1
            self._packed.append(self._packing.compress(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)))

    def end(self) -> bytes:
        """The last piece."""
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
        self._packed.append(self._packing.flush())
        return self._piece()

    def _piece(self) -> bytes:
        piece = b"".join(self._packed)
        self._packed.clear()
        return piece
