"""The dispatcher of webhooks: a background task in each worker. The one with the lease dispatches."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Self

import structlog
from bson import ObjectId

from app.clock import aware_utc, utc_now
from app.config import Settings
from app.security.webhook_secrets import WebhookSecrets
from documents.common.base import Row
from documents.common.leases import WEBHOOK_DELIVERIES, Lease
from documents.feed.changes import Change
from documents.feed.feed_states import MAX_UNRECORDED_BATCHES
from documents.webhooks.deliveries import NEVER
from documents.webhooks.dispatch_queries import Work, find_webhooks_behind, find_work, has_webhooks
from documents.webhooks.webhooks import Webhook
from services.common.outages import Outages
from services.webhooks.addresses import AddressPolicy, Resolve, look_up
from services.webhooks.deliverer import Deliverer
from services.webhooks.enqueuer import enqueue_changes
from services.webhooks.sender import WebhookSender

LEASE_DURATION = timedelta(seconds=3.5)
RENEW_SECONDS = 1.5
"""The age at which the lease is renewed. A dead worker is replaced within LEASE_DURATION and WAIT_SECONDS: 5 s."""

WAIT_SECONDS = 1.5
"""How often a worker without the lease checks whether there are webhooks and the lease is free."""

CYCLE_SECONDS = 1.0
"""How often the worker with the lease looks for new changes and due deliveries."""

SCAN_SECONDS = 15.0
"""How often it looks for everything, among it what a dead worker has left, and changes of webhooks that were activated.

The cycles in between look for what is new.
"""

OVERLAP = timedelta(seconds=10)
"""Cycles look back so far, because the clocks of other workers may be slow."""

GRACE_SECONDS = 2.0
"""How long the service waits at its end for requests in progress."""

RELEASE_TIMEOUT_SECONDS = 1.0

log = structlog.get_logger()


class WebhookDispatcher:
    """Turns changes into deliveries, and sends the deliveries that are due by the clock."""

    def __init__(
        self, sender: WebhookSender, secrets: WebhookSecrets, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._clock = clock
        self._deliverer = Deliverer(sender, secrets, clock)
        self._position = 0
        self._since = aware_utc(NEVER)
        self._behind: dict[ObjectId, Row] = {}
        """The webhooks that may have more changes than were turned into deliveries at once."""

    @classmethod
    def from_settings(
        cls, settings: Settings, *, resolve: Resolve = look_up, clock: Callable[[], datetime] = utc_now
    ) -> Self:
        """Return the dispatcher of a service."""
        sender = WebhookSender(AddressPolicy.from_settings(settings, resolve))
        return cls(sender, WebhookSecrets.from_settings(settings), clock=clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Dispatch until the block ends, while this process has the lease."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.stop(GRACE_SECONDS)

    async def _run(self) -> None:
        outages = Outages("webhooks_not_dispatched")
        while True:
            with outages.logged():
                lease = await Lease.acquire(WEBHOOK_DELIVERIES, LEASE_DURATION) if await has_webhooks() else None
                if lease is not None:
                    await self._dispatch_while_leased(lease)
            await asyncio.sleep(WAIT_SECONDS)

    async def _dispatch_while_leased(self, lease: Row) -> None:
        """Run cycles until the lease is lost or there are no webhooks, and release the lease at the end."""
        renewed_at = scanned_at = monotonic()
        try:
            await self.scan()
            while True:
                if monotonic() - renewed_at >= RENEW_SECONDS:
                    if not await Lease.renew(lease, LEASE_DURATION):
                        return
                    renewed_at = monotonic()
                if monotonic() - scanned_at >= SCAN_SECONDS:
                    if not await has_webhooks():
                        return
                    await self.scan()
                    scanned_at = monotonic()
                await self.run_cycle()
                await asyncio.sleep(0 if self._behind else CYCLE_SECONDS)
        finally:
            with suppress(Exception):  # the lease expires by itself
                async with asyncio.timeout(RELEASE_TIMEOUT_SECONDS):
                    await Lease.release(lease)

    async def scan(self) -> None:
        """Find all webhooks with changes that were not turned into deliveries, or with due deliveries."""
        now = self._clock()
        work = await find_work(aware_utc(NEVER), now)
        self._deliverer.start(work.due)
        self._position = work.announced - MAX_UNRECORDED_BATCHES - 1  # find_webhooks_behind() may not see these
        self._since = now - OVERLAP
        self._behind = {webhook["_id"]: webhook for webhook in await find_webhooks_behind()}

    async def run_cycle(self) -> None:
        """Turn new changes into deliveries, and start to send what is due."""
        now = self._clock()
        work = await find_work(self._since, now)
        self._since = now - OVERLAP
        await self._find_new_changes(work)
        behind, self._behind = self._behind, {}
        for webhook in behind.values():
            await self._enqueue(webhook, now)
        self._deliverer.start(dict.fromkeys([*work.due, *behind]))

    async def finish(self) -> None:
        """Wait until the requests in progress have ended."""
        await self._deliverer.finish()

    async def stop(self, grace_seconds: float) -> None:
        """Wait some time for the requests in progress, and cancel the rest."""
        await self._deliverer.stop(grace_seconds)

    async def _enqueue(self, webhook: Row, now: datetime) -> None:
        try:
            advanced = await enqueue_changes(webhook, now)
        except Exception:  # the other webhooks may succeed, and the next scan finds this one again
            log.exception("webhook_changes_not_enqueued", webhook_id=str(webhook["_id"]))
            return
        if advanced is not None:
            self._behind[webhook["_id"]] = advanced

    async def _find_new_changes(self, work: Work) -> None:
        """Add the webhooks of the users with changes since the last cycle."""
        if work.announced <= self._position:
            return
        user_ids = await Change.find_users_from_position(self._position + 1)
        for webhook in await Webhook.find_active_of(user_ids):
            self._behind[webhook["_id"]] = webhook
        self._position = work.announced
