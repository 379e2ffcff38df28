"""The base class of all documents, with its typed helpers for reads and for filtered, atomic updates."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, ClassVar, TypeVar, cast

from beanie import Document, PydanticObjectId
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.errors import InvalidId
from bson.raw_bson import RawBSONDocument
from pydantic import ConfigDict
from pymongo import DeleteOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError, WriteError

from app.clock import naive_utc, utc_now
from app.database.cancellation import keep_cancellation
from app.errors import ConflictError
from documents.common.aggregations import Aggregation
from documents.common.transactions import current_session, transaction

Row = dict[str, Any]
"""A document as the driver decodes it: a mapping of field names to values, with datetimes in naive UTC."""

Collection = AsyncCollection[Row]

T = TypeVar("T")

_UNDECODED = CodecOptions(document_class=RawBSONDocument)
_DUPLICATE_KEY = 11000
_TOO_LARGE_CODES = {10334, 17419, 17420}
_ID_BATCH_SIZE = 1000


class DuplicateError(Exception):
    """A unique index refused the write."""


class DocumentFullError(ConflictError):
    """The document would exceed the limit of 16 MB. Only tasks can grow that large."""

    code = "task_full"
    detail = "The task has reached its maximum size. Use a new task."


def object_id(text: str) -> ObjectId | None:
    """Return the ObjectId that a client sent, or None when the text is not a valid one."""
    try:
        return ObjectId(text)
    except InvalidId:
        return None


def require_object_id(text: str, error: type[Exception]) -> ObjectId:
    """Parse an id that a client sent. Raises `error` when the text is not an id."""
    parsed = object_id(text)
    if parsed is None:
        raise error
    return parsed


def by_id(query_filter: Row) -> Row:
    """Return the filter of one document in the form that finds it by its id at once.

    For each field that is compared with one value, the embedded store examines all indexes before it finds the document
    by its id, but not for `$all` with this value, which means the same (portable form: decision 10). Not so for None,
    which a missing field equals. A filter without `_id` is returned as it is.
    """
    if "_id" not in query_filter:
        return query_filter
    return {
        field: value if field == "_id" or value is None or isinstance(value, dict) else {"$all": [value]}
        for field, value in query_filter.items()
    }


def by_ids(ids: Iterable[ObjectId], condition: Row) -> list[Row]:
    """Return the first stages of a pipeline that reads the documents with these ids which meet the condition.

    MongoDB merges them. The embedded store examines all indexes for each field of a stage with several fields
    (portable form: decision 10).
    """
    return [{"$match": {"_id": {"$in": [*ids]}}}, {"$match": condition}]


class StoredDocument(Document):
    """A document that is changed by named, filtered, atomic updates only.

    Beanie's save(), replace() and upsert() are not used. They write back every field, and would undo concurrent
    changes by other requests.
    """

    model_config = ConfigDict(defer_build=True)

    id: PydanticObjectId
    read_projection: ClassVar[Row] = {}
    """The projection for reading a row back after an update."""

    @classmethod
    def collection(cls) -> Collection:
        """Return the driver's collection, for reads that need no model instances and for filtered updates."""
        return cls.get_pymongo_collection()

    def as_row(self) -> Row:
        """Return the document as it is stored."""
        row: Row = self.model_dump(by_alias=True, exclude={"revision_id"})
        return row

    @classmethod
    async def run_in_transaction(cls, work: Callable[[], Awaitable[T | None]]) -> T | None:
        """Run `work` in a transaction. Return its result, or None when the transaction was aborted by a conflict.

        All reads and writes of documents in `work` are part of the transaction.
        """
        return await transaction(cls.collection().database.client, work)

    async def find_inserted(self, user_id: ObjectId) -> Row | None:
        """Return the row of this document, or None when it was not inserted."""
        return await self._find_by_id(self.id, {"user_id": user_id})

    async def add(self) -> Row:
        """Insert the document. Raises DuplicateError when it violates a unique index."""
        row = self.as_row()
        await self._insert(row)
        return row

    @classmethod
    async def add_all(cls, rows: list[Row]) -> None:
        """Insert new documents in one command. Raises DuplicateError when one of them violates a unique index.

        Call it in a transaction, so that either all or none are inserted.
        """
        try:
            await keep_cancellation(cls.collection().insert_many(rows, session=current_session()))
        except (DuplicateKeyError, BulkWriteError) as error:
            if not _is_duplicate(error):
                raise
            raise DuplicateError from error

    @classmethod
    async def add_missing(cls, rows: list[Row]) -> None:
        """Insert new documents in one command, except those that violate a unique index."""
        try:
            await keep_cancellation(cls.collection().insert_many(rows, ordered=False, session=current_session()))
        except BulkWriteError as error:
            if any(each["code"] != _DUPLICATE_KEY for each in error.details["writeErrors"]):
                raise

    @classmethod
    async def _insert(cls, row: Row) -> None:
        """Insert a document as it is stored. Raises DuplicateError when it violates a unique index."""
        try:
            await keep_cancellation(cls.collection().insert_one(row, session=current_session()))
        except DuplicateKeyError as error:
            raise DuplicateError from error

    @classmethod
    async def _find_one(cls, query_filter: Row, projection: Row | None = None, **options: Any) -> Row | None:
        """Return the row that matches the filter, or None."""
        return await keep_cancellation(
            cls.collection().find_one(by_id(query_filter), projection, session=current_session(), **options)
        )

    @classmethod
    async def _find_by_id(cls, document_id: Any, condition: Row, projection: Row | None = None) -> Row | None:
        """Return the row with this id if it meets the condition, or None. The projection is that of a pipeline.

        An aggregation, because the embedded store examines all indexes for a find with a condition (portable form:
        decision 10). MongoDB merges the two stages.
        """
        stages = [{"$match": {"_id": document_id}}, {"$match": condition}]
        rows = await cls.aggregate_rows([*stages, *([{"$project": projection}] if projection else [])])
        return rows[0] if rows else None

    @classmethod
    async def aggregate_rows(cls, stages: list[Row], **options: Any) -> list[Row]:
        """Return the results of an aggregation pipeline. Its first $match stages must filter by owner."""
        return await Aggregation(cls.collection(), stages, **options).to_list(None)

    @classmethod
    async def aggregate_undecoded(cls, stages: list[Row], **options: Any) -> list[RawBSONDocument]:
        """Return the results of an aggregation pipeline as BSON, which takes less memory and no time to decode."""
        collection: Any = cls.collection().with_options(codec_options=_UNDECODED)
        return await Aggregation(collection, stages, **options).to_list(None)

    @classmethod
    async def find_rows(cls, query_filter: Row, projection: Row) -> list[Row]:
        """Return the documents that match the filter."""
        return await keep_cancellation(
            cls.collection().find(query_filter, projection, session=current_session()).to_list(None)
        )

    @classmethod
    async def find_undecoded(cls, query_filter: Row, projection: Row) -> list[RawBSONDocument]:
        """Return the documents that match the filter as BSON."""
        collection: Any = cls.collection().with_options(codec_options=_UNDECODED)
        cursor = collection.find(query_filter, projection, session=current_session())
        return cast("list[RawBSONDocument]", await keep_cancellation(cursor.to_list(None)))

    @classmethod
    async def find_newest(cls, user_id: ObjectId, *, after: ObjectId | None, limit: int) -> list[Row]:
        """Return at most `limit` of the user's documents, newest first, starting after the one with the id `after`."""
        older: Row = {} if after is None else {"_id": {"$lt": after}}
        return await cls.aggregate_rows(
            [{"$match": {"user_id": user_id, **older}}, {"$sort": {"_id": -1}}, {"$limit": limit}]
        )

    @classmethod
    async def find_ids(cls, user_id: ObjectId) -> list[ObjectId]:
        """Return the ids of at most 1,000 of the user's documents."""
        stages: list[Row] = [{"$match": {"user_id": user_id}}, {"$limit": _ID_BATCH_SIZE}, {"$project": {"_id": 1}}]
        return [row["_id"] for row in await cls.aggregate_rows(stages)]

    @classmethod
    async def delete_by_id(cls, user_id: ObjectId, document_id: ObjectId) -> bool:
        """Delete one of the user's documents permanently. Return whether it existed."""
        return await cls._delete_one({"_id": document_id, "user_id": user_id})

    @classmethod
    async def lock_by_id(cls, user_id: ObjectId, document_id: ObjectId) -> bool:
        """Let other updates of the document wait for the current transaction. Return whether it exists.

        A transaction that reads much before it updates the document would otherwise conflict with each of them.
        """
        return await cls._update_one(
            {"_id": document_id, "user_id": user_id}, {"$set": {"updated_at": naive_utc(utc_now())}}
        )

    @classmethod
    async def _delete_one(cls, query_filter: Row) -> bool:
        """Delete the document that matches the filter. Return whether there was one."""
        result = await keep_cancellation(cls.collection().delete_one(by_id(query_filter), session=current_session()))
        return result.deleted_count == 1

    @classmethod
    async def delete_each(cls, filters: list[Row]) -> int:
        """Delete the document that matches each of these filters, in one command. Return how many were deleted."""
        deletes = [DeleteOne(by_id(query_filter)) for query_filter in filters]
        command = cls.collection().bulk_write(deletes, ordered=False, session=current_session())
        return (await keep_cancellation(command)).deleted_count

    @classmethod
    async def _update_one(cls, query_filter: Row, update: Row | list[Row]) -> bool:
        """Update the document that matches the filter. Return whether there was one.

        Raises DuplicateError when the update violates a unique index, and DocumentFullError when the document
        would become too large.
        """
        try:
            result = await keep_cancellation(
                cls.collection().update_one(by_id(query_filter), update, session=current_session())
            )
        except DuplicateKeyError as error:
            raise DuplicateError from error
        except WriteError as error:
            if error.code not in _TOO_LARGE_CODES:
                raise
            raise DocumentFullError from error
        return result.matched_count == 1

    @classmethod
    async def _update_and_read(cls, query_filter: Row, update: Row) -> Row | None:
        """Update the document that matches the filter, then read it back. Return None when no document matches.

        Two commands instead of find_one_and_update (portable form: decision 10). The read filters by the id and
        the owner of the given filter.
        """
        if not await cls._update_one(query_filter, update):
            return None
        owner: Row = {"user_id": query_filter["user_id"]} if "user_id" in query_filter else {}
        return await cls._find_by_id(query_filter["_id"], owner, cls.read_projection)


def _is_duplicate(error: DuplicateKeyError | BulkWriteError) -> bool:
    write_errors = (error.details or {}).get("writeErrors", [])
    return isinstance(error, DuplicateKeyError) or any(each["code"] == _DUPLICATE_KEY for each in write_errors)
