"""The read-only database view for use in a mongo shell: one document per time entry, running or ended."""

from app.database.view import View
from documents.common.base import Row
from documents.tracking.entries import TimeEntry
from documents.tracking.pages import TaskPage
from documents.tracking.projects import Project
from documents.tracking.tasks import ALL_ENTRIES, Task

TIME_ENTRIES_VIEW = "time_entries"

VIEW_VERSION = 3
"""Incremented by each release that changes the view. Version 1 did not store its version."""

_TASK_LOOKUP: Row = {
    "from": Task.Settings.name,
    "localField": "task_id",
    "foreignField": "_id",
    "let": {"owner": "$user_id", "page": "$_id"},
    "pipeline": [
        {"$match": {"deleted_at": None, "$expr": {"$eq": ["$user_id", "$$owner"]}}},
        {"$match": {"$expr": {"$in": ["$$page", {"$ifNull": ["$pages", []]}]}}},
        {"$project": {"project_id": 1, "title": 1, "tags": 1}},
    ],
    "as": "task",
}
"""Finds the live task of a page, if it lists the page. A page that its task does not list is left out."""

_PROJECT_LOOKUP: Row = {
    "from": Project.Settings.name,
    "localField": "project_id",
    "foreignField": "_id",
    "let": {"owner": "$user_id"},
    "pipeline": [
        {"$match": {"deleted_at": None, "$expr": {"$eq": ["$user_id", "$$owner"]}}},
        {"$project": {"name": 1, "client_name": 1}},
    ],
    "as": "project",
}

_COLUMNS: Row = {
    "_id": "$entry.id",
    "user_id": 1,
    "task_id": 1,
    "task_title": "$title",
    "task_tags": "$tags",
    "all_tags": {"$setUnion": ["$entry.tags", "$tags"]},
    "project_id": 1,
    "project_name": {"$ifNull": ["$project.name", None]},
    "client_name": {"$ifNull": ["$project.client_name", None]},
    **{field: f"$entry.{field}" for field in TimeEntry.model_fields},
}

_WITH_PROJECT: list[Row] = [
    {"$lookup": _PROJECT_LOOKUP},
    {"$unwind": {"path": "$project", "preserveNullAndEmptyArrays": True}},
    {"$unwind": "$entry"},
]

_ENTRIES_OF_PAGES: list[Row] = [
    {"$lookup": _TASK_LOOKUP},
    {"$unwind": "$task"},
    {
        "$project": {
            "user_id": 1,
            "task_id": 1,
            "project_id": "$task.project_id",
            "title": "$task.title",
            "tags": "$task.tags",
            "entry": "$entries",
        }
    },
    *_WITH_PROJECT,
    {"$project": _COLUMNS},
]

TIME_ENTRIES_PIPELINE: list[Row] = [
    {"$match": {"deleted_at": None}},
    {"$project": {"user_id": 1, "project_id": 1, "title": 1, "tags": 1, "entry": ALL_ENTRIES}},
    *_WITH_PROJECT,
    {"$project": {**_COLUMNS, "task_id": "$_id"}},
    {"$unionWith": {"coll": TaskPage.Settings.name, "pipeline": _ENTRIES_OF_PAGES}},
]
"""The entries of the tasks, followed by those of their pages.

The stages have a form through which MongoDB can move a filter of the reader. It copies a $match into $unionWith, and
moves it before any stage that does not compute its fields. `user_id` is passed on unchanged by all stages, so a filter
by it reaches both collections first, where the indexes begin with it. Therefore the fields are listed, instead of
$set or $replaceWith.
"""


def time_entries_view() -> View:
    """Return the definition of the view in this version of the service."""
    return View(VIEW_VERSION, TIME_ENTRIES_VIEW, Task.Settings.name, TIME_ENTRIES_PIPELINE)
