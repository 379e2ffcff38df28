"""Prepares a `task-timer` process: it and its worker processes turn pages at four hot entries."""

from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task

HOT_ENTRIES, PAGED_AT_ONCE, PAGE_ENTRIES = 4, 2, 5


def prepare() -> None:
    """Lower the thresholds of this process."""
    Task.hot_entries, Task.paged_at_once, TaskPage.capacity = HOT_ENTRIES, PAGED_AT_ONCE, PAGE_ENTRIES
