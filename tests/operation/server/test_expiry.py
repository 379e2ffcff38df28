"""Expired documents, which the service removes itself: the embedded store does not."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument
from documents.maintenance import expiry
from documents.maintenance.expiry import remove_expired
from documents.registry import DOCUMENTS
from documents.sharing.shares import Share
from services.maintenance import expiry as background
from tests.conftest import Database

pytestmark = pytest.mark.usefixtures("empty_service")

PATIENCE_SECONDS = 60.0
SECOND = timedelta(seconds=1)
NOW = datetime(2026, 11, 18, 9)  # noqa: DTZ001 -- as the driver decodes it

TTL_INDEXES = [
    pytest.param(document, index.document, id=document.Settings.name)
    for document in DOCUMENTS
    for index in document.Settings.indexes
    if "expireAfterSeconds" in index.document
]


async def insert(database: Database, document: type[StoredDocument], **fields: Any) -> ObjectId:
    """Insert a document with these fields. Those of unique indexes have a value of their own."""
    unique = {
        field: ObjectId()
        for index in document.Settings.indexes
        if index.document.get("unique")
        for field in index.document["key"]
    }
    document_id = ObjectId()
    row = {**unique, "_id": document_id, **fields}
    await database[document.Settings.name].insert_one(row, bypass_document_validation=True)
    return document_id


async def stored_ids(database: Database, document: type[StoredDocument]) -> set[Any]:
    return {row["_id"] async for row in database[document.Settings.name].find({}, {"_id": 1})}


class TestRemoveExpired:
    def test_there_are_ttl_indexes(self) -> None:
        assert len(TTL_INDEXES) > 10

    @pytest.mark.parametrize(("document", "index"), TTL_INDEXES)
    async def test_document_is_removed_after_the_time_of_its_index(
        self, database: Database, document: type[StoredDocument], index: Mapping[str, Any]
    ) -> None:
        (field,) = index["key"]
        oldest = NOW - timedelta(seconds=index["expireAfterSeconds"])
        await insert(database, document, **{field: oldest - SECOND})
        kept = {await insert(database, document, **fields) for fields in ({field: oldest}, {field: None}, {})}
        await remove_expired(NOW)
        assert await stored_ids(database, document) == kept

    async def test_documents_without_a_time_are_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The index has them below all times, and the embedded store reads all that it finds by the index."""
        filters: list[Row] = []

        async def find(_document: type[StoredDocument], query_filter: Row, _projection: Row) -> list[Row]:
            filters.append(query_filter)
            return []

        monkeypatch.setattr(StoredDocument, "find_rows", classmethod(find))
        await remove_expired(NOW)
        assert [{*bounds} for query_filter in filters for bounds in query_filter.values()] == [
            {"$gt", "$lt"} for _ in TTL_INDEXES
        ]

    async def test_many_documents_are_removed_by_several_commands(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(expiry, "DELETES_PER_COMMAND", 2)
        for _ in range(5):
            await insert(database, Share, expires_at=NOW - SECOND)
        await remove_expired(NOW)
        assert not await stored_ids(database, Share)

    async def test_document_that_is_renewed_meanwhile_remains(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = Share.find_rows

        async def find_and_renew(query_filter: Row, projection: Row) -> list[Row]:
            rows = await original(query_filter, projection)
            await database.shares.update_one(
                {"_id": share}, {"$set": {"expires_at": NOW}}, bypass_document_validation=True
            )
            return rows

        share = await insert(database, Share, expires_at=NOW - SECOND)
        monkeypatch.setattr(Share, "find_rows", find_and_renew)
        await remove_expired(NOW)
        assert await stored_ids(database, Share) == {share}


class TestBackground:
    async def test_documents_are_removed_again_and_again(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(background, "INTERVAL_SECONDS", 0.01)
        task = asyncio.create_task(background.remove_expired_documents())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for _ in range(2):
                    await insert(database, Share, expires_at=naive_utc(utc_now()) - SECOND)
                    while await stored_ids(database, Share):  # noqa: ASYNC110 -- it is removed in the database
                        await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.wait({task})
        assert task.cancelled()
