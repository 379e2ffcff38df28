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
    """A line of the file: some time of a day in November 2026."""
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


async def send(client: Client, lines: str, *, overlap: str | None = None, **fields: Any) -> httpx.Response:
    """The answer to an upload of these lines."""
    form = {"format": "csv", "timezone": "Europe/Berlin", **fields}
    return await client.post(
        "/imports",
        data={name: value for name, value in form.items() if value is not None},
        files={"file": ("time.csv", (HEADER + lines).encode(), "text/csv")},
        params={} if overlap is None else {"overlap": overlap},
    )


async def read_in(client: Client, lines: str, **fields: Any) -> Json:
    """The import of these lines."""
    response = await send(client, lines, **fields)
    assert response.status_code == 201, response.text
    made: Json = response.json()
    return made


async def kept(database: Database) -> list[Json]:
    """All that is stored of projects, of tasks and of time."""
    collections = (database.projects, database.tasks, database.deleted_entries)
    return [document for collection in collections for document in await collection.find().sort("_id").to_list(None)]


async def held(database: Database, made: Json, **since: float) -> None:
    """As if somebody were at this import who was heard of last so long ago."""
    taken_at = naive_utc(utc_now() - timedelta(**since))
    fields = {"state": "under_way", "holder": "somebody", "taken_at": taken_at, "finished_at": None}
    await database.import_batches.update_one({"_id": ObjectId(made["id"])}, {"$set": fields})
