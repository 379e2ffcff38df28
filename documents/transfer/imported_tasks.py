"""Changes of tasks by an import."""

from datetime import datetime

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.task_updates import import_version_update, recomputed_counters, unmodified_import
from documents.tracking.tasks import Task


async def remove_imported_entries(task: Row, import_id: ObjectId, before: datetime) -> bool:
    """Remove the ended entries of this import that were not edited. Return False when the version differs."""
    others = {"$filter": {"input": "$time_entries", "cond": {"$not": [unmodified_import(import_id, before)]}}}
    counters = recomputed_counters(**import_version_update(task))
    return await Task.run_stages(task, [{"$set": {"time_entries": others}}, {"$set": counters}])


async def remove_imported_task(task: Row) -> bool:
    """Delete an imported task that has no entries and was not edited. Return whether it was deleted."""
    return await Task.delete_at_version(
        task, {"entry_count": 0, "import_version": task["version"], "active": {"$exists": False}}
    )
