"""A dispatcher that a test controls: its clock, its changes and when it runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.config import Settings
from app.security.webhook_secrets import WebhookSecrets, to_webhook_secret
from documents.common.leases import CHANGE_RELAY
from documents.feed.changes import Change
from documents.feed.feed_states import FeedState
from documents.webhooks.deliveries import Delivery
from documents.webhooks.webhooks import Webhook
from services.webhooks.addresses import AddressPolicy, Resolve, look_up
from services.webhooks.dispatcher import WebhookDispatcher
from services.webhooks.sender import WebhookSender
from tests.conftest import Database
from tests.support.http import Json


class Clock:
    """A clock that stands still unless a test moves it. It is fast, so that what the test has just stored is due."""

    def __init__(self) -> None:
        self._now = utc_now() + timedelta(minutes=2)

    def __call__(self) -> datetime:
        return self._now

    def advance(self, duration: timedelta) -> None:
        self._now += duration


class Dispatching:
    """A dispatcher with its own clock, which may send to the loopback interface, and the feed of a user."""

    def __init__(self, database: Database, settings: Settings, user_id: ObjectId) -> None:
        self.clock = Clock()
        self.user_id = user_id
        self._database = database
        self.secrets = WebhookSecrets.from_settings(settings)
        self.dispatcher = self.new_dispatcher()
        self._seq = 0

    def new_dispatcher(self, resolve: Resolve = look_up) -> WebhookDispatcher:
        sender = WebhookSender(AddressPolicy(allow_http=True, allow_private=True, resolve=resolve))
        return WebhookDispatcher(sender, self.secrets, clock=self.clock)

    async def add_webhook(self, url: str, **fields: Any) -> Json:
        """Store a webhook that gets the changes from now on. Return it with its secret as `plain_secret`."""
        webhook_id, secret = ObjectId(), to_webhook_secret(token_bytes(32))
        new = Webhook.new(
            self.user_id,
            webhook_id,
            slot=await self._database.webhooks.count_documents({}) % 20,
            url=url,
            types=None,
            description=None,
            secret=self.secrets.encrypt(secret, owner=webhook_id.binary),
            cursor_seq=self._seq,
        )
        row = await new.model_copy(update=fields).add()
        return {**row, "plain_secret": secret}

    async def add_changes(self, *types: str, is_announced: bool = True) -> list[ObjectId]:
        """Store changes of these types as the relay does. Return their ids."""
        relay = await self._database.leases.find_one({"_id": CHANGE_RELAY})
        position = (relay["announced"] if relay else 0) + 1
        rows: list[Json] = []
        for kind in types:
            self._seq += 1
            rows.append(_change(self.user_id, kind, seq=self._seq, position=position))
        await Change.add_all(rows)
        await FeedState.raise_last_seqs({self.user_id: self._seq})
        if is_announced:
            lease = {"holder": "the test", "expires_at": naive_utc(utc_now()), "position": position}
            update = {"$set": {**lease, "announced": position}}
            await self._database.leases.update_one({"_id": CHANGE_RELAY}, update, upsert=True)
        return [row["_id"] for row in rows]

    async def add_delivery(self, webhook: Json, **fields: Any) -> Json:
        """Store a delivery that is due."""
        new = Delivery.new(webhook, type="webhook.test", body='{"type":"webhook.test"}')
        row: Json = await new.model_copy(update={"next_attempt_at": naive_utc(self.clock()), **fields}).add()
        return row

    async def run(self, cycles: int = 1) -> None:
        """Run cycles of the dispatcher, each until its requests have ended."""
        for _ in range(cycles):
            await self.dispatcher.run_cycle()
            await self.dispatcher.finish()

    async def deliveries(self, webhook: Json | None = None) -> list[Json]:
        """Return the stored deliveries in the order of seq."""
        of_webhook = {"webhook_id": webhook["_id"]} if webhook else {}
        return await self._database.webhook_deliveries.find(of_webhook).sort("seq").to_list(None)

    async def delivery(self) -> Json:
        """Return the only delivery."""
        (delivery,) = await self.deliveries()
        return delivery

    async def webhook(self, webhook: Json) -> Json:
        """Return the stored webhook."""
        stored: Json | None = await self._database.webhooks.find_one({"_id": webhook["_id"]})
        assert stored is not None
        return stored


def _change(user_id: ObjectId, kind: str, *, seq: int, position: int) -> Json:
    now = naive_utc(utc_now())
    return {
        "_id": ObjectId(),
        "user_id": user_id,
        "seq": seq,
        "position": position,
        "type": kind,
        "occurred_at": now,
        "task_id": ObjectId(),
        "entry_id": None,
        "project_id": None,
        "import_id": None,
        "version": 1,
        "request_id": None,
        "data": {"title": f"Task {seq}"},
        "expires_at": now + timedelta(days=30),
    }


def seqs(bodies: Sequence[Json]) -> list[int]:
    """Return the seq of each body that a receiver got."""
    return [body["data"]["seq"] for body in bodies]
