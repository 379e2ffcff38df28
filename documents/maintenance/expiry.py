"""Expired documents: those whose time in a TTL index has passed."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.clock import EPOCH
from app.database.deadlines import without_deadline
from documents.common.base import Row, StoredDocument
from documents.registry import DOCUMENTS

DELETES_PER_COMMAND = 200


async def remove_expired(now: datetime) -> None:
    """Delete the documents that have expired before `now` (naive UTC), one by one.

    Any number of processes may do it at the same time. The filter of a delete has the time, too: a document that is
    renewed meanwhile remains.
    """
    for document, field, lifetime in _lifetimes():
        # With a lower bound, because the index also has the documents without a time: portable form, decision 10.
        expired: Row = {field: {"$gt": EPOCH, "$lt": now - lifetime}}
        with without_deadline():  # after a long pause there can be many
            rows = await document.find_rows(expired, {"_id": 1})
        for first in range(0, len(rows), DELETES_PER_COMMAND):
            await document.delete_each(
                [{"_id": row["_id"], **expired} for row in rows[first : first + DELETES_PER_COMMAND]]
            )


def _lifetimes() -> Iterator[tuple[type[StoredDocument], str, timedelta]]:
    """Yield each TTL index: its document class, the field with the time, and how long after it a document expires."""
    for document in DOCUMENTS:
        for index in document.Settings.indexes:
            seconds = index.document.get("expireAfterSeconds")
            if seconds is not None:
                (field,) = index.document["key"]
                yield document, field, timedelta(seconds=seconds)
