"""The read-only view for people in a mongo shell: one document a time entry, the running ones too."""

from documents.base import Row
from documents.tasks import ALL_ENTRIES

TIME_ENTRIES_VIEW = "time_entries"

_ABOUT_THE_TASK: Row = {
    "_id": "$entry.id",
    "user_id": "$user_id",
    "task_id": "$_id",
    "task_title": "$title",
}

TIME_ENTRIES_PIPELINE: list[Row] = [
    {"$match": {"deleted_at": None}},
    {
        "$project": {
            "user_id": 1,
            "title": 1,
            "entry": ALL_ENTRIES,
        }
    },
    {"$unwind": "$entry"},
    {"$replaceRoot": {"newRoot": {"$mergeObjects": [_ABOUT_THE_TASK, "$entry"]}}},
]
