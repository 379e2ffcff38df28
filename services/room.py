"""How many entries a task holds: the last place is a timer's, so that no timer is ever refused its stop."""

from app.errors import ConflictError
from documents.base import Row
from documents.tasks import MOST_ENTRIES


class TaskFullError(ConflictError):
    """The task holds as many entries as a task can."""

    code = "task_full"
    detail = f"The task holds {MOST_ENTRIES:,} time entries, which is the most: go on in a new task."


def require_room_for_a_timer(task: Row) -> None:
    """Raises TaskFullError when the last place is taken."""
    if task["entry_count"] >= MOST_ENTRIES:
        raise TaskFullError


def require_room_for_an_entry(task: Row) -> None:
    """Raises TaskFullError when only the last place is free, which is a timer's."""
    if task["entry_count"] >= MOST_ENTRIES - 1:
        raise TaskFullError(
            f"The task holds {task['entry_count']:,} time entries, and the last place is kept for a timer: "
            "go on in a new task."
        )
