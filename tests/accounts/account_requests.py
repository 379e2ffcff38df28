"""Requests for registration and sign-in."""

from typing import Any

import httpx

from tests.support.http import PASSWORD, Client

ADA = "Ada@Example.com"


async def register(client: Client, **fields: Any) -> httpx.Response:
    return await client.post("/users", json={"email": ADA, "password": PASSWORD, **fields})


async def sign_in(client: Client, **fields: str) -> httpx.Response:
    return await client.post("/auth/token", data={"username": ADA, "password": PASSWORD, **fields})


SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
"""What a browser adds to a request of a page of the service."""

DEFAULT_PREFERENCES = {
    "overlap_policy": "allow",
    "timer_cap_hours": 12,
    "locale": None,
    "theme": "system",
    "shortcuts": True,
    "snap_minutes": 15,
    "idle_minutes": 10,
}
"""The preferences of a user who has chosen none."""
