"""Requests about shares that several test modules send."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.http import Client, Json

WEEK = {"from": "2026-11-16", "to": "2026-11-23"}
SUMMARY = {"type": "summary", **WEEK}
TIMESHEET = {"type": "timesheet", "date": "2026-11-18"}


async def post_share(client: Client, report: Json = SUMMARY, **fields: Any) -> httpx.Response:
    """Share a report."""
    return await client.post("/shares", json={"name": "November", "report": report, **fields})


async def share(client: Client, report: Json = SUMMARY, **fields: Any) -> Json:
    """Share a report, and return the share with its URL."""
    response = await post_share(client, report, **fields)
    assert response.status_code == 201, response.text
    created: Json = response.json()
    return created


def secret_of(created: Json) -> str:
    """Return the secret in the URL of a share."""
    return urlsplit(created["url"]).path.rpartition("/")[2]


async def read(anonymous: Client, created: Json, **sent: Any) -> httpx.Response:
    """Read a shared report by its URL."""
    return await anonymous.get(f"/shared/{secret_of(created)}", **sent)


async def read_report(anonymous: Client, created: Json) -> Json:
    """Return the shared report without the names of the share and of its owner."""
    response = await read(anonymous, created)
    assert response.status_code == 200, response.text
    report: Json = response.json()["report"]
    return report
