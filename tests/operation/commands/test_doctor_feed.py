"""`task-timer doctor` finds missing changes, and changes that the relay does not copy."""

from bson import ObjectId

from app.clock import rfc3339
from tests.conftest import Database
from tests.operation.commands.test_doctor import findings
from tests.support.feed.recorded import wait_until_relayed
from tests.support.feed.relays import relays_paused
from tests.support.http import Client
from tests.support.stored_documents import NINE


class TestChangeFeed:
    async def test_missing_change_is_found(self, alice: Client, database: Database) -> None:
        for _ in range(3):
            await alice.make_task()
        await wait_until_relayed(database, alice.user["_id"])
        await database.changes.delete_one({"user_id": alice.user["_id"], "seq": 2})
        assert await findings() == [f"changes user {alice.user['_id']}: of the changes 1 to 3, 1 is missing"]

    async def test_expired_changes_are_not_missing(self, alice: Client, database: Database) -> None:
        for _ in range(4):
            await alice.make_task()
        await wait_until_relayed(database, alice.user["_id"])
        expired = {"expires_at": alice.user["created_at"]}
        await database.changes.update_one({"user_id": alice.user["_id"], "seq": 1}, {"$set": expired})
        await database.changes.delete_one({"user_id": alice.user["_id"], "seq": 2})
        assert await findings() == []

    async def test_outbox_that_the_relay_does_not_copy_is_found(self, alice: Client, database: Database) -> None:
        async with relays_paused():
            task_id = ObjectId((await alice.make_task())["id"])
            await database.tasks.update_one({"_id": task_id}, {"$set": {"outbox_since": NINE}})
            message = f"its outbox has items since {rfc3339(NINE)}, so the relay does not copy them"
            assert await findings() == [f"tasks {task_id}: {message}"]
        await wait_until_relayed(database, alice.user["_id"])
        assert await findings() == []
