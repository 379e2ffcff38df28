"""The changes of a user's data, whether the relay has copied them to the feed or not."""

import asyncio
from heapq import merge

from bson import ObjectId

from tests.conftest import Database
from tests.support.http import Client, Json

OUTBOXES = ("tasks", "projects", "users", "import_batches")
"""The collections whose documents have outboxes."""

PATIENCE_SECONDS = 60


async def read_recorded_changes(database: Database, user_id: ObjectId) -> list[Json]:
    """Return the changes of the user in the order of the feed.

    The outboxes are read first, so that a change that the relay copies meanwhile is read twice and not missed.
    """
    outboxes: list[list[Json]] = []
    for name in OUTBOXES:
        query = {"_id" if name == "users" else "user_id": user_id, "outbox.0": {"$exists": True}}
        outboxes += [document["outbox"] async for document in database[name].find(query, {"outbox": 1})]
    changes = [
        {**change, "id": change["_id"]} for change in await database.changes.find({"user_id": user_id}).to_list(None)
    ]
    changes.sort(key=lambda change: change["seq"])
    relayed = {change["id"] for change in changes}
    waiting = merge(*outboxes, key=lambda item: (item["occurred_at"], item["id"]))
    return changes + [item for item in waiting if item["id"] not in relayed]


async def wait_until_relayed(database: Database, user_id: ObjectId) -> None:
    """Wait until the relay has copied all changes of the user and removed them from the outboxes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for name in OUTBOXES:
            query = {"_id" if name == "users" else "user_id": user_id, "outbox_since": {"$exists": True}}
            while await database[name].find_one(query, {"_id": 1}) is not None:  # noqa: ASYNC110 -- the relay removes them
                await asyncio.sleep(0.05)


async def assert_feed_is_exact(database: Database, client: Client, count: int) -> None:
    """Check that the feed has this number of changes, each once and without gaps, and that no outbox has items."""
    await assert_changes_are_exact(database, client, count)
    with_items = {"$or": [{"outbox": {"$exists": True}}, {"outbox_since": {"$exists": True}}]}
    for name in OUTBOXES:
        assert await database[name].count_documents(with_items) == 0


async def assert_changes_are_exact(database: Database, client: Client, count: int) -> None:
    """Check that the feed has this number of changes, each once and without gaps."""
    rows = await database.changes.find({"user_id": client.user["_id"]}).sort("seq", 1).to_list(None)
    assert [row["seq"] for row in rows] == list(range(1, count + 1))
    assert len({row["_id"] for row in rows}) == count
    state = await database.feed_states.find_one({"user_id": client.user["_id"]})
    assert state is not None
    assert state["last_seq"] == count
