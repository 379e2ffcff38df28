"""Splitting many tasks into batches with a limited number of entries."""

from collections.abc import Iterator

from bson import ObjectId

from documents.common.base import Row

MAX_TASKS = 100


def split_by_entry_count(tasks: list[Row], max_entries: int) -> Iterator[list[ObjectId]]:
    """Yield the ids of the tasks in batches of at most `max_entries` entries and `MAX_TASKS` tasks.

    A task with more entries is a batch by itself.
    """
    batch: list[ObjectId] = []
    entries = 0
    for task in tasks:
        if batch and (len(batch) == MAX_TASKS or entries + task["entry_count"] > max_entries):
            yield batch
            batch, entries = [], 0
        batch.append(task["_id"])
        entries += task["entry_count"]
    if batch:
        yield batch
