"""Reading the change feed over HTTP."""

import asyncio

from tests.conftest import Database
from tests.support.http import Client, Json

PATIENCE_SECONDS = 60


async def read_changes(client: Client, count: int, **query: str) -> list[Json]:
    """Return the changes of the user when the feed has this number of them. `query` filters them."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (page := await read_page(client, limit="200"))["last_seq"] < count:  # noqa: ASYNC110 -- the relay copies them
            await asyncio.sleep(0.02)
    if query:
        page = await read_page(client, limit="200", **query)
    changes: list[Json] = page["items"]
    return changes


async def wait_until_recorded(database: Database, client: Client, seq: int) -> None:
    """Wait until the relay has recorded the number of the user's last change."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await database.feed_states.find_one({"user_id": client.user["_id"], "last_seq": seq}):  # noqa: ASYNC110 -- the relay records it
            await asyncio.sleep(0.02)


async def read_page(client: Client, **query: str) -> Json:
    """Return a page of the feed."""
    response = await client.get("/changes", params=query)
    assert response.status_code == 200, response.text
    page: Json = response.json()
    return page
