"""Requests and values that the tests of projects share."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from tests.support.http import Client, Json

RATE = {"amount": 9000, "currency": "EUR"}
HIGHER_RATE = {"amount": 12_050, "currency": "EUR"}


async def update_project(client: Client, project: Json, body: Json, **sent: str) -> Json:
    """Update the project and return it."""
    response = await client.patch(f"/projects/{project['id']}", json=body, params=sent)
    assert response.status_code == 200, response.text
    changed: Json = response.json()
    return changed


async def get_project(client: Client, project: Json) -> Json:
    response = await client.get(f"/projects/{project['id']}")
    assert response.status_code == 200, response.text
    read: Json = response.json()
    return read


async def list_names(client: Client, **sent: Any) -> list[str]:
    response = await client.get("/projects", params=sent)
    assert response.status_code == 200, response.text
    return [project["name"] for project in response.json()["items"]]


async def gather(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


def count_statuses(responses: list[httpx.Response]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


async def track_hour(client: Client, task: Json, hour: int = 9, **fields: Any) -> Json:
    """Track one hour with the timer and return the ended entry."""
    await client.start(task, started_at=f"2026-11-18T{hour:02}:00:00Z", **fields)
    entry: Json = (await client.stop(ended_at=f"2026-11-18T{hour + 1:02}:00:00Z"))["entry"]
    return entry


async def list_rates(client: Client, task: Json) -> list[Json | None]:
    """Return the rates of the task's ended entries, the earliest first."""
    entries = (await client.read(task))["time_entries"]
    return [entry["hourly_rate"] for entry in reversed(entries)]
