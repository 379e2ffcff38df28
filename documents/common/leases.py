"""Leases: background work that one process of all does at a time."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import Field
from pymongo import IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import DuplicateError, Row, StoredDocument

CHANGE_RELAY = "change_relay"
"""The lease of the process that copies changes to the feed."""

WEBHOOK_DELIVERIES = "webhook_deliveries"
"""The lease of the process that sends webhooks."""


class Lease(StoredDocument):
    """A lease. Its id is the name of the work.

    `holder` is a random token of the process that has the lease, until `expires_at`. `position` counts the batches of
    work that the holders have begun, `announced` is the position of the last one that was completed.
    """

    id: str  # type: ignore[assignment]
    holder: str
    expires_at: datetime
    position: Annotated[int, Field(ge=0)]
    announced: Annotated[int, Field(ge=0)]

    class Settings:
        """The collection. It has a few documents, so it needs no index."""

        name = "leases"
        indexes: ClassVar[list[IndexModel]] = []

    @classmethod
    async def acquire(cls, name: str, duration: timedelta) -> Row | None:
        """Acquire the lease if no process has it. Return it, or None. While another process has it: one command."""
        now = naive_utc(utc_now())
        fields: Row = {"holder": secrets.token_hex(16), "expires_at": now + duration}
        current = await cls.find_by_name(name)
        if current is None:
            try:
                return await cls(id=name, **fields, position=0, announced=0).add()
            except DuplicateError:
                return None
        unchanged = {field: current[field] for field in ("_id", "holder", "expires_at")}
        if current["expires_at"] > now or not await cls._update_one(unchanged, {"$set": fields}):
            return None
        return {**current, **fields}

    @classmethod
    async def find_by_name(cls, name: str) -> Row | None:
        """Return the lease, which may have expired, or None when no process has had it yet."""
        return await cls._find_one({"_id": name})

    @classmethod
    async def renew(cls, lease: Row, duration: timedelta) -> bool:
        """Extend the lease. Return False when it is lost."""
        return await cls._update_one(_held(lease), {"$set": {"expires_at": naive_utc(utc_now()) + duration}})

    @classmethod
    async def begin_batch(cls, lease: Row, duration: timedelta) -> int | None:
        """Extend the lease and return the position of the next batch, or None when the lease is lost."""
        position: int = lease["position"] + 1
        update: Row = {"$set": {"expires_at": naive_utc(utc_now()) + duration, "position": position}}
        if not await cls._update_one(_held(lease), update):
            return None
        lease["position"] = position
        return position

    @classmethod
    async def set_position(cls, lease: Row, position: int) -> None:
        """Count on from this position. It is that of the last complete batch."""
        if await cls._update_one(_held(lease), {"$set": {"position": position, "announced": position}}):
            lease["position"] = position

    @classmethod
    async def announce(cls, lease: Row, duration: timedelta) -> bool:
        """Announce that the last batch is complete, begin the next one, and extend the lease, in one command.

        Returns False when the lease is lost.
        """
        announced: int = lease["position"]
        fields = {"announced": announced, "position": announced + 1, "expires_at": naive_utc(utc_now()) + duration}
        if not await cls._update_one(_held(lease), {"$set": fields}):
            return False
        lease.update(fields)
        return True

    @classmethod
    async def release(cls, lease: Row) -> None:
        """Release the lease, so that another process can acquire it at once."""
        await cls._update_one(_held(lease), {"$set": {"expires_at": naive_utc(utc_now())}})


def _held(lease: Row) -> Row:
    return {field: lease[field] for field in ("_id", "holder")}
