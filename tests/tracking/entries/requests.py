"""Helpers that the tests of time entries share."""

from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import short_entries, task_row, tracked


def entries_path(task: Json) -> str:
    return f"/tasks/{task['id']}/time-entries"


async def insert_task_with_entries(client: Client, database: Database, count: int) -> Json:
    """Insert a task with `count` entries and return its id."""
    row = task_row(client.user["_id"], **tracked(*short_entries(count)))
    await database.tasks.insert_one(row)
    return {"id": str(row["_id"])}
