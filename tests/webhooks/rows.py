"""Stored webhooks and deliveries for tests that need no requests."""

from typing import Any

from bson import ObjectId

from documents.webhooks.deliveries import Delivery
from documents.webhooks.webhooks import Webhook
from tests.support.http import Json


def webhook_row(user_id: ObjectId, **fields: Any) -> Json:
    """Return a new webhook of the user for all types of changes, not stored yet."""
    webhook = Webhook.new(
        user_id,
        ObjectId(),
        slot=0,
        url="https://receiver.example/hook",
        types=None,
        description=None,
        secret=b"encrypted",
        cursor_seq=0,
    )
    return {**webhook.as_row(), **fields}


def delivery_row(webhook: Json, **fields: Any) -> Json:
    """Return a new delivery of a task.created change, due now, not stored yet."""
    delivery = Delivery.new(webhook, type="task.created", body="{}", change_id=ObjectId(), seq=1)
    return {**delivery.as_row(), **fields}
