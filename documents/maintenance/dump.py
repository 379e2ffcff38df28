"""Raw reads and writes of all documents, for backup and restore. The documents are not decoded."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import IO, cast

from bson import CodecOptions, Timestamp, decode_file_iter
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from documents.accounts.users import User
from documents.common.base import StoredDocument
from documents.registry import DOCUMENTS, PROCESS_DOCUMENTS

READ_BATCH_SIZE = 1_000
WRITE_BATCH_SIZE = 500

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

_SNAPSHOT_TOO_OLD = 239
_SNAPSHOT_EXPIRED_CODES = {_SNAPSHOT_TOO_OLD, 251, 290}  # NoSuchTransaction, TransactionExceededLifetimeLimitSeconds

COLLECTIONS: dict[str, type[StoredDocument]] = {
    document.Settings.name: document for document in reversed(DOCUMENTS) if document not in PROCESS_DOCUMENTS
}
"""The document classes by collection name. Users come last, so that nobody can sign in to a partial restore.

The documents of running processes are left out: a database with nothing else is empty."""


class SnapshotExpiredError(Exception):
    """The database no longer has the history that the snapshot reads."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The database as of one point in time. Concurrent writes are not visible in it."""

    _session: AsyncClientSession

    async def documents(self, name: str) -> AsyncIterator[bytes]:
        """Yield batches of a collection's documents in BSON.

        Raises SnapshotExpiredError when reading took too long.
        """
        cursor = COLLECTIONS[name].collection().find_raw_batches({}, batch_size=READ_BATCH_SIZE, session=self._session)
        try:
            async for batch in cursor:
                yield cast("bytes", batch)  # the declared type is that of decoded documents
        except OperationFailure as error:
            if error.code not in _SNAPSHOT_EXPIRED_CODES:
                raise
            raise SnapshotExpiredError from error


@asynccontextmanager
async def open_snapshot() -> AsyncIterator[Snapshot]:
    """Open a snapshot of the database, as of the first read in it.

    MongoDB 5.0 and later read from a snapshot without a transaction (readConcern snapshot). On other servers the
    snapshot is one read-only transaction.
    """
    has_history = await _has_snapshot_reads()
    async with User.collection().database.client.start_session(snapshot=has_history) as session:
        transaction = (
            nullcontext() if has_history else await session.start_transaction(read_concern=ReadConcern("snapshot"))
        )
        async with transaction:
            yield Snapshot(session)


async def _has_snapshot_reads() -> bool:
    """Return whether the server supports snapshot reads outside of transactions.

    It is asked for a snapshot of 1970. A server with the feature refuses it (SnapshotTooOld). One without it, like the
    embedded store, ignores the time and returns the current documents.
    """
    long_ago = {"level": "snapshot", "atClusterTime": Timestamp(1, 1)}
    try:
        await User.collection().database.command("find", User.Settings.name, limit=1, readConcern=long_ago)
    except OperationFailure as error:
        return error.code == _SNAPSHOT_TOO_OLD
    return False


def decode_documents(bson: IO[bytes]) -> Iterator[RawBSONDocument]:
    """Yield the documents of a BSON stream. Raises InvalidBSON when it is not valid."""
    yield from decode_file_iter(bson, codec_options=_RAW)


async def is_empty() -> bool:
    """Return whether all collections are empty."""
    for document in COLLECTIONS.values():
        if await document.collection().find_one({}, {"_id": 1}) is not None:
            return False
    return True


async def insert_documents(name: str, documents: Iterator[RawBSONDocument]) -> AsyncIterator[int]:
    """Insert new documents in batches, and yield the size of each batch."""
    collection = COLLECTIONS[name].collection()
    while batch := list(islice(documents, WRITE_BATCH_SIZE)):
        await collection.insert_many(batch)
        yield len(batch)
