"""Several processes with one database: one of them sends, and another continues when it ends."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_bytes

import httpx
import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.config import Settings
from app.security.webhook_secrets import WebhookSecrets, to_webhook_secret
from documents.common.leases import WEBHOOK_DELIVERIES
from documents.webhooks.deliveries import Delivery
from documents.webhooks.webhooks import Webhook
from tests.conftest import Database
from tests.support.http import API, PASSWORD, Client, Json
from tests.support.processes import Program, free_port, running
from tests.support.services import environment, serving_until_killed
from tests.webhooks.receiver import Receiver, receiving

pytestmark = pytest.mark.usefixtures("service")  # binds the documents to a database

PATIENCE_SECONDS = 120
RECORD_ATTEMPT = "documents.webhooks.deliveries:Delivery:record_attempt"


class Store:
    """A database of its own, in which no process of other tests looks for webhooks."""

    def __init__(self, database: Database, settings: Settings) -> None:
        lenient = {"webhooks_allow_http": True, "webhooks_allow_private": True, "database_name": database.name}
        self.settings = settings.model_copy(update=lenient)
        self.database = database
        self._secrets = WebhookSecrets.from_settings(settings)

    async def add_webhook(self, receiver: Receiver, *, slot: int = 0) -> Json:
        webhook_id = ObjectId()
        secret = self._secrets.encrypt(to_webhook_secret(token_bytes(32)), owner=webhook_id.binary)
        fields: Json = {"types": None, "description": None, "secret": secret, "cursor_seq": 0}
        row = Webhook.new(ObjectId(), webhook_id, slot=slot, url=receiver.url, **fields).as_row()
        await self.database.webhooks.insert_one(row)
        return row

    async def add_delivery(self, webhook: Json) -> None:
        delivery = Delivery.new(webhook, type="webhook.test", body='{"type":"webhook.test"}')
        await self.database.webhook_deliveries.insert_one(delivery.as_row())

    async def count(self, status: str) -> int:
        return await self.database.webhook_deliveries.count_documents({"status": status})

    async def holder(self) -> str | None:
        """Return the process that has the lease, or None when it is free."""
        lease = await self.database.leases.find_one({"_id": WEBHOOK_DELIVERIES})
        return lease["holder"] if lease and lease["expires_at"] > naive_utc(utc_now()) else None


@pytest.fixture
def store(empty_database: Database, settings: Settings) -> Store:
    return Store(empty_database, settings)


@asynccontextmanager
async def serving_program(store: Store, folder: Path) -> AsyncIterator[Program]:
    """Run a service on the database."""
    folder.mkdir()  # noqa: ASYNC240 -- takes no time
    with running("serve", folder=folder, **{**environment(store.settings), "PORT": free_port()}) as program:
        await asyncio.to_thread(program.wait_until_ready)
        yield program


async def wait_until(is_true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await is_true():  # noqa: ASYNC110 -- other processes make it true
            await asyncio.sleep(0.05)


class TestOneSender:
    async def test_each_delivery_is_sent_once_and_another_process_continues_after_the_end_of_the_sender(
        self, store: Store, tmp_path: Path
    ) -> None:
        async with receiving() as receiver:
            webhooks = [await store.add_webhook(receiver, slot=slot) for slot in range(4)]

            async def has_other_holder() -> bool:
                return (current := await store.holder()) is not None and current != holder

            async with serving_program(store, tmp_path / "first") as first:
                holder = None
                await wait_until(has_other_holder)
                holder = await store.holder()
                async with serving_program(store, tmp_path / "second") as second:
                    await self.assert_deliveries_are_sent_once(store, receiver, webhooks)
                    first.send(signal.SIGTERM)
                    assert await asyncio.to_thread(first.exit_code) == 0, first.output
                    assert await store.holder() != holder
                    await wait_until(has_other_holder)
                    holder = await store.holder()
                    async with serving_program(store, tmp_path / "third"):
                        second.send(signal.SIGKILL)
                        await wait_until(has_other_holder)
                        await store.add_delivery(webhooks[0])
                        await receiver.wait_for(21, PATIENCE_SECONDS)

    async def assert_deliveries_are_sent_once(self, store: Store, receiver: Receiver, webhooks: list[Json]) -> None:
        """Add 20 deliveries while two services run."""
        for _ in range(5):
            for webhook in webhooks:
                await store.add_delivery(webhook)

        async def are_delivered() -> bool:
            return await store.count("delivered") == 20

        await wait_until(are_delivered)
        assert len({received.headers["webhook-id"] for received in receiver.received}) == 20
        assert len(receiver.received) == 20


class TestTwoWorkers:
    async def test_receiver_gets_each_change_of_a_user_once(self, store: Store, tmp_path: Path) -> None:
        settings = {**environment(store.settings), "PORT": free_port(), "WORKERS": 2}
        with running("serve", folder=tmp_path, **settings) as program:
            await asyncio.to_thread(program.wait_until_ready)
            async with receiving() as receiver, Client(base_url=program.base_url + API, timeout=30) as client:
                await sign_in(client)
                created = await client.post("/webhooks", json={"url": receiver.url})
                assert created.status_code == 201, created.text
                await client.start(await client.make_task())
                await client.stop()
                received = await receiver.wait_for(3, PATIENCE_SECONDS)
                test = await client.post(f"/webhooks/{created.json()['id']}/test")
                assert test.status_code in {201, 202}, test.text
                await receiver.wait_for(4, PATIENCE_SECONDS)
                changes = (await client.get("/changes")).json()["items"]
            assert [each.json["type"] for each in received] == [
                *("task.created", "timer.started", "timer.stopped", "webhook.test")
            ]
            assert [each.json["data"] for each in received[:3]] == changes
            for each in received:
                each.verify(created.json()["secret"])


async def sign_in(client: Client) -> None:
    """Create an account, and sign the client in."""
    account = {"email": "ada@example.com", "password": PASSWORD}
    assert (await client.post("/users", json=account)).status_code == 201
    form = {"username": account["email"], "password": PASSWORD}
    token = (await client.post("/auth/token", data=form)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


class TestKilledSender:
    async def test_delivery_is_sent_again_with_the_same_id_if_its_attempt_was_not_recorded(
        self, store: Store, tmp_path: Path
    ) -> None:
        async with receiving() as receiver:
            async with serving_until_killed(store.settings, store.database, tmp_path, at=RECORD_ATTEMPT) as address:
                await store.add_delivery(await store.add_webhook(receiver))
                await receiver.wait_for(1, PATIENCE_SECONDS)
                await wait_until(lambda: is_unreachable(address))
            (delivery,) = await store.database.webhook_deliveries.find().to_list(None)
            assert (delivery["status"], delivery["attempts"]) == ("pending", [])
            assert delivery["claimed_until"] > delivery["created_at"]
            expired = {"$set": {"claimed_until": delivery["created_at"]}}
            await store.database.webhook_deliveries.update_one({}, expired)
            async with serving_program(store, tmp_path / "next"):
                await receiver.wait_for(2, PATIENCE_SECONDS)

                async def is_delivered() -> bool:
                    return await store.count("delivered") == 1

                await wait_until(is_delivered)
            assert {received.headers["webhook-id"] for received in receiver.received} == {str(delivery["_id"])}


async def is_unreachable(address: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            await client.get(f"{address}/health/live")
        except httpx.TransportError:
            return True
    return False
