"""The main module of a `task-timer` process that turns pages at four hot entries. So do its worker processes."""

from documents.tracking.pages import TaskPage
from documents.tracking.tasks import Task

HOT_ENTRIES, PAGED_AT_ONCE, PAGE_ENTRIES = 4, 2, 5


def prepare() -> None:
    """Lower the thresholds of this process."""
    Task.hot_entries, Task.paged_at_once, TaskPage.capacity = HOT_ENTRIES, PAGED_AT_ONCE, PAGE_ENTRIES


if __name__ == "__mp_main__":  # in a worker process
    prepare()
