"""Turning the changes of a feed into deliveries, each change once for each webhook."""

from datetime import datetime

from documents.common.base import DuplicateError, Row
from documents.feed.changes import Change
from documents.webhooks.deliveries import Delivery
from documents.webhooks.dispatch_queries import has_due
from documents.webhooks.webhooks import Webhook
from services.feed.schemas import read_change
from services.webhooks.schemas import delivery_body

MAX_CHANGES = 200
"""How many changes are turned into deliveries at once, so that a webhook with many does not delay the others."""

MAX_DUE = 200
"""A webhook with so many due deliveries gets no more. Its other changes stay in the feed until a later scan."""


async def enqueue_changes(webhook: Row, now: datetime) -> Row | None:
    """Create the deliveries of the next changes of a webhook. Return the webhook if it may have more changes.

    The deliveries are stored before `cursor_seq`. If the process dies in between, the next one finds that they exist.
    """
    if await has_due(webhook["_id"], now, count=MAX_DUE):
        return None
    changes = await Change.find_after(webhook["user_id"], webhook["cursor_seq"], types=(), limit=MAX_CHANGES)
    if not changes:
        return None
    await _store([_delivery_of(webhook, change) for change in changes if _is_selected(webhook, change)])
    cursor_seq = changes[-1]["seq"]
    is_advanced = await Webhook.advance(webhook, cursor_seq)
    return {**webhook, "cursor_seq": cursor_seq} if is_advanced and len(changes) == MAX_CHANGES else None


def _is_selected(webhook: Row, change: Row) -> bool:
    return webhook["types"] is None or change["type"] in webhook["types"]


def _delivery_of(webhook: Row, change: Row) -> Delivery:
    body = delivery_body(change["type"], change["occurred_at"], dict(read_change(change)))
    return Delivery.new(webhook, type=change["type"], body=body, change_id=change["_id"], seq=change["seq"])


async def _store(deliveries: list[Delivery]) -> None:
    """Store the deliveries that are not stored yet."""
    if not deliveries:
        return
    try:
        await Delivery.add_all([delivery.as_row() for delivery in deliveries])
    except DuplicateError:
        for delivery in deliveries:
            try:
                await delivery.add()
            except DuplicateError:
                continue
