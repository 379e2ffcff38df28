"""Requests of reports, and stored tasks for them."""

from datetime import datetime
from typing import Any, get_args

from services.reporting.row_keys import GroupBy
from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import ended_entry, project_row, task_row, tracked

WEEK = {"from": "2026-11-16", "to": "2026-11-23"}
GROUPS: tuple[str, ...] = get_args(GroupBy)
EURO = {"amount": 9000, "currency": "EUR"}
DOLLAR = {"amount": 6000, "currency": "USD"}


def november_entry(at: str, minutes: int = 60, **fields: Any) -> Json:
    """Return a stored entry that begins at a day and time (UTC) of November 2026, for example "18 09:00"."""
    return ended_entry(at=datetime.fromisoformat(f"2026-11-{at}"), minutes=minutes, **fields)


async def insert_task(database: Database, client: Client, *entries: Json, **fields: Any) -> str:
    """Insert a task of the user with these entries, and return its id."""
    ordered = sorted(entries, key=lambda each: (each["started_at"], each["id"]))
    row = task_row(client.user["_id"], **{**(tracked(*ordered) if entries else {}), **fields})
    await database.tasks.insert_one(row)
    return str(row["_id"])


async def insert_project(database: Database, client: Client, **fields: Any) -> Any:
    row = project_row(client.user["_id"], **fields)
    await database.projects.insert_one(row)
    return row["_id"]


async def get_summary(client: Client, **parameters: Any) -> Json:
    response = await client.get("/reports/summary", params={**WEEK, **parameters})
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


async def seconds_by_key(client: Client, **parameters: Any) -> dict[str | None, int]:
    """Return the seconds of each row of a summary, by key."""
    return {row["key"]: row["seconds"] for row in (await get_summary(client, **parameters))["rows"]}


async def get_timesheet(client: Client, **parameters: Any) -> Json:
    response = await client.get("/reports/timesheet", params=parameters)
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


async def get_today(client: Client, **parameters: Any) -> Json:
    response = await client.get("/reports/today", params=parameters)
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body
