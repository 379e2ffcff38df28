"""All documents of the service as they are stored, read and written without looking into them."""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import IO

from bson import CodecOptions, decode_file_iter
from bson.raw_bson import RawBSONDocument
from pymongo.read_concern import ReadConcern

from app.database import in_time
from documents.base import StoredDocument
from documents.opening import DOCUMENTS

READ_AT_ONCE = 1_000
WRITTEN_AT_ONCE = 500

_AS_STORED: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

COLLECTIONS: dict[str, type[StoredDocument]] = {document.Settings.name: document for document in reversed(DOCUMENTS)}
"""By their names. What refers to others comes before them, so that it is read before they can go; users come last."""


async def stored_documents(name: str) -> AsyncIterator[bytes]:
    """The documents of a collection in BSON, many at a time."""
    committed = COLLECTIONS[name].rows().with_options(read_concern=ReadConcern("majority"))
    cursor = committed.find_raw_batches({}, batch_size=READ_AT_ONCE)
    async for batch in cursor:
        yield batch


def split(bson: IO[bytes]) -> Iterator[RawBSONDocument]:
    """The documents of a stream of BSON, one at a time. Raises InvalidBSON where it is none."""
    yield from decode_file_iter(bson, codec_options=_AS_STORED)


async def is_empty() -> bool:
    """Whether no collection has a document."""
    for document in COLLECTIONS.values():
        if await in_time(document.rows().find_one({}, {"_id": 1})) is not None:
            return False
    return True


async def store(name: str, documents: Iterator[RawBSONDocument]) -> AsyncIterator[int]:
    """Stores new documents, and tells how many at a time."""
    rows = COLLECTIONS[name].rows()
    while some := list(islice(documents, WRITTEN_AT_ONCE)):
        await in_time(rows.insert_many(some))
        yield len(some)
