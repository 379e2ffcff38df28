"""The changes of tasks, entries and the timer for the feed: each function describes those of one update."""

from collections.abc import Callable, Sequence

from bson import ObjectId

from app.clock import utc_now
from documents.common.base import Row
from documents.common.change_types import ChangeType
from documents.common.outbox import DescribeChanges, no_changes, outbox_item
from services.tracking.schemas.entries import read_entry
from services.tracking.schemas.projects import read_project
from services.tracking.schemas.tasks import read_task
from services.tracking.schemas.timer import read_timer

MAX_ENTRY_CHANGES = 100
"""A rename of a tag, or a rerate, that changes more entries causes one change for all of them."""

DescribeEntries = Callable[[Sequence[Row]], DescribeChanges]
"""Describes the update of a task that changes these ended entries."""


def task_changed(type: ChangeType) -> DescribeChanges:  # noqa: A002 -- the name of the field
    """Describe a change of the task itself."""
    return lambda task: [_of_task(type, task, read_task(task))]


task_created = task_changed("task.created")
task_updated = task_changed("task.updated")
task_trashed = task_changed("task.trashed")
task_restored = task_changed("task.restored")


def timer_started(task: Row) -> Sequence[Row]:
    """Describe the start of the timer that runs on the task."""
    return [_of_task("timer.started", task, read_timer(task, utc_now()), entry_id=task["active"]["id"])]


def timer_corrected(task: Row) -> Sequence[Row]:
    """Describe an update of the timer that runs on the task."""
    return [_of_task("timer.corrected", task, read_timer(task, utc_now()), entry_id=task["active"]["id"])]


def timer_stopped(entry: Row) -> DescribeChanges:
    """Describe the end of a timer. The entry has ended."""
    return entry_changed("timer.stopped", entry)


def timer_discarded(entry_id: ObjectId) -> DescribeChanges:
    """Describe the removal of a running timer."""
    return lambda task: [_of_task("timer.discarded", task, None, entry_id=entry_id)]


def entry_changed(type: ChangeType, entry: Row) -> DescribeChanges:  # noqa: A002 -- the name of the field
    """Describe a change of an ended entry of the task."""
    return entries_changed(type, [entry])


def entries_changed(type: ChangeType, entries: Sequence[Row]) -> DescribeChanges:  # noqa: A002 -- the name of the field
    """Describe the same change of several ended entries of the task."""
    return lambda task: [
        _of_task(type, task, read_entry(str(task["_id"]), entry), entry_id=entry["id"]) for entry in entries
    ]


def describe_entries(count: int) -> DescribeEntries:
    """Return how a request describes the entries that it changes, given their number: each of them, or none."""
    if count > MAX_ENTRY_CHANGES:
        return lambda _: no_changes
    return lambda entries: entries_changed("entry.updated", entries)


def entry_split(first: Row, second: Row) -> DescribeChanges:
    """Describe the split of an entry. The first part has its id."""

    def describe_split(task: Row) -> Sequence[Row]:
        task_id = str(task["_id"])
        data = {"first": read_entry(task_id, first), "second": read_entry(task_id, second)}
        return [_of_task("entry.split", task, data, entry_id=first["id"])]

    return describe_split


def entry_deleted(entry_id: ObjectId) -> DescribeChanges:
    """Describe the deletion of an ended entry of the task."""
    return lambda task: [_of_task("entry.deleted", task, None, entry_id=entry_id)]


def project_changed(type: ChangeType) -> DescribeChanges:  # noqa: A002 -- the name of the field
    """Describe a change of a project that exists."""
    return lambda project: [outbox_item(type, read_project(project), project_id=project["_id"])]


def project_deleted(project: Row) -> Sequence[Row]:
    """Describe the deletion of a project."""
    return [outbox_item("project.deleted", None, project_id=project["_id"])]


def tag_renamed(old: str, new: str, tasks: int, entries: int) -> Row:
    """Return the change of a rename, with the numbers of tasks and entries that had the tag."""
    return outbox_item("tag.renamed", {"from": old, "to": new, "tasks": tasks, "entries": entries})


def project_rerated(project_id: ObjectId, entries: int) -> Row:
    """Return the change of a rerate, with the number of entries. The rest of its data is added when it is recorded."""
    return outbox_item("project.updated", {"rerated_entries": entries}, project_id=project_id)


def both(first: DescribeChanges, second: DescribeChanges) -> DescribeChanges:
    """Describe an update that causes the changes of both, in this order."""
    return lambda document: [*first(document), *second(document)]


def _of_task(
    type: ChangeType,  # noqa: A002 -- the name of the field
    task: Row,
    data: object,
    *,
    entry_id: ObjectId | None = None,
) -> Row:
    return outbox_item(
        type, data, task_id=task["_id"], entry_id=entry_id, project_id=task["project_id"], version=task["version"]
    )
