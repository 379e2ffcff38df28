"""Entries that were deleted and timers that were discarded, kept for a while so that they can come back."""

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
    """An entry that is in no task any more. Its id is the entry's; a discarded timer ended as it was discarded."""

    user_id: PydanticObjectId
    task_id: PydanticObjectId
    entry: TimeEntry
    deleted_at: datetime

    class Settings:
        """The collection and its indexes: one that ends it, one for a shard key."""

        name = "deleted_entries"
        indexes: ClassVar = [
            IndexModel(
                [("deleted_at", ASCENDING)], name="kept_30_days", expireAfterSeconds=int(RETENTION.total_seconds())
            ),
            IndexModel([("user_id", ASCENDING), ("_id", ASCENDING)], name="by_user"),
        ]

    @classmethod
    async def store(cls, task: Row, entry: Row) -> None:
        """Keeps an ended entry that is taken out of this task."""
        kept = cls(
            id=entry["id"],
            user_id=task["user_id"],
            task_id=task["_id"],
            entry=TimeEntry.model_validate(entry),
            deleted_at=naive_utc(utc_now()),
        )
        await kept.add()

    def as_row(self) -> Row:
        """The document as it is stored, its entry as it stood in its task."""
        row = super().as_row()
        return {**row, "entry": without_absent(row["entry"])}

    @classmethod
    async def find_restorable(cls, user_id: ObjectId, entry_id: ObjectId) -> Row | None:
        """The deleted entry; None when its time is over, though the database may not have removed it yet."""
        since = naive_utc(utc_now() - RETENTION)
        return await cls._find_one({"_id": entry_id, "user_id": user_id, "deleted_at": {"$gt": since}})

    @classmethod
    async def remove(cls, deleted: Row) -> bool:
        """Whether it was still there to be taken back: one restore alone has it."""
        return await cls._delete_one({"_id": deleted["_id"], "user_id": deleted["user_id"]})
