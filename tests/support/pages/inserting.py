"""Inserts tasks with pages."""

from typing import Any

from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import paged_task, task_row, tracked


async def insert_paged(database: Database, client: Client, *parts: list[Json], **fields: Any) -> Json:
    """Insert a task with these pages and, as the last part, these hot entries."""
    task, pages = paged_task(client.user["_id"], *parts, **fields)
    await database.task_pages.insert_many(pages)
    await database.tasks.insert_one(task)
    return task


async def insert_hot(database: Database, client: Client, entries: list[Json], **fields: Any) -> Json:
    """Insert a task with these entries and without pages."""
    task = task_row(client.user["_id"], **{**tracked(*entries), **fields})
    await database.tasks.insert_one(task)
    return task
