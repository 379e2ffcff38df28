"""The read-only database view for use in a mongo shell: one document per time entry, running or ended."""

from app.database.view import View
from documents.common.base import Row
from documents.tracking.entries import TimeEntry
from documents.tracking.projects import Project
from documents.tracking.tasks import ALL_ENTRIES, Task

TIME_ENTRIES_VIEW = "time_entries"

VIEW_VERSION = 2
"""Incremented by each release that changes the view. Version 1 did not store its version."""

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
_TASK_FIELDS: Row = {"user_id": 1, "project_id": 1, "title": 1, "tags": 1, "project": 1}

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
"""The fields are listed, so that the database can apply a filter by user_id or project_id to the tasks first."""

TIME_ENTRIES_PIPELINE: list[Row] = [
    {"$match": {"deleted_at": None}},
    {"$lookup": _PROJECT_LOOKUP},
    {"$unwind": {"path": "$project", "preserveNullAndEmptyArrays": True}},
    {"$project": {**_TASK_FIELDS, "entry": ALL_ENTRIES}},
    {"$unwind": "$entry"},
    {"$project": _COLUMNS},
]


def time_entries_view() -> View:
    """Return the definition of the view in this version of the service."""
    return View(VIEW_VERSION, TIME_ENTRIES_VIEW, Task.Settings.name, TIME_ENTRIES_PIPELINE)
