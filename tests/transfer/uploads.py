"""CSV files with rows of November 2026, and uploading them."""

from datetime import timedelta
from typing import Any

import httpx
from bson import ObjectId

from app.clock import naive_utc, utc_now
from tests.conftest import Database
from tests.support.http import Client, Json

HEADER = "Start,End,Project,Task,Description,Client,Tags,Billable\n"


def row(day: int, start: str, end: str, task: str = "Offer", project: str = "Website", **more: str) -> str:
    """Return a CSV line with a time range on a day in November 2026."""
    date = f"2026-11-{day:02}"
    cells = [f"{date} {start}", f"{date} {end}", project, task, *(more.get(name, "") for name in MORE)]
    return ",".join(cells) + "\n"


MORE = ("note", "client", "tags", "billable")


WEEK = "".join(
    (
        row(2, "09:00", "10:30", client="Ada Ltd", billable="yes", note="first draft"),
        row(2, "10:30", "11:00", task="Mail", project=""),
        row(3, "09:00", "17:00"),
        row(4, "09:00", "12:00", task="Call", project="Sales", tags="phone"),
    )
)


RATE = {"amount": 9000, "currency": "EUR"}


async def upload(client: Client, lines: str, *, overlap: str | None = None, **fields: Any) -> httpx.Response:
    """Upload these lines. Return the response."""
    form = {"format": "csv", "timezone": "Europe/Berlin", **fields}
    return await client.post(
        "/imports",
        data={name: value for name, value in form.items() if value is not None},
        files={"file": ("time.csv", (HEADER + lines).encode(), "text/csv")},
        params={} if overlap is None else {"overlap": overlap},
    )


async def import_rows(client: Client, lines: str, **fields: Any) -> Json:
    """Import these lines. Return the import."""
    response = await upload(client, lines, **fields)
    assert response.status_code == 201, response.text
    result: Json = response.json()
    return result


async def stored_items(database: Database) -> list[Json]:
    """Return all stored projects, tasks and deleted entries, without the outboxes that the relay empties meanwhile."""
    collections = (database.projects, database.tasks, database.deleted_entries)
    projection = {"outbox": 0, "outbox_since": 0}
    return [
        row for collection in collections for row in await collection.find({}, projection).sort("_id").to_list(None)
    ]


async def lease_to_another(database: Database, result: Json, **since: float) -> None:
    """Lease the import to another process, which has renewed the lease this long ago."""
    taken_at = naive_utc(utc_now() - timedelta(**since))
    fields = {"state": "under_way", "holder": "another process", "taken_at": taken_at, "finished_at": None}
    await database.import_batches.update_one({"_id": ObjectId(result["id"])}, {"$set": fields})
