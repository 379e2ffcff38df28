import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from bson import ObjectId

from app.config import Settings
from documents.feed.event_streams import OpenStream
from documents.feed.feed_states import FeedState
from documents.registry import USER_DOCUMENTS
from services.accounts.authentication import CACHE_SECONDS
from services.accounts.deletion import SWEEP_DELAY, account_deletion_service
from services.common.concurrency import CONTENTION_SECONDS, TURN_SECONDS
from tests.conftest import Database
from tests.support.feed.recorded import wait_until_relayed
from tests.support.http import API, PASSWORD, Client, Json, pointers, problem
from tests.support.processes import free_port, running
from tests.support.services import PATIENCE_SECONDS, environment, serving_until_killed
from tests.support.stored_documents import ended_entry, page_row, paged_task, task_row
from tests.webhooks.rows import delivery_row, webhook_row


@pytest.fixture
def has_relay() -> bool:
    """Let the relay run, since it must record nothing for a deleted user."""
    return True


async def create_all_documents(client: Client, database: Database) -> Client:
    """Create a document of the user in each collection, and return the client."""
    project = await client.make_project()
    task = await client.make_task(project_id=project["id"])
    entry = await client.write(task)
    await client.delete(f"/tasks/{task['id']}/time-entries/{entry['id']}")
    await client.write(task, started_at="2026-11-17T09:00:00Z")
    await client.delete(f"/tasks/{(await client.make_task())['id']}")
    await client.post("/tasks", json={"title": "With a key"}, headers={"Idempotency-Key": "k"})
    await client.post("/auth/api-tokens", json={"name": "Status bar", "scopes": ["read"]})
    await client.post("/calendar-feeds", json={"name": "My time"})
    await client.post("/shares", json={"name": "This week", "report": {"type": "timesheet"}})
    await client.start(task)
    paged, pages = paged_task(client.user["_id"], [ended_entry()], [ended_entry()])
    await database.tasks.insert_one(paged)
    await database.task_pages.insert_many(pages)
    webhook = webhook_row(client.user["_id"])
    await database.webhooks.insert_one(webhook)
    await database.webhook_deliveries.insert_one(delivery_row(webhook))
    await wait_until_relayed(database, client.user["_id"])
    # The service stores these later, and while a stream is open.
    await FeedState.raise_last_seqs({client.user["_id"]: 1})
    await OpenStream.new(client.user["_id"], slot=0, worker="worker").add()
    return client


async def count_documents(client: Client, database: Database) -> Json:
    """Return the number of the user's documents by collection, without empty collections."""
    user_id = client.user["_id"]
    names = set(await database.list_collection_names()) - {"account_deletions"}
    counts = {}
    for name in names:
        count = await database[name].count_documents({"user_id": user_id})
        count += await database[name].count_documents({"_id": user_id})
        if count:
            counts[name] = count
    return counts


async def delete(client: Client, password: str = PASSWORD) -> int:
    response = await client.request("DELETE", "/users/me", json={"password": password})
    if response.status_code != 204:
        problem(response, 403, "wrong_password")
    return response.status_code


async def wait_until_deleted(client: Client, database: Database) -> None:
    """Wait until no document of the user is left."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        # The user is deleted last or nearly so, and counting all collections takes long.
        while await database.users.find_one({"_id": client.user["_id"]}) or await count_documents(client, database):  # noqa: ASYNC110 -- another process deletes them
            await asyncio.sleep(0.1)


@pytest.fixture
async def carol(alice: Client, database: Database) -> AsyncIterator[Client]:
    """A user with a document in each collection. Pending sweeps are cancelled afterwards."""
    yield await create_all_documents(alice, database)
    for sweep in list(account_deletion_service._sweeps):
        sweep.cancel()


class TestDeleteAccount:
    async def test_all_documents_of_the_user_are_deleted(self, carol: Client, bob: Client, database: Database) -> None:
        await create_all_documents(bob, database)
        others = await count_documents(bob, database)
        assert others.keys() >= {document.Settings.name for document in USER_DOCUMENTS} - {
            "import_batches",
            "import_files",
        }
        assert await delete(carol) == 204
        assert await count_documents(carol, database) == {}
        assert await count_documents(bob, database) == others
        problem(await carol.get("/users/me"), 401, "invalid_token")
        problem(
            await carol.post("/auth/token", data={"username": "alice@example.com", "password": PASSWORD}),
            401,
            "invalid_credentials",
        )

    async def test_wrong_or_missing_password_deletes_nothing(self, carol: Client, database: Database) -> None:
        before = await count_documents(carol, database)
        assert await delete(carol, "something else") == 403
        assert pointers(await carol.request("DELETE", "/users/me", json={})) == {"#/password"}
        assert await count_documents(carol, database) == before

    async def test_email_address_can_be_registered_again(self, carol: Client) -> None:
        await delete(carol)
        account = {"email": "alice@example.com", "password": PASSWORD}
        assert (await carol.post("/users", json=account)).status_code == 201

    async def test_one_of_concurrent_deletions_succeeds(self, carol: Client, database: Database) -> None:
        responses = await asyncio.gather(
            *(carol.request("DELETE", "/users/me", json={"password": PASSWORD}) for _ in range(10))
        )
        assert [response.status_code for response in responses].count(204) == 1
        assert {response.status_code for response in responses} <= {204, 401, 403}
        assert await count_documents(carol, database) == {}

    async def test_relay_records_nothing_for_a_deleted_user(self, carol: Client, bob: Client) -> None:
        carol_id, bob_id = carol.user["_id"], bob.user["_id"]
        await delete(carol)
        await FeedState.raise_last_seqs({carol_id: 3, bob_id: 3})
        assert await FeedState.find(carol_id) is None
        assert (await FeedState.find(bob_id) or {})["last_seq"] == 3

    def test_sweep_waits_for_a_request_with_a_cached_user_that_waits_for_its_turn(self) -> None:
        assert timedelta(seconds=CACHE_SECONDS + TURN_SECONDS + CONTENTION_SECONDS) < SWEEP_DELAY

    async def test_documents_written_after_the_deletion_are_swept(self, carol: Client, database: Database) -> None:
        await delete(carol)
        # Another process may still have the user cached for ten seconds.
        await database.idempotency_keys.insert_one(
            {
                "_id": ObjectId(),
                "user_id": carol.user["_id"],
                "key": "late",
                "fingerprint": "",
                "seed": "",
                "taken_at": carol.user["created_at"],
                "subject": None,
                "done": [],
                "answer": None,
                "created_at": carol.user["created_at"],
            }
        )
        # A request that turns a page inserts it before it updates the task.
        await database.task_pages.insert_one(page_row(task_row(carol.user["_id"]), ended_entry()))
        (deletion,) = await database.account_deletions.find({}).to_list(None)
        assert deletion["_id"] == carol.user["_id"]
        await database.account_deletions.update_one(
            {}, {"$set": {"created_at": carol.user["created_at"].replace(year=2020)}}
        )
        await account_deletion_service.finish()
        assert await count_documents(carol, database) == {}
        assert await database.account_deletions.find_one({}) is None


@pytest.mark.parametrize(
    "place",
    [
        "documents.accounts.deletions:AccountDeletion:begin",
        "documents.tracking.tasks:Task:delete_by_id",
        "documents.tracking.pages:TaskPage:delete_by_id",
        "documents.accounts.refresh_tokens:RefreshToken:find_ids",
        "documents.accounts.users:User:end_deletion",
    ],
)
class TestKilledDeletion:
    async def test_next_start_finishes_the_deletion(
        self, place: str, carol: Client, database: Database, settings: Settings, tmp_path: Path
    ) -> None:
        async with (
            serving_until_killed(settings, database, tmp_path, at=place) as address,
            Client(base_url=address + API, headers=carol.headers, timeout=30) as client,
        ):
            with pytest.raises(httpx.TransportError):
                await client.request("DELETE", "/users/me", json={"password": PASSWORD})
        user = await database.users.find_one({"_id": carol.user["_id"]})
        assert user is not None
        assert not user["is_active"]

        with running("serve", folder=tmp_path, **{**environment(settings), "PORT": free_port()}) as service:
            await asyncio.to_thread(service.wait_until_ready)
            await wait_until_deleted(carol, database)
