"""Reading time entries where they stand: embedded in their tasks, the running one beside the ended ones."""

from bson import ObjectId

from app.database import in_time
from documents.base import Row
from documents.tasks import Task


async def find_task_of_entry(user_id: ObjectId, task_id: ObjectId, entry_id: ObjectId) -> Row | None:
    """The user's live task with this one of its ended entries, if it has it, and with its running one."""
    return await in_time(
        Task.rows().find_one(
            {"_id": task_id, "user_id": user_id, "deleted_at": None},
            {"version": 1, "active": 1, "time_entries": {"$elemMatch": {"id": entry_id}}},
        )
    )
