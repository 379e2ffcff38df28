"""The versions of the tasks in a time range, from which a reader detects that the entries of the range changed."""

from bson import ObjectId

from documents.tracking.queries.entry_filter import EntryFilter, tasks_in_range_stages
from documents.tracking.tasks import Task


async def find_task_versions(user_id: ObjectId, entry_filter: EntryFilter) -> list[bytes]:
    """Return the _id and version of each live task that may have ended entries in the range, as sorted BSON.

    Every change of a task, of its entries and of its pages increases the version of the task. So if this list is the
    same, the entries are the same. The filters of entries do not apply. BSON, because there can be many tasks.
    """
    stages = tasks_in_range_stages(user_id, entry_filter, entry_filter.since, entry_filter.until)
    rows = await Task.aggregate_undecoded([*stages, {"$project": {"version": 1}}])
    return sorted(bytes(row.raw) for row in rows)
