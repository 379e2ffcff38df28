"""Deleted entries and discarded timers, which can be restored for 30 days."""

from datetime import datetime, timedelta
from typing import ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument
from documents.tracking.entries import TimeEntry, without_absent

RETENTION = timedelta(days=30)


class DeletedEntry(StoredDocument):
    """A deleted entry. Its id is the id of the entry. A discarded timer is stored as an entry that ended then."""

    user_id: PydanticObjectId
    task_id: PydanticObjectId
    entry: TimeEntry
    deleted_at: datetime

    class Settings:
        """The collection and its indexes: one with the expiry, one by user."""

        name = "deleted_entries"
        indexes: ClassVar = [
            IndexModel(
                [("deleted_at", ASCENDING)], name="kept_30_days", expireAfterSeconds=int(RETENTION.total_seconds())
            ),
            IndexModel([("user_id", ASCENDING), ("_id", ASCENDING)], name="by_user"),
        ]

    @classmethod
    async def store(cls, task: Row, entry: Row) -> None:
        """Store an ended entry that is removed from this task."""
        deleted = cls(
            id=entry["id"],
            user_id=task["user_id"],
            task_id=task["_id"],
            entry=TimeEntry.model_validate(entry),
            deleted_at=naive_utc(utc_now()),
        )
        await deleted.add()

    def as_row(self) -> Row:
        """Return the row to store, with the entry as it was stored in its task."""
        row = super().as_row()
        return {**row, "entry": without_absent(row["entry"])}

    @classmethod
    async def find_restorable(cls, user_id: ObjectId, entry_id: ObjectId) -> Row | None:
        """Return the deleted entry, or None when it is missing or expired.

        Expired documents are removed with a delay.
        """
        since = naive_utc(utc_now() - RETENTION)
        return await cls._find_by_id(entry_id, {"user_id": user_id, "deleted_at": {"$gt": since}})

    @classmethod
    async def remove(cls, deleted: Row) -> bool:
        """Remove the deleted entry in order to restore it. Return False when a concurrent restore was first."""
        return await cls._delete_one({"_id": deleted["_id"], "user_id": deleted["user_id"]})
