"""Pages: the older entries of a task, which are stored outside of it.

A page is a part of a task only if the task lists its id. Any other page is the remainder of an interrupted or
superseded change, and no reader takes it into account.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument, by_ids
from documents.tracking.entries import EndedEntry, entry_order

MAX_PAGE_ENTRIES = 500

HAS_PAGED_ENTRY_TO_REVIEW: Row = {"entries.needs_review": True}
"""The filter of pages with an entry that needs review."""

REPLACED_RETENTION = timedelta(hours=1)
"""How long a replaced page remains, for readers that have read its id just before."""


class TaskPage(StoredDocument):
    """A page of ended entries of one task, in order of their start.

    `import_ids` are the imports that created entries of the page. `replaced_at` is set when the task does not list
    the page any more; such a page expires.
    """

    user_id: PydanticObjectId
    task_id: PydanticObjectId
    entries: Annotated[list[EndedEntry], Field(max_length=MAX_PAGE_ENTRIES)]
    tracked_seconds: Annotated[int, Field(ge=0)]
    entry_count: Annotated[int, Field(ge=0, le=MAX_PAGE_ENTRIES)]
    first_started_at: datetime
    last_ended_at: datetime
    import_ids: list[PydanticObjectId]
    version: Annotated[int, Field(ge=1)]
    created_at: datetime
    updated_at: datetime
    replaced_at: datetime | None = None

    capacity: ClassVar[int] = MAX_PAGE_ENTRIES
    """How many entries a page can have. Tests lower it."""

    class Settings:
        """The collection and its indexes. The last one is the expiry of replaced pages."""

        name = "task_pages"
        indexes: ClassVar = [
            IndexModel(
                [("user_id", ASCENDING), ("last_ended_at", ASCENDING), ("first_started_at", ASCENDING)],
                name="by_last_ended_at",
            ),
            IndexModel(
                [("user_id", ASCENDING), ("task_id", ASCENDING), ("first_started_at", ASCENDING)], name="by_task_id"
            ),
            IndexModel([("user_id", ASCENDING), ("entries.id", ASCENDING)], name="by_entry_id"),
            IndexModel([("user_id", ASCENDING), ("import_ids", ASCENDING)], name="by_import_id"),
            IndexModel(
                [("user_id", ASCENDING), ("_id", ASCENDING)],
                name="by_review",
                partialFilterExpression=HAS_PAGED_ENTRY_TO_REVIEW,
            ),
            IndexModel(
                [("replaced_at", ASCENDING)],
                name="replaced_expire",
                expireAfterSeconds=int(REPLACED_RETENTION.total_seconds()),
            ),
        ]

    @classmethod
    def new_row(cls, user_id: ObjectId, task_id: ObjectId, entries: list[Row]) -> Row:
        """Return a new page, as it is stored, with these entries in any order."""
        now = naive_utc(utc_now())
        return {
            "_id": ObjectId(),
            "user_id": user_id,
            "task_id": task_id,
            **page_contents(entries),
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }

    @classmethod
    async def find_by_page_id(cls, user_id: ObjectId, page_id: ObjectId) -> Row | None:
        """Return the page with all its entries, whether a task lists it or not."""
        return await cls._find_by_id(page_id, {"user_id": user_id})

    @classmethod
    async def find_by_page_ids(cls, user_id: ObjectId, page_ids: list[ObjectId]) -> list[Row]:
        """Return the pages with these ids and all their entries, whether a task lists them or not."""
        return await cls.aggregate_rows(by_ids(page_ids, {"user_id": user_id}))

    @classmethod
    async def find_with_entry(cls, user_id: ObjectId, entry_id: ObjectId) -> list[Row]:
        """Return the pages that contain this entry, listed or not, each with its task_id and only that entry."""
        condition = {"user_id": user_id, "entries.id": entry_id}
        one_entry = {"$filter": {"input": "$entries", "cond": {"$eq": ["$$this.id", entry_id]}}}
        return await cls.aggregate_rows([{"$match": condition}, {"$project": {"task_id": 1, "entries": one_entry}}])

    @classmethod
    async def find_last_ended(cls, user_id: ObjectId, task_id: ObjectId, ended_at: datetime) -> list[Row]:
        """Return the pages of a task, listed or not, whose last end is this, each with one entry that ends then."""
        condition = {"user_id": user_id, "last_ended_at": ended_at}
        last = {"$slice": [{"$filter": {"input": "$entries", "cond": {"$eq": ["$$this.ended_at", ended_at]}}}, 1]}
        return await cls.aggregate_rows(
            [{"$match": condition}, {"$match": {"task_id": task_id}}, {"$project": {"entries": last}}]
        )

    @classmethod
    async def find_first_start(cls, task: Row, page_ids: list[ObjectId], starts: list[datetime]) -> datetime | None:
        """Return the first start in these pages of a task, or the first of `starts` if none is earlier."""
        first = min(starts, default=None)
        bound = {} if first is None else {"first_started_at": {"$lt": first}}
        rows = await cls.aggregate_rows(
            [
                {"$match": {"user_id": task["user_id"], "task_id": task["_id"], **bound}},
                {"$match": {"_id": {"$in": page_ids}}},
                {"$project": {"first_started_at": 1}},
            ]
        )
        return min((page["first_started_at"] for page in rows), default=first)

    @classmethod
    async def find_last_end(cls, task: Row, page_ids: list[ObjectId], ends: list[datetime]) -> datetime | None:
        """Return the last end in these pages of a task, or the last of `ends` if none is later."""
        last = max(ends, default=None)
        bound = {} if last is None else {"last_ended_at": {"$gt": last}}
        rows = await cls.aggregate_rows(
            [
                {"$match": {"user_id": task["user_id"], **bound}},
                {"$match": {"task_id": task["_id"], "_id": {"$in": page_ids}}},
                {"$project": {"last_ended_at": 1}},
            ]
        )
        return max((page["last_ended_at"] for page in rows), default=last)

    @classmethod
    async def set_entries(cls, page: Row, entries: list[Row]) -> bool:
        """Replace the entries of the page. Return False when its version differs."""
        return await cls.update_at_version(page, page_contents(entries))

    @classmethod
    async def update_at_version(cls, page: Row, fields: Row) -> bool:
        """Set these fields, which depend on the entries. Return False when the version differs."""
        changes = {**fields, "updated_at": naive_utc(utc_now())}
        return await cls._update_one(_version_filter(page), {"$set": changes, "$inc": {"version": 1}})

    @classmethod
    async def mark_replaced(cls, page: Row) -> bool:
        """Let a page expire that no task lists any more. Return False when its version differs."""
        return await cls._update_one(_version_filter(page), {"$set": {"replaced_at": naive_utc(utc_now())}})


def page_contents(entries: Iterable[Row]) -> Row:
    """Return the fields of a page that depend on its entries."""
    in_order = sorted(entries, key=entry_order)
    return {
        "entries": in_order,
        "tracked_seconds": sum(entry["duration_seconds"] for entry in in_order),
        "entry_count": len(in_order),
        "first_started_at": in_order[0]["started_at"],
        "last_ended_at": max(entry["ended_at"] for entry in in_order),
        "import_ids": sorted({entry["import_id"] for entry in in_order if "import_id" in entry}),
    }


def _version_filter(page: Row) -> Row:
    return {field: page[field] for field in ("_id", "user_id", "version")}
