"""Deliveries: the changes that are sent to a webhook, with the result of each attempt."""

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel
from typing_extensions import TypeAliasType

from app.clock import EPOCH, naive_utc, utc_now
from documents.common.base import Row, StoredDocument
from documents.common.ordered_ids import new_ordered_id

RETENTION = timedelta(days=30)
MAX_ATTEMPTS_STORED = 20
"""How many of the newest attempts of a delivery are stored. Only retries by the user can exceed it."""

TEST_TYPE = "webhook.test"
"""The type of a test delivery, which belongs to no change."""

DeliveryStatus = TypeAliasType("DeliveryStatus", Literal["pending", "delivered", "failed"])

_WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=100))
"""The time ranges in which a page is looked for. The last one includes everything that has not expired."""

NEVER = EPOCH
"""Earlier than any attempt. A filter with it uses the index of pending deliveries (portable form: decision 10)."""

PENDING: Row = {"next_attempt_at": {"$gt": NEVER}}
"""The filter for deliveries with a next attempt: exactly those with the status pending (portable form: decision 10)."""

Count = Annotated[int, Field(ge=0)]


class Attempt(BaseModel):
    """One HTTP request to the receiver. `status_code` is null when there was no response.

    `error` says why there was none, or why a response is not accepted. A response with another status has no error.
    """

    at: datetime
    status_code: int | None
    milliseconds: Count
    error: str | None


class Delivery(StoredDocument):
    """A change, or a test, that is sent to one webhook until the receiver answers with a 2xx status.

    `body` is the JSON text that every attempt sends. `seq` is the change's; a test has neither a seq nor a change.
    `next_attempt_at` is null when the delivery has ended. `claimed_until` is the end of the time for which a process
    has claimed the delivery, in the past if none has. `attempt_count` counts the attempts, `attempts` holds the newest.
    """

    user_id: PydanticObjectId
    webhook_id: PydanticObjectId
    change_id: PydanticObjectId | None
    seq: Annotated[int, Field(ge=1)] | None
    type: str
    body: str
    status: DeliveryStatus
    attempts: Annotated[list[Attempt], Field(max_length=MAX_ATTEMPTS_STORED)]
    attempt_count: Count
    next_attempt_at: datetime | None
    claimed_until: datetime
    created_at: datetime

    class Settings:
        """The collection and its indexes: one delivery per change, the list of a webhook, pending ones, expiry."""

        name = "webhook_deliveries"
        indexes: ClassVar = [
            IndexModel(
                [("webhook_id", ASCENDING), ("change_id", ASCENDING)],
                name="one_delivery_per_change",
                unique=True,
                partialFilterExpression={"change_id": {"$type": "objectId"}},
            ),
            IndexModel([("user_id", ASCENDING), ("webhook_id", ASCENDING), ("_id", DESCENDING)], name="by_webhook_id"),
            IndexModel([("next_attempt_at", ASCENDING)], name="by_next_attempt_at", partialFilterExpression=PENDING),
            IndexModel(
                [("webhook_id", ASCENDING), ("next_attempt_at", ASCENDING)],
                name="pending_by_webhook_id",
                partialFilterExpression=PENDING,
            ),
            IndexModel(
                [("created_at", ASCENDING)], name="kept_30_days", expireAfterSeconds=int(RETENTION.total_seconds())
            ),
        ]

    @classmethod
    def new(
        cls,
        webhook: Row,
        *,
        type: str,  # noqa: A002 -- the name of the field
        body: str,
        change_id: ObjectId | None = None,
        seq: int | None = None,
        delivery_id: ObjectId | None = None,
    ) -> Self:
        """Return a new delivery that is due now, not stored yet."""
        now = naive_utc(utc_now())
        return cls(
            id=new_ordered_id() if delivery_id is None else PydanticObjectId(delivery_id),
            user_id=webhook["user_id"],
            webhook_id=webhook["_id"],
            change_id=None if change_id is None else PydanticObjectId(change_id),
            seq=seq,
            type=type,
            body=body,
            status="pending",
            attempts=[],
            attempt_count=0,
            next_attempt_at=now,
            claimed_until=NEVER,
            created_at=now,
        )

    @classmethod
    async def find_page(
        cls, user_id: ObjectId, webhook_id: ObjectId, *, after: ObjectId | None, limit: int
    ) -> list[Row]:
        """Return at most `limit` deliveries of a webhook, newest first, starting after the one with the id `after`.

        The rows have no body. It reads the newest hour first, then a day, then all (portable form: decision 10).
        """
        newest = utc_now() if after is None else after.generation_time
        ids: Row = {} if after is None else {"$lt": after}
        rows: list[Row] = []
        for window in _WINDOWS:
            oldest = ObjectId.from_datetime(newest - window)
            rows = await cls.aggregate_rows(
                [
                    {"$match": {"user_id": user_id, "webhook_id": webhook_id, "_id": {**ids, "$gt": oldest}}},
                    {"$project": {"body": 0}},
                    {"$sort": {"_id": -1}},
                    {"$limit": limit},
                ]
            )
            if len(rows) == limit:
                break
        return rows

    @classmethod
    async def find_by_id(cls, user_id: ObjectId, webhook_id: ObjectId, delivery_id: ObjectId) -> Row | None:
        """Return a delivery of the user's webhook."""
        return await cls._find_by_id(delivery_id, {"user_id": user_id, "webhook_id": webhook_id})

    @classmethod
    async def find_due(cls, webhook_id: ObjectId, now: datetime, *, limit: int) -> list[Row]:
        """Return at most `limit` due deliveries of a webhook that no process has claimed: tests first, then by seq."""
        stages: list[Row] = [
            {"$match": {"webhook_id": webhook_id, "next_attempt_at": {"$gt": NEVER, "$lte": naive_utc(now)}}},
            {"$match": {"claimed_until": {"$lte": naive_utc(now)}}},
            {"$sort": {"seq": 1, "_id": 1}},
            {"$limit": limit},
        ]
        return await cls.aggregate_rows(stages)

    @classmethod
    async def claim(cls, delivery: Row, *, until: datetime) -> Row | None:
        """Claim a due delivery and return it, or None when it was claimed, changed or deleted since it was read."""
        unclaimed = {
            field: delivery[field] for field in ("_id", "user_id", "status", "next_attempt_at", "claimed_until")
        }
        if not await cls._update_one(unclaimed, {"$set": {"claimed_until": naive_utc(until)}}):
            return None
        return {**delivery, "claimed_until": naive_utc(until)}

    @classmethod
    async def record_attempt(
        cls, claimed: Row, attempt: Attempt, *, status: DeliveryStatus, next_attempt_at: datetime | None
    ) -> bool:
        """Add the attempt and release the claim. Return False when the claim was lost.

        `next_attempt_at` is set exactly if the status is pending.
        """
        return await cls._update_one(
            _claim_filter(claimed),
            {
                "$push": {"attempts": {"$each": [attempt.model_dump()], "$slice": -MAX_ATTEMPTS_STORED}},
                "$inc": {"attempt_count": 1},
                "$set": _outcome(status, next_attempt_at),
            },
        )

    @classmethod
    async def fail(cls, claimed: Row) -> bool:
        """End the delivery as failed without an attempt, because its webhook is not active or does not exist."""
        return await cls._update_one(_claim_filter(claimed), {"$set": _outcome("failed", None)})

    @classmethod
    async def retry_now(cls, user_id: ObjectId, webhook_id: ObjectId, delivery_id: ObjectId) -> Row | None:
        """Make a pending or failed delivery due now and return it. Return None if it does not exist or is delivered."""
        undelivered = {
            "_id": delivery_id,
            "user_id": user_id,
            "webhook_id": webhook_id,
            "status": {"$in": ["pending", "failed"]},
        }
        return await cls._update_and_read(
            undelivered, {"$set": {"status": "pending", "next_attempt_at": naive_utc(utc_now())}}
        )

    @classmethod
    async def find_ids_of_webhook(cls, user_id: ObjectId, webhook_id: ObjectId, *, limit: int) -> list[ObjectId]:
        """Return the ids of at most `limit` deliveries of a webhook."""
        stages: list[Row] = [
            {"$match": {"user_id": user_id, "webhook_id": webhook_id}},
            {"$limit": limit},
            {"$project": {"_id": 1}},
        ]
        return [row["_id"] for row in await cls.aggregate_rows(stages)]


def _claim_filter(claimed: Row) -> Row:
    """Return the filter that matches the delivery as long as no other process has claimed it since."""
    return {field: claimed[field] for field in ("_id", "user_id", "claimed_until")}


def _outcome(status: DeliveryStatus, next_attempt_at: datetime | None) -> dict[str, Any]:
    return {
        "status": status,
        "next_attempt_at": None if next_attempt_at is None else naive_utc(next_attempt_at),
        "claimed_until": NEVER,
    }
