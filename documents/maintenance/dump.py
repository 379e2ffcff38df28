"""All documents of the service as they are stored, read and written without looking into them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from bson import CodecOptions, Timestamp, decode_file_iter
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from app.database.deadlines import with_deadline
from documents.accounts.users import User
from documents.common.base import StoredDocument
from documents.registry import DOCUMENTS

READ_AT_ONCE = 1_000
WRITTEN_AT_ONCE = 500

_AS_STORED: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

_SNAPSHOT_TOO_OLD = 239
_HISTORY_GONE = {_SNAPSHOT_TOO_OLD, 251, 290}  # NoSuchTransaction, TransactionExceededLifetimeLimitSeconds

COLLECTIONS: dict[str, type[StoredDocument]] = {document.Settings.name: document for document in reversed(DOCUMENTS)}
"""By their names. What refers to others comes before them; users come last, so that nobody signs in to a half of it."""


class SnapshotExpiredError(Exception):
    """The database cannot show its documents as of that instant any more."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The database as it was at one instant, whatever is written meanwhile."""

    _session: AsyncIOMotorClientSession

    async def documents(self, name: str) -> AsyncIterator[bytes]:
        """The documents of a collection in BSON, many at a time. Raises HistoryGoneError when it took too long."""
        cursor = COLLECTIONS[name].collection().find_raw_batches({}, batch_size=READ_AT_ONCE, session=self._session)
        try:
            async for batch in cursor:
                yield batch
        except OperationFailure as refused:
            if refused.code not in _HISTORY_GONE:
                raise
            raise SnapshotExpiredError from refused


@asynccontextmanager
async def open_snapshot() -> AsyncIterator[Snapshot]:
    """The instant of the first read in this block.

    MongoDB reads as of an instant of its history without a transaction (readConcern snapshot, since 5.0). A server
    that does not is read in one transaction, which changes nothing.
    """
    client: Any = User.collection().database.client  # motor's types take its attributes for collections
    history = await _reads_history()
    async with await client.start_session(snapshot=history) as session:
        transaction = nullcontext() if history else session.start_transaction(read_concern=ReadConcern("snapshot"))
        async with transaction:
            yield Snapshot(session)


async def _reads_history() -> bool:
    """Whether the server reads as of the instant that it is given.

    No history reaches back to 1970: such a server refuses that (SnapshotTooOld), one that does not mind the instant
    answers with what stands now, as the embedded store does.
    """
    long_ago = {"level": "snapshot", "atClusterTime": Timestamp(1, 1)}
    try:
        await User.collection().database.command("find", User.Settings.name, limit=1, readConcern=long_ago)
    except OperationFailure as refused:
        return refused.code == _SNAPSHOT_TOO_OLD
    return False


def decode_documents(bson: IO[bytes]) -> Iterator[RawBSONDocument]:
    """The documents of a stream of BSON, one at a time. Raises InvalidBSON where it is none."""
    yield from decode_file_iter(bson, codec_options=_AS_STORED)


async def is_empty() -> bool:
    """Whether no collection has a document."""
    for document in COLLECTIONS.values():
        if await with_deadline(document.collection().find_one({}, {"_id": 1})) is not None:
            return False
    return True


async def insert_documents(name: str, documents: Iterator[RawBSONDocument]) -> AsyncIterator[int]:
    """Stores new documents, and tells how many at a time."""
    rows = COLLECTIONS[name].collection()
    while some := list(islice(documents, WRITTEN_AT_ONCE)):
        await with_deadline(rows.insert_many(some))
        yield len(some)
