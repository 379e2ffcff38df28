"""How much one transaction may write: each document that it changes is written whole, however small the change."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from bson import ObjectId

from app.errors import ValidationError
from documents.common.base import object_id
from documents.tracking.tasks import Task

MAX_TRANSACTION_BYTES = 16 * 1024 * 1024
"""A change of one task is always possible, since a document is at most this large.

Measured: with a cache of 1 GB the embedded store completes 384 MB of open transactions (sixteen clients that each
change six documents of 4 MB). Sixteen clients with a transaction of this size each have 256 MB open."""

IMPORT_BATCH_BYTES = 4 * 1024 * 1024
"""How much of tasks that are there already a part of an import changes: it is done in a second or two."""

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)


class BulkTooLargeError(ValidationError):
    """The tasks of an atomic bulk are too large to be changed as one."""

    code = "bulk_too_large"
    detail = "The tasks are too large to be changed as one: send fewer operations at once, or leave out atomic."


async def require_transaction_size(user_id: ObjectId, task_ids: Iterable[str]) -> None:
    """Raise BulkTooLargeError when these changes of tasks, one after the other, write more than one transaction may.

    A single one may always be made.
    """
    changes = Counter(task_id for text in task_ids if (task_id := object_id(text)) is not None)
    if changes.total() < 2:  # noqa: PLR2004 - one change is one document
        return
    sizes = await Task.sizes_in_bytes(user_id, list(changes))
    written = sum(size * changes[task_id] for task_id, size in sizes.items())
    if written > MAX_TRANSACTION_BYTES:
        megabytes, most = -(-written // 2**20), MAX_TRANSACTION_BYTES // 2**20
        raise BulkTooLargeError(
            f"As one, these changes would write {megabytes} MB, and {most} MB is the most: "
            "send fewer operations at once, or leave out atomic."
        )


def split_by_size(
    items: list[T], sizes: Mapping[Key, int], changed: Callable[[T], Key], *, most: int = MAX_TRANSACTION_BYTES
) -> Iterator[list[T]]:
    """The items in their order, in parts that each change documents of at most so many bytes, or one document.

    `sizes` are those of the documents that are there already; each counts once a part.
    """
    part: list[T] = []
    documents: set[Key] = set()
    written = 0
    for item in items:
        key = changed(item)
        size = 0 if key in documents else sizes.get(key, 0)
        if part and size and written + size > most:
            yield part
            part, documents, written = [], set(), 0
        part.append(item)
        documents.add(key)
        written += size
    if part:
        yield part
