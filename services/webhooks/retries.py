"""What follows an attempt: the end of a delivery, a retry, or the deactivation of its webhook."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from documents.webhooks.deliveries import DeliveryStatus
from documents.webhooks.webhooks import DisabledReason
from services.webhooks.sender import SendResult

RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MAX_ATTEMPTS = len(RETRY_DELAYS) + 1

MAX_JITTER = 0.1
"""A delay is longer than in the table by at most this fraction, so that retries do not come all at once."""

MIN_REST = timedelta(seconds=6)
"""How long nothing is sent to a receiver after a failure.

This is longer than the first retry takes. So after a short outage, the receiver gets the changes in their order.
"""

_OVERLOADED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of a delivery after an attempt, and the consequences for its webhook.

    `disabled_reason` is set if the webhook is to be deactivated. Nothing is sent to it until `rest_until`.
    """

    status: DeliveryStatus
    next_attempt_at: datetime | None = None
    disabled_reason: DisabledReason | None = None
    rest_until: datetime | None = None


def outcome_of(result: SendResult, *, attempt_count: int, now: datetime) -> Outcome:
    """Return the outcome of an attempt that has just ended. `attempt_count` includes it.

    A user can retry a delivery after its last attempt. If that fails too, the webhook stays as it is.
    """
    if result.is_success:
        return Outcome("delivered")
    if result.status_code == HTTPStatus.GONE:
        return Outcome("failed", disabled_reason="gone")
    rest_until = now + _rest_after(result)
    if attempt_count == MAX_ATTEMPTS:
        return Outcome("failed", disabled_reason="delivery_failed", rest_until=rest_until)
    if attempt_count > MAX_ATTEMPTS:
        return Outcome("failed", rest_until=rest_until)
    delay = RETRY_DELAYS[attempt_count - 1] * random.uniform(1, 1 + MAX_JITTER)  # noqa: S311 -- jitter, not a secret
    return Outcome("pending", now + max(delay, result.retry_after or delay), rest_until=rest_until)


def _rest_after(result: SendResult) -> timedelta:
    """Return how long the receiver needs a rest: as long as it asks for if it is overloaded."""
    if result.status_code in _OVERLOADED and result.retry_after is not None:
        return max(result.retry_after, MIN_REST)
    return MIN_REST
