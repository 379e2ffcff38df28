"""The read-only view for people in a mongo shell: one document a time entry, the running ones too."""

from app.database.view import View
from documents.common.base import Row
from documents.tracking.entries import TimeEntry
from documents.tracking.projects import Project
from documents.tracking.tasks import ALL_ENTRIES, Task

TIME_ENTRIES_VIEW = "time_entries"

VIEW_VERSION = 2
"""One more with every release that changes the view. Version 1 did not record its version."""

_PROJECT_OF_THE_TASK: Row = {
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
_OF_THE_TASK: Row = {"user_id": 1, "project_id": 1, "title": 1, "tags": 1, "project": 1}

_COLUMNS: Row = {
    "_id": "$entry.id",
    "user_id": 1,
    "task_id": "$_id",
    "task_title": "$title",
    "task_tags": "$tags",
    "all_tags": {"$setUnion": ["$entry.tags", "$tags"]},
    "project_id": 1,
    "project_name": {"$ifNull": ["$project.name", None]},
    "client_name": {"$ifNull": ["$project.client_name", None]},
    **{field: f"$entry.{field}" for field in TimeEntry.model_fields},
}
"""Every field is named, so that the database can apply a filter by user_id or project_id to the tasks first."""

TIME_ENTRIES_PIPELINE: list[Row] = [
    {"$match": {"deleted_at": None}},
    {"$lookup": _PROJECT_OF_THE_TASK},
    {"$unwind": {"path": "$project", "preserveNullAndEmptyArrays": True}},
    {"$project": {**_OF_THE_TASK, "entry": ALL_ENTRIES}},
    {"$unwind": "$entry"},
    {"$project": _COLUMNS},
]


def time_entries_view() -> View:
    """The view as this version of the service defines it."""
    return View(VIEW_VERSION, TIME_ENTRIES_VIEW, Task.Settings.name, TIME_ENTRIES_PIPELINE)
