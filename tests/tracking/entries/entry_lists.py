"""Stored entries and list requests that the tests of entry lists share."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from app.clock import naive_utc
from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import ended_entry, task_row, tracked

MONDAY = naive_utc(datetime(2026, 3, 2, tzinfo=UTC))
WEEK = {"from": "2026-03-02", "to": "2026-03-09"}


def entry_path(task: Json, entry: Json) -> str:
    return f"/tasks/{task['id']}/time-entries/{entry['id']}"


def stored_entry(hour: float, *, minutes: int = 30, **fields: Any) -> Json:
    """Build a stored entry that starts `hour` hours after midnight of MONDAY."""
    return ended_entry(at=MONDAY + timedelta(hours=hour), minutes=minutes, **fields)


async def insert_task(database: Database, client: Client, *entries: Json, **fields: Any) -> str:
    """Insert a task with these entries and return its id."""
    in_order = sorted(entries, key=lambda each: (each["started_at"], each["id"]))
    row = task_row(client.user["_id"], **{**tracked(*in_order), **fields})
    await database.tasks.insert_one(row)
    return str(row["_id"])


async def list_pages(client: Client, path: str = "/time-entries", **parameters: Any) -> AsyncIterator[list[Json]]:
    while True:
        response = await client.get(path, params=parameters)
        assert response.status_code == 200, response.text
        page = response.json()
        assert page.keys() == {"items", "next_cursor"}
        yield page["items"]
        if page["next_cursor"] is None:
            return
        parameters["cursor"] = page["next_cursor"]


async def list_entries(client: Client, path: str = "/time-entries", **parameters: Any) -> list[Json]:
    return [item async for page in list_pages(client, path, **parameters) for item in page]


async def list_notes(client: Client, **parameters: Any) -> list[str]:
    return [item["note"] for item in await list_entries(client, **parameters)]


async def list_ids(client: Client, path: str = "/time-entries", **parameters: Any) -> list[str]:
    return [item["id"] for item in await list_entries(client, path, **parameters)]
