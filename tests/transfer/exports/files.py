"""Exporting entries, and reading the files with other libraries."""

import csv
import json
from datetime import timedelta
from io import BytesIO, StringIO
from typing import Any

import httpx
import openpyxl
from icalendar import Calendar

from tests.conftest import Database
from tests.support.http import Client, Json
from tests.support.stored_documents import NINE, ended_entry, task_row, tracked

FORMATS = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ndjson": "application/x-ndjson",
    "ics": "text/calendar; charset=utf-8",
}


NOVEMBER = {"from": "2026-11-01", "to": "2026-12-01"}


COLUMNS = (
    "entry_id,task_id,project,client,task,note,tags,billable,start,end,timezone,"
    "duration_seconds,duration_hours,hourly_rate,currency,source,status"
)


async def exported(client: Client, form: str, **query: Any) -> httpx.Response:
    """Export November, or the range of the query."""
    response = await client.get(f"/exports/time-entries.{form}", params=NOVEMBER | query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == FORMATS[form]
    return response


async def table(client: Client, **query: Any) -> list[Json]:
    """Return the rows of the CSV file as dictionaries."""
    content = (await exported(client, "csv", **query)).content.decode()
    return list(csv.DictReader(StringIO(content, newline=""), strict=True))


async def lines(client: Client, **query: Any) -> list[Json]:
    """Return the objects of the JSON lines."""
    return [json.loads(line) for line in (await exported(client, "ndjson", **query)).content.splitlines()]


async def sheet(client: Client, **query: Any) -> list[tuple[Any, ...]]:
    """Return the rows of the worksheet."""
    book = openpyxl.load_workbook(BytesIO((await exported(client, "xlsx", **query)).content))
    return list(book.worksheets[0].iter_rows(values_only=True))


async def events(client: Client, **query: Any) -> list[Any]:
    """Return the events of the calendar."""
    content = (await exported(client, "ics", **query)).content
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    return Calendar.from_ical(content).walk("VEVENT")


async def create_day_of_work(client: Client) -> tuple[Json, Json, Json]:
    """Create a project, a task in it, and an entry of one hour."""
    project = await client.make_project(
        name="Site", client_name="Ada & Sons", hourly_rate={"amount": 9550, "currency": "EUR"}
    )
    task = await client.make_task(project_id=project["id"], tags=["sales", "web"], billable=True)
    entry = await client.write(task, note="First draft", tags=["deep", "sales"], timezone="Europe/Berlin")
    return project, task, entry


BROKEN = {"tags": 7, "created_at": "never"}
"""Fields of an entry that no format can write."""


async def many_entries(client: Client, database: Database, **fields: Any) -> None:
    """Store so many large entries that their file does not fit into the buffers of the sockets."""
    entries = [ended_entry(minutes=1, at=NINE + timedelta(minutes=n), note="🕑" * 1000) for n in range(1500)]
    entries[-1] |= fields
    row = task_row(client.user["_id"], **tracked(*entries))
    await database.tasks.insert_one(row, bypass_document_validation=True)
