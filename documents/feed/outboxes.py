"""Queries across the outboxes of all collections, for the relay."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import CodecOptions, ObjectId
from bson.codec_options import DatetimeConversion
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from app.database.cancellation import keep_cancellation
from documents.common.aggregations import Aggregation
from documents.common.base import Row, by_id
from documents.common.outbox import HAS_OUTBOX, OutboxDocument

OutboxDocuments = Sequence[type[OutboxDocument]]

_VALIDATION_FAILED = 121

_LENIENT: CodecOptions[Row] = CodecOptions(
    document_class=dict,
    datetime_conversion=DatetimeConversion.DATETIME_CLAMP,
    unicode_decode_error_handler="replace",
)
"""Decodes documents that others have stored with values that Python cannot represent: the relay must not fail."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """The outbox of a document.

    `items` are its first items, or None if the outbox is not an array. `size` is the number of all its items.
    """

    document: type[OutboxDocument]
    document_id: Any
    user_id: Any
    since: datetime
    items: list[Row] | None
    size: int


async def has_outbox_items(documents: OutboxDocuments, *, skipped: Collection[Any] = ()) -> bool:
    """Return whether any outbox has items. It is one command for each collection (portable form: decision 10)."""
    stages: list[Row] = [*_matching(skipped), {"$limit": 1}, {"$project": {"_id": 1}}]
    for document in documents:
        if await document.aggregate_rows(stages):
            return True
    return False


async def read_outboxes(
    documents: OutboxDocuments, *, limit: int, max_items: int, skipped: Collection[Any] = ()
) -> list[Outbox]:
    """Return the first `max_items` items of at most `limit` outboxes, those with the oldest items first.

    All are read from one snapshot. It therefore contains whatever was committed before any of its items: a project
    is in it if the first task of the project is.
    """

    async def read() -> list[Outbox]:
        outboxes: list[Outbox] = []
        for document in documents:
            collection = document.collection().with_options(codec_options=_LENIENT)
            stages = _read_stages(document, limit, max_items, skipped)
            outboxes += [_outbox(document, row) for row in await Aggregation(collection, stages).to_list(None)]
        return sorted(outboxes, key=lambda outbox: outbox.since)[:limit]

    # One command for each collection (portable form: decision 10). The transaction makes them one snapshot.
    return await documents[0].run_in_transaction(read) or []


def _read_stages(document: type[OutboxDocument], limit: int, max_items: int, skipped: Collection[Any]) -> list[Row]:
    is_array = {"$isArray": "$outbox"}
    fields = {
        "user_id": f"${document.owner_field}",
        "since": "$outbox_since",
        "items": {"$cond": [is_array, {"$slice": ["$outbox", max_items]}, {"$ifNull": ["$outbox", []]}]},
        "size": {"$cond": [is_array, {"$size": "$outbox"}, 0]},
    }
    return [*_matching(skipped), {"$sort": {"outbox_since": 1}}, {"$limit": limit}, {"$project": fields}]


def _matching(skipped: Collection[Any]) -> list[Row]:
    return [{"$match": HAS_OUTBOX}, *([{"$match": {"_id": {"$nin": [*skipped]}}}] if skipped else [])]


def _outbox(document: type[OutboxDocument], row: Row) -> Outbox:
    items = row["items"] if isinstance(row["items"], list) else None
    return Outbox(document, row["_id"], row.get("user_id"), row["since"], items, row["size"])


@dataclass(frozen=True, slots=True)
class CopiedItems:
    """The first items of an outbox, which are stored as changes."""

    outbox: Outbox
    ids: list[ObjectId]

    def update_if_unchanged(self) -> UpdateOne:
        """Return the update that empties the outbox if it has these items and no others.

        Items are only added at the end, and only removed after they were copied. So the number of the items and the
        id of the last one identify the content.
        """
        content: Row = {"outbox": {"$size": len(self.ids)}, f"outbox.{len(self.ids) - 1}.id": self.ids[-1]}
        return UpdateOne(by_id({**self._identity(), **content}), {"$unset": {"outbox": "", "outbox_since": ""}})

    def update(self) -> UpdateOne:
        """Return the update that removes these items and no others."""
        others = {"$filter": {"input": {"$ifNull": ["$outbox", []]}, "cond": {"$not": [_is_in(self.ids)]}}}
        is_empty = {"$eq": [{"$size": "$outbox"}, 0]}
        first = {"$let": {"vars": {"first": {"$arrayElemAt": ["$outbox", 0]}}, "in": "$$first.occurred_at"}}
        stages: list[Row] = [
            {"$set": {"outbox": others}},
            {
                "$set": {
                    "outbox": {"$cond": [is_empty, "$$REMOVE", "$outbox"]},
                    "outbox_since": {"$cond": [is_empty, "$$REMOVE", first]},
                }
            },
        ]
        return UpdateOne(by_id({**self._identity(), **HAS_OUTBOX}), stages)

    def _identity(self) -> Row:
        return {"_id": self.outbox.document_id, self.outbox.document.owner_field: self.outbox.user_id}


def _is_in(ids: list[ObjectId]) -> Row:
    return {"$in": ["$$this.id", ids]}


async def remove_items(copied: Sequence[CopiedItems], *, commands: int) -> list[Outbox]:
    """Remove copied items from their outboxes. Items that were added since remain.

    At most this number of commands is sent to each collection, at the same time. Returns the outboxes of documents that
    the validators of the database refuse to change.
    """
    parts: list[list[CopiedItems]] = []
    for document in {each.outbox.document for each in copied}:
        of_document = [each for each in copied if each.outbox.document is document]
        parts += [of_document[first::commands] for first in range(commands)]
    results = await asyncio.gather(*(_remove(part) for part in parts if part), return_exceptions=True)
    refused = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        refused += result
    return refused


async def _remove(copied: Sequence[CopiedItems]) -> list[Outbox]:
    """Remove the items from outboxes of one collection. Those that were read as a whole get the cheap update first."""
    whole: list[CopiedItems] = []
    partial: list[CopiedItems] = []
    for each in copied:
        (whole if 0 < each.outbox.size == len(each.ids) else partial).append(each)
    emptied, refused = await _update(whole, [each.update_if_unchanged() for each in whole])
    others = copied if emptied < len(whole) else partial
    _, refused_others = await _update(others, [each.update() for each in others])
    return [*refused, *refused_others]


async def _update(copied: Sequence[CopiedItems], updates: list[UpdateOne]) -> tuple[int, list[Outbox]]:
    """Return the number of documents that match the updates, and the outboxes of those that are refused."""
    if not updates:
        return 0, []
    try:
        collection = copied[0].outbox.document.collection()
        result = await keep_cancellation(collection.bulk_write(updates, ordered=False))
    except BulkWriteError as error:
        errors = error.details["writeErrors"]
        if any(each["code"] != _VALIDATION_FAILED for each in errors):
            raise
        return error.details["nMatched"], [copied[each["index"]].outbox for each in errors]
    return result.matched_count, []
