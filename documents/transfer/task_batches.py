"""Reading many tasks with their entries, not too many at a time."""

from collections.abc import Iterator

from bson import ObjectId

from documents.common.base import Row

TASKS_AT_ONCE = 100


def of_few_entries(tasks: list[Row], entries_at_once: int) -> Iterator[list[ObjectId]]:
    """The ids of the tasks in parts of at most so many entries, or of one task that has more of them."""
    few: list[ObjectId] = []
    entries = 0
    for task in tasks:
        if few and (len(few) == TASKS_AT_ONCE or entries + task["entry_count"] > entries_at_once):
            yield few
            few, entries = [], 0
        few.append(task["_id"])
        entries += task["entry_count"]
    if few:
        yield few
