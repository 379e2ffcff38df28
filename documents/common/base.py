"""What all documents share: rows, ids, and the one helper through which they are changed."""

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from beanie import Document, PydanticObjectId
from bson import ObjectId
from bson.errors import InvalidId
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError

from app.database.deadlines import with_deadline
from app.errors import ConflictError
from documents.common.transactions import current_session, transaction

Row = dict[str, Any]
"""A document as the driver decodes it: field names to values, instants in naive UTC."""

Collection = AsyncIOMotorCollection[Row]

T = TypeVar("T")

_DUPLICATE_KEY = 11000
_TOO_LARGE = {10334, 17419, 17420}
_SOME = 1000


class DuplicateError(Exception):
    """A unique index refused the write."""


class DocumentFullError(ConflictError):
    """The document would be larger than the 16 MB that one may be; none but a task grows so large."""

    code = "task_full"
    detail = "The task holds as much as a task may hold: go on in a new task."


def object_id(text: str) -> ObjectId | None:
    """The id that a client sent, or None when it is none."""
    try:
        return ObjectId(text)
    except InvalidId:
        return None


class StoredDocument(Document):
    """A document that is changed by named, filtered, atomic updates alone.

    Beanie's save(), replace() and upsert() are not used: they write back every field, and so
    undo whatever another request has changed in between.
    """

    id: PydanticObjectId
    read_projection: ClassVar[Row] = {}
    """The projection of a row that is read back after a change."""

    @classmethod
    def collection(cls) -> Collection:
        """The collection itself, for reads that need no objects and for filtered updates."""
        collection: Collection = cls.get_motor_collection()
        return collection

    def as_row(self) -> Row:
        """The document as it is stored."""
        row: Row = self.model_dump(by_alias=True, exclude={"revision_id"})
        return row

    @classmethod
    async def run_in_transaction(cls, work: Callable[[], Awaitable[T | None]]) -> T | None:
        """What `work` answers, once all that it wrote is kept; None when nothing was, since another change came first.

        Whatever documents read and write while `work` runs is part of it.
        """
        client: Any = cls.collection().database.client  # motor's types take its attributes for collections
        return await transaction(client, work)

    async def add(self) -> Row:
        """Stores a new document. Raises DuplicateError when a unique index has it already."""
        row = self.as_row()
        try:
            await with_deadline(self.collection().insert_one(row, session=current_session()))
        except DuplicateKeyError as taken:
            raise DuplicateError from taken
        return row

    @classmethod
    async def add_all(cls, rows: list[Row]) -> None:
        """Stores new documents, in one trip, in a transaction. Raises DuplicateError when one of them is there."""
        try:
            await with_deadline(cls.collection().insert_many(rows, session=current_session()))
        except (DuplicateKeyError, BulkWriteError) as refused:
            if not _is_duplicate(refused):
                raise
            raise DuplicateError from refused

    @classmethod
    async def _find_one(cls, condition: Row, projection: Row | None = None, **options: Any) -> Row | None:
        """The row that meets the condition, or None."""
        return await with_deadline(
            cls.collection().find_one(condition, projection, session=current_session(), **options)
        )

    @classmethod
    async def aggregate_rows(cls, stages: list[Row], **options: Any) -> list[Row]:
        """The rows that an aggregation ends with. Its first stage names the owner."""
        found = cls.collection().aggregate(stages, session=current_session(), **options)
        return await with_deadline(found.to_list(None))

    @classmethod
    async def find_newest(cls, user_id: ObjectId, *, after: ObjectId | None, limit: int) -> list[Row]:
        """At most `limit` of the user's documents, the newest first: those that come after this one."""
        beyond: Row = {} if after is None else {"_id": {"$lt": after}}
        return await cls.aggregate_rows(
            [{"$match": {"user_id": user_id, **beyond}}, {"$sort": {"_id": -1}}, {"$limit": limit}]
        )

    @classmethod
    async def find_ids(cls, user_id: ObjectId) -> list[ObjectId]:
        """A thousand of the user's documents, or all when there are fewer."""
        some: list[Row] = [{"$match": {"user_id": user_id}}, {"$limit": _SOME}, {"$project": {"_id": 1}}]
        return [row["_id"] for row in await cls.aggregate_rows(some)]

    @classmethod
    async def delete_by_id(cls, user_id: ObjectId, document_id: ObjectId) -> None:
        """Removes one of the user's documents for good: for when all of them go."""
        await cls._delete_one({"_id": document_id, "user_id": user_id})

    @classmethod
    async def _delete_one(cls, condition: Row) -> bool:
        """Whether one document met the condition, and is gone."""
        result = await with_deadline(cls.collection().delete_one(condition, session=current_session()))
        return result.deleted_count == 1

    @classmethod
    async def _update_one(cls, condition: Row, update: Row | list[Row]) -> bool:
        """Whether the one update found its document.

        Raises DuplicateError when a unique index refuses it, and DocumentFullError when it would be too large.
        """
        try:
            result = await with_deadline(cls.collection().update_one(condition, update, session=current_session()))
        except DuplicateKeyError as taken:
            raise DuplicateError from taken
        except WriteError as refused:
            if refused.code not in _TOO_LARGE:
                raise
            raise DocumentFullError from refused
        return result.matched_count == 1

    @classmethod
    async def _update_and_read(cls, condition: Row, update: Row) -> Row | None:
        """The row after one filtered update, or None when the condition met no document.

        The read that follows takes the owner from the condition. Two short trips, not
        find_one_and_update: that one scans the collection on the embedded store.
        """
        if not await cls._update_one(condition, update):
            return None
        owned: Row = {key: condition[key] for key in ("_id", "user_id") if key in condition}
        return await cls._find_one(owned, cls.read_projection)


def _is_duplicate(refused: DuplicateKeyError | BulkWriteError) -> bool:
    wrong = (refused.details or {}).get("writeErrors", [])
    return isinstance(refused, DuplicateKeyError) or any(error["code"] == _DUPLICATE_KEY for error in wrong)
