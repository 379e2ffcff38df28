"""Webhooks: create, list, change, test and delete them, and read and retry their deliveries."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from bson import ObjectId

from app.clock import utc_now
from app.config import Settings
from app.database.client import DATABASE_ERRORS
from app.errors import ConflictError, NotFoundError
from app.security.webhook_secrets import WebhookSecrets, to_webhook_secret
from documents.common.base import Row, require_object_id
from documents.webhooks.deliveries import TEST_TYPE, Delivery
from documents.webhooks.webhooks import MAX_WEBHOOKS, Webhook
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_any_conflict, retry_on_conflict
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.idempotency import Attempt, RequestKey, run_once, run_once_with_secret
from services.common.pagination import newest_first_page
from services.common.values.fields import PageQuery
from services.common.values.versions import Versioned
from services.feed.sequence import newest_seq
from services.webhooks.addresses import require_deliverable
from services.webhooks.schemas import (
    DeliveryPage,
    DeliveryRead,
    WebhookCreate,
    WebhookPage,
    WebhookRead,
    WebhookUpdate,
    WebhookWithSecret,
    delivery_body,
    read_delivery,
    read_webhook,
)
from services.webhooks.signing_secrets import is_readable
from services.webhooks.urls import parse_url

PREVIOUS_SECRET_LIFETIME = timedelta(hours=24)
_DELETE_BATCH = 500

log = structlog.get_logger()


class WebhookNotFoundError(NotFoundError):
    """The webhook does not exist, or belongs to another user."""

    code = "webhook_not_found"
    detail = "The webhook does not exist."


class DeliveryNotFoundError(NotFoundError):
    """The delivery does not exist, has expired, or belongs to another webhook."""

    code = "delivery_not_found"
    detail = "The delivery does not exist."


class TooManyWebhooksError(ConflictError):
    """The user has as many webhooks as are allowed."""

    code = "too_many_webhooks"
    detail = f"There can be at most {MAX_WEBHOOKS} webhooks. Delete one first."


class WebhookInactiveError(ConflictError):
    """The webhook is not active, so that nothing is sent to it."""

    code = "webhook_inactive"
    detail = "The webhook is not active: activate it first."


class AlreadyDeliveredError(ConflictError):
    """The receiver has accepted the delivery."""

    code = "already_delivered"
    detail = "The delivery was successful and is not repeated."


class WebhookService:
    """The webhooks of the acting user."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secrets = WebhookSecrets.from_settings(settings)
        self._removals: set[asyncio.Task[None]] = set()

    async def create(self, user: ActingUser, *, new: WebhookCreate, request_key: RequestKey | None) -> Versioned:
        """Create a webhook, which gets the changes from now on. Return it with its secret, which cannot be read again.

        Raises ValidationError or TooManyWebhooksError.
        """

        async def run_attempt(attempt: Attempt) -> Versioned:
            webhook = await self._add(user, new, attempt)
            await audit_service.record(user.id, "webhook_created", id=str(webhook["_id"]), host=_host_of(new.url))
            return Versioned(read_webhook(webhook), None, created=True)

        return await run_once_with_secret(user, request_key, run_attempt, add_secret=_add_secret)

    async def _add(self, user: ActingUser, new: WebhookCreate, attempt: Attempt) -> Row:
        await require_deliverable(new.url, self._settings)
        webhook_id = attempt.new_id()
        fields: dict[str, Any] = {
            **new.model_dump(),
            "secret": self._secrets.encrypt(to_webhook_secret(attempt.secret), owner=webhook_id.binary),
            "cursor_seq": await newest_seq(user.id),
        }

        async def try_to_add() -> Row:
            stored = await Webhook.find_by_id(user.id, webhook_id)  # by an earlier attempt of the request
            if stored is not None:
                return stored
            slot = await _find_free_slot(user.id)
            return await Webhook.new(user.id, webhook_id, slot=slot, **fields).add()

        return await retry_on_any_conflict(user.id, try_to_add)

    async def list_webhooks(self, user: ActingUser, *, query: PageQuery) -> WebhookPage:
        """Return a page of the user's webhooks, newest first. Raises InvalidCursorError."""
        webhooks, next_cursor = await newest_first_page(Webhook, user.id, query, list_name="webhooks")
        return {"items": [read_webhook(webhook) for webhook in webhooks], "next_cursor": next_cursor}

    async def get(self, user: ActingUser, *, webhook_id: str) -> WebhookRead:
        """Return the webhook. Raises WebhookNotFoundError."""
        return read_webhook(await _require_webhook(user, webhook_id))

    async def update(self, user: ActingUser, *, webhook_id: str, change: WebhookUpdate) -> WebhookRead:
        """Change the sent fields. An activated webhook continues with the change after the last one that it got.

        Raises WebhookNotFoundError or ValidationError.
        """
        webhook, fields = await _require_webhook(user, webhook_id), change.model_dump(exclude_unset=True)
        if "url" in fields:
            await require_deliverable(fields["url"], self._settings)
        if fields.get("active"):
            fields["disabled_reason"] = None
        changed = await Webhook.change(user.id, webhook["_id"], fields) if fields else webhook
        return read_webhook(_require_found(changed))

    async def delete(self, user: ActingUser, *, webhook_id: str) -> None:
        """Delete the webhook, and its deliveries in the background. Raises WebhookNotFoundError."""
        parsed_id = require_object_id(webhook_id, WebhookNotFoundError)
        if not await Webhook.delete_by_id(user.id, parsed_id):
            raise WebhookNotFoundError
        await audit_service.record(user.id, "webhook_deleted", id=webhook_id)
        removal = asyncio.create_task(_remove_deliveries(user.id, parsed_id))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)

    async def rotate_secret(self, user: ActingUser, *, webhook_id: str, request_key: RequestKey | None) -> Versioned:
        """Replace the secret, and return the new one. The previous one signs as well for 24 hours.

        Raises WebhookNotFoundError.
        """

        async def run_attempt(attempt: Attempt) -> Versioned:
            webhook = await retry_on_conflict(user.id, lambda: self._try_to_rotate(user, webhook_id, attempt.secret))
            await audit_service.record(user.id, "webhook_secret_rotated", id=webhook_id)
            return Versioned(read_webhook(webhook), None)

        return await run_once_with_secret(user, request_key, run_attempt, add_secret=_add_secret)

    async def _try_to_rotate(self, user: ActingUser, webhook_id: str, new_secret: bytes) -> Row | None:
        """Return the webhook with the new secret, or None when another request has replaced the secret first."""
        webhook, secret = await _require_webhook(user, webhook_id), to_webhook_secret(new_secret)
        can_read = is_readable(self._secrets, webhook)
        owner = webhook["_id"].binary
        if can_read and self._secrets.decrypt(webhook["secret"], owner=owner) == secret:
            return webhook  # an earlier attempt of the request has replaced it
        previous_until = utc_now() + PREVIOUS_SECRET_LIFETIME if can_read else None
        encrypted = self._secrets.encrypt(secret, owner=owner)
        return await Webhook.rotate_secret(webhook, encrypted, previous_until=previous_until)

    async def send_test(self, user: ActingUser, *, webhook_id: str, request_key: RequestKey | None) -> Versioned:
        """Create a delivery of the type webhook.test, due now. Raises WebhookNotFoundError or WebhookInactiveError."""

        async def run_attempt(attempt: Attempt) -> Versioned:
            webhook = _require_active(await _require_webhook(user, webhook_id))
            body = delivery_body(TEST_TYPE, utc_now(), {"webhook_id": webhook_id})
            delivery = Delivery.new(webhook, type=TEST_TYPE, body=body, delivery_id=attempt.new_id())
            stored = await delivery.find_inserted(user.id) if attempt.is_retry else None
            return Versioned(read_delivery(stored or await delivery.add()), None)

        return await run_once(user, request_key, run_attempt)

    async def list_deliveries(self, user: ActingUser, *, webhook_id: str, query: PageQuery) -> DeliveryPage:
        """Return a page of the webhook's deliveries, newest first.

        Raises WebhookNotFoundError or InvalidCursorError.
        """
        webhook = await _require_webhook(user, webhook_id)
        scope = cursor_scope(f"deliveries of {webhook['_id']}", user.id, query)
        after = None if query.cursor is None else decode_cursor(query.cursor, scope=scope).value
        rows = await Delivery.find_page(user.id, webhook["_id"], after=after, limit=query.limit + 1)
        deliveries, next_cursor = page_of(
            rows, limit=query.limit, position=lambda row: Position(row["_id"]), scope=scope
        )
        return {"items": [read_delivery(delivery) for delivery in deliveries], "next_cursor": next_cursor}

    async def retry_delivery(self, user: ActingUser, *, webhook_id: str, delivery_id: str) -> DeliveryRead:
        """Make a pending or failed delivery due now.

        Raises WebhookNotFoundError, DeliveryNotFoundError, WebhookInactiveError or AlreadyDeliveredError.
        """
        webhook = await _require_webhook(user, webhook_id)
        parsed_id = require_object_id(delivery_id, DeliveryNotFoundError)
        if await Delivery.find_by_id(user.id, webhook["_id"], parsed_id) is None:
            raise DeliveryNotFoundError
        _require_active(webhook)
        delivery = await Delivery.retry_now(user.id, webhook["_id"], parsed_id)
        if delivery is None:
            raise AlreadyDeliveredError
        return read_delivery(delivery)


def _add_secret(webhook: WebhookRead, secret: bytes) -> WebhookWithSecret:
    return {**webhook, "secret": to_webhook_secret(secret)}


async def _find_free_slot(user_id: ObjectId) -> int:
    """Return the lowest free slot. Raises TooManyWebhooksError."""
    used = {webhook["slot"] for webhook in await Webhook.find_of_user(user_id)}
    free = [slot for slot in range(MAX_WEBHOOKS) if slot not in used]
    if not free:
        raise TooManyWebhooksError
    return free[0]


async def _require_webhook(user: ActingUser, webhook_id: str) -> Row:
    return _require_found(await Webhook.find_by_id(user.id, require_object_id(webhook_id, WebhookNotFoundError)))


def _require_found(webhook: Row | None) -> Row:
    if webhook is None:
        raise WebhookNotFoundError
    return webhook


def _require_active(webhook: Row) -> Row:
    if not webhook["active"]:
        raise WebhookInactiveError
    return webhook


def _host_of(url: str) -> str:
    """Return the host of a valid URL. The audit trail has no more of it, because the path may contain a secret."""
    return parse_url(url, allow_http=True).host


async def _remove_deliveries(user_id: ObjectId, webhook_id: ObjectId) -> None:
    """Delete the deliveries of a deleted webhook. What an interruption leaves expires after 30 days."""
    try:
        while ids := await Delivery.find_ids_of_webhook(user_id, webhook_id, limit=_DELETE_BATCH):
            for delivery_id in ids:
                await Delivery.delete_by_id(user_id, delivery_id)
    except DATABASE_ERRORS:
        log.warning("deliveries_not_removed", webhook_id=str(webhook_id), exc_info=True)
