"""The time entries of a task, ended or running."""

from documents.base import Row
from documents.timeline import find_task_of_entry
from services.authentication import ActingUser
from services.entry_errors import EntryNotFoundError, require_entry_id
from services.schemas.entries import read_entry
from services.schemas.versions import Versioned
from services.tasks import require_task, require_task_id


class TimeEntryService:
    """The time entries of the acting user. Somebody else's are not found."""

    async def get(self, user: ActingUser, *, task_id: str, entry_id: str) -> Versioned:
        """The entry, ended or running, with its task's version. Raises TaskNotFoundError or EntryNotFoundError."""
        wanted, meant = require_task_id(task_id), require_entry_id(entry_id)
        task = require_task(await find_task_of_entry(user.id, wanted, meant))
        # The running one comes with its task, whichever entry was asked for.
        entries: list[Row] = [*task.get("time_entries", ()), *([task["active"]] if "active" in task else ())]
        for entry in entries:
            if entry["id"] == meant:
                return Versioned(read_entry(str(task["_id"]), entry), task["version"])
        raise EntryNotFoundError


time_entry_service = TimeEntryService()
