"""The size limit of a transaction. Each changed document counts with its whole size, however small the change."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from bson import ObjectId

from app.errors import ValidationError
from documents.common.base import object_id
from documents.tracking.tasks import Task

MAX_TRANSACTION_BYTES = 16 * 1024 * 1024
"""The maximum size of a document, so that a change of one task is always possible.

Measured: with a cache of 1 GB the embedded store completes 384 MB of open transactions (sixteen clients that each
change six documents of 4 MB). Sixteen clients with a transaction of this size each have 256 MB open."""

IMPORT_BATCH_BYTES = 4 * 1024 * 1024
"""The size of the existing tasks that one batch of an import changes. Such a batch takes a second or two."""

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)


class BulkTooLargeError(ValidationError):
    """The tasks of an atomic bulk request are too large for one transaction."""

    code = "bulk_too_large"
    detail = "The tasks are too large for one transaction. Send fewer operations, or leave out 'atomic'."


async def require_transaction_size(user_id: ObjectId, task_ids: Iterable[str]) -> None:
    """Raise BulkTooLargeError when these changes of tasks write more than one transaction may.

    A single change is always allowed.
    """
    changes = Counter(task_id for text in task_ids if (task_id := object_id(text)) is not None)
    if changes.total() < 2:  # noqa: PLR2004 - one change is one document
        return
    sizes = await Task.sizes_in_bytes(user_id, list(changes))
    written = sum(size * changes[task_id] for task_id, size in sizes.items())
    if written > MAX_TRANSACTION_BYTES:
        megabytes, maximum = -(-written // 2**20), MAX_TRANSACTION_BYTES // 2**20
        raise BulkTooLargeError(
            f"The transaction would write {megabytes} MB; the maximum is {maximum} MB. "
            "Send fewer operations, or leave out 'atomic'."
        )


def split_by_size(
    items: list[T],
    sizes: Mapping[Key, int],
    document_key: Callable[[T], Key],
    *,
    max_bytes: int = MAX_TRANSACTION_BYTES,
) -> Iterator[list[T]]:
    """Split the items, in order, into batches that change documents of at most `max_bytes`, or one document.

    `document_key` returns the document that an item changes. `sizes` are the sizes of the existing documents,
    in bytes; each counts once per batch.
    """
    batch: list[T] = []
    documents: set[Key] = set()
    written = 0
    for item in items:
        key = document_key(item)
        size = 0 if key in documents else sizes.get(key, 0)
        if batch and size and written + size > max_bytes:
            yield batch
            batch, documents, written = [], set(), 0
        batch.append(item)
        documents.add(key)
        written += size
    if batch:
        yield batch
