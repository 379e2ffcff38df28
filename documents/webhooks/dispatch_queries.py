"""The queries with which the dispatcher of webhooks finds its work. Each is one command."""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from app.clock import naive_utc
from documents.common.base import Row
from documents.common.leases import CHANGE_RELAY, Lease
from documents.webhooks.deliveries import NEVER, Delivery
from documents.webhooks.webhooks import Webhook

_FEED_STATES = "feed_states"


@dataclass(frozen=True, slots=True)
class Work:
    """The webhooks of all users that have due deliveries, the longest due one first.

    `announced` is the position of the last batch of changes that the relay has completed.
    """

    due: list[ObjectId]
    announced: int


async def find_work(since: datetime, until: datetime) -> Work:
    """Return the webhooks with unclaimed deliveries that became due in this time.

    A time range, because a receiver that does not respond can have many due deliveries.
    """
    relay: list[Row] = [{"$match": {"_id": CHANGE_RELAY}}, {"$project": {"announced": 1}}]
    rows = await Delivery.aggregate_rows(
        [
            {"$match": {"next_attempt_at": {"$gt": naive_utc(since), "$lte": naive_utc(until)}}},
            {"$match": {"claimed_until": {"$lte": naive_utc(until)}}},
            {"$group": {"_id": "$webhook_id", "due_at": {"$min": "$next_attempt_at"}}},
            {"$sort": {"due_at": 1}},
            {"$unionWith": {"coll": Lease.Settings.name, "pipeline": relay}},
        ]
    )
    announced = next((row["announced"] for row in rows if row["_id"] == CHANGE_RELAY), 0)
    return Work([row["_id"] for row in rows if row["_id"] != CHANGE_RELAY], announced)


async def find_webhooks_behind() -> list[Row]:
    """Return the active webhooks of all users with changes after `cursor_seq`."""
    lookup = {"from": _FEED_STATES, "localField": "user_id", "foreignField": "user_id", "as": "states"}
    rows = await Webhook.aggregate_rows([{"$match": {"active": True}}, {"$lookup": lookup}])
    return [row for row in rows if any(state["last_seq"] > row["cursor_seq"] for state in row.pop("states"))]


async def has_webhooks() -> bool:
    """Return whether any user has a webhook."""
    return bool(await Webhook.aggregate_rows([{"$limit": 1}, {"$project": {"_id": 1}}]))


async def has_due(webhook_id: ObjectId, now: datetime, *, count: int) -> bool:
    """Return whether the webhook has so many due deliveries."""
    due = {"webhook_id": webhook_id, "next_attempt_at": {"$gt": NEVER, "$lte": naive_utc(now)}}
    rows = await Delivery.aggregate_rows([{"$match": due}, {"$limit": count}, {"$project": {"_id": 1}}])
    return len(rows) == count
