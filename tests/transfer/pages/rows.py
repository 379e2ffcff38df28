"""Rows of a CSV file, one a day, and manual entries that are added to their task meanwhile."""

from tests.support.http import LONG, Client, Json
from tests.transfer.uploads import row


def rows_of(days: range, task: str = "Offer") -> str:
    """Return one row on each of these days of November 2026."""
    return "".join(row(day, "09:00", "10:00", task=task, project="") for day in days)


WRITERS = 20 if LONG else 6
"""The number of clients that write entries at once."""


async def write_entries(client: Client, task: Json, minute: int) -> None:
    """Add five entries to the task, each when the service is not too busy with the others."""
    for day in range(1, 6):
        body = {"started_at": f"2026-10-{day:02}T08:{minute:02}:00Z", "duration_seconds": 60}
        while (response := await client.post(f"/tasks/{task['id']}/time-entries", json=body)).status_code == 503:
            pass
        assert response.status_code == 201, response.text
