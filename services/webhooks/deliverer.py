"""Delivering what is due: one request at a time to each webhook, several webhooks at once."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial

import structlog
from bson import ObjectId

from app.clock import naive_utc
from app.security.webhook_secrets import UnreadableSecretError, WebhookSecrets
from documents.common.base import Row
from documents.webhooks.deliveries import Attempt, Delivery
from documents.webhooks.webhooks import DisabledReason, Webhook
from services.webhooks.retries import outcome_of
from services.webhooks.sender import Message, SendResult, WebhookSender
from services.webhooks.signing_secrets import signing_secrets

CLAIM_DURATION = timedelta(seconds=30)
"""A delivery whose process dies during an attempt is sent again after this time. It is longer than an attempt takes."""

BATCH = 20
"""How many due deliveries of a webhook are read at once."""

MAX_CONCURRENT = 20
"""How many requests to receivers that respond quickly are in progress at once."""

MAX_CONCURRENT_SLOW = 10
"""How many requests to slow receivers may be in progress at once, besides the others."""

SLOW_MILLISECONDS = 2_000
"""A receiver counts as slow if its last attempt failed or took longer. So slow receivers do not delay the others."""

log = structlog.get_logger()


class Deliverer:
    """Sends due deliveries, and records the attempts.

    Each webhook has at most one request in progress, and gets its due deliveries by seq. If one fails, the later ones
    are sent while it waits for its retry.
    """

    def __init__(self, sender: WebhookSender, secrets: WebhookSecrets, clock: Callable[[], datetime]) -> None:
        self._sender = sender
        self._secrets = secrets
        self._clock = clock
        self._due: dict[ObjectId, None] = {}
        """The webhooks that may have due deliveries and are not in progress, in the order of time."""
        self._tasks: dict[ObjectId, asyncio.Task[None]] = {}
        self._resting: dict[ObjectId, datetime] = {}
        self._slow: set[ObjectId] = set()
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._slow_slots = asyncio.Semaphore(MAX_CONCURRENT_SLOW)

    def start(self, webhook_ids: Iterable[ObjectId]) -> None:
        """Start to send the due deliveries of these webhooks. Those that rest or are in progress are started later."""
        now = self._clock()
        self._resting = {webhook_id: until for webhook_id, until in self._resting.items() if until > now}
        self._due.update(dict.fromkeys(webhook_ids))
        for webhook_id in list(self._due):
            if webhook_id not in self._resting and webhook_id not in self._tasks:
                del self._due[webhook_id]
                task = self._tasks[webhook_id] = asyncio.create_task(self._deliver_due(webhook_id))
                task.add_done_callback(partial(self._ended, webhook_id))

    async def finish(self) -> None:
        """Wait until everything that was started has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def stop(self, grace_seconds: float) -> None:
        """Give the requests in progress some time, then cancel them. Another process sends their deliveries again."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace_seconds)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, webhook_id: ObjectId, _task: asyncio.Task[None]) -> None:
        del self._tasks[webhook_id]

    async def _deliver_due(self, webhook_id: ObjectId) -> None:
        """Send the due deliveries of a webhook until one fails. After an error, the claim expires."""
        try:
            while deliveries := await Delivery.find_due(webhook_id, self._clock(), limit=BATCH):
                for delivery in deliveries:
                    async with self._slow_slots if webhook_id in self._slow else self._slots:
                        await self._deliver(delivery)
                    if webhook_id in self._resting:
                        self._due[webhook_id] = None
                        return
        except Exception:
            log.exception("webhook_delivery_interrupted", webhook_id=str(webhook_id))

    async def _deliver(self, delivery: Row) -> None:
        """Claim the delivery, send it if its webhook is active, and record the result."""
        now = self._clock()
        claimed = await Delivery.claim(delivery, until=now + CLAIM_DURATION)
        if claimed is None:
            return
        webhook = await Webhook.find_by_id(claimed["user_id"], claimed["webhook_id"])
        if webhook is None:
            self._slow.discard(claimed["webhook_id"])
            await Delivery.delete_by_id(claimed["user_id"], claimed["_id"])
        elif not webhook["active"]:
            await Delivery.fail(claimed)
        else:
            try:
                secrets = signing_secrets(self._secrets, webhook, now)
            except UnreadableSecretError:
                await _disable(webhook, "secret_unreadable")
                await Delivery.fail(claimed)
                return
            message = Message(str(claimed["_id"]), claimed["body"])
            result = await self._sender.send(webhook["url"], message, secrets=secrets, now=now)
            await self._record(webhook, claimed, result, started_at=now)

    async def _record(self, webhook: Row, claimed: Row, result: SendResult, *, started_at: datetime) -> None:
        """Store the attempt and its consequences.

        The webhook is deactivated first. If the process dies in between, the delivery ends as one of an inactive
        webhook.
        """
        outcome = outcome_of(result, attempt_count=claimed["attempt_count"] + 1, now=self._clock())
        is_slow = not result.is_success or result.milliseconds > SLOW_MILLISECONDS
        (self._slow.add if is_slow else self._slow.discard)(webhook["_id"])
        if outcome.rest_until is not None:
            self._resting[webhook["_id"]] = outcome.rest_until
        if outcome.disabled_reason is not None:
            await _disable(webhook, outcome.disabled_reason)
        attempt = Attempt(
            at=naive_utc(started_at),
            status_code=result.status_code,
            milliseconds=result.milliseconds,
            error=result.error,
        )
        await Delivery.record_attempt(claimed, attempt, status=outcome.status, next_attempt_at=outcome.next_attempt_at)


async def _disable(webhook: Row, reason: DisabledReason) -> None:
    if await Webhook.disable(webhook["user_id"], webhook["_id"], reason):
        log.info("webhook_deactivated", webhook_id=str(webhook["_id"]), reason=reason)
