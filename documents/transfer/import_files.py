"""The uploaded files of background imports. They are stored so that an import can continue after a crash."""

import zlib
from datetime import datetime, timedelta
from typing import Annotated, BinaryIO, ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import StoredDocument

RETENTION = timedelta(days=7)
"""The files that a crash has left behind expire after this time."""

PART_BYTES = 1024 * 1024


class ImportFile(StoredDocument):
    """A part of a file, compressed by zlib. The parts are stored before their import."""

    user_id: PydanticObjectId
    import_id: PydanticObjectId
    number: Annotated[int, Field(ge=0)]
    content: bytes
    created_at: datetime

    class Settings:
        """The collection and its indexes: the TTL, and the parts of a file."""

        name = "import_files"
        indexes: ClassVar = [
            IndexModel(
                [("created_at", ASCENDING)], name="kept_7_days", expireAfterSeconds=int(RETENTION.total_seconds())
            ),
            IndexModel(
                [("user_id", ASCENDING), ("import_id", ASCENDING), ("number", ASCENDING)],
                name="one_part_per_place",
                unique=True,
            ),
        ]

    @classmethod
    async def store(cls, user_id: ObjectId, import_id: ObjectId, parts: list[bytes]) -> None:
        """Store the parts that `compress` returned."""
        now = naive_utc(utc_now())
        for number, content in enumerate(parts):
            part = cls(
                id=PydanticObjectId(),
                user_id=PydanticObjectId(user_id),
                import_id=PydanticObjectId(import_id),
                number=number,
                content=content,
                created_at=now,
            )
            await part.add()

    @classmethod
    async def read_parts(cls, user_id: ObjectId, import_id: ObjectId) -> list[bytes]:
        """Return the stored parts of the file in order."""
        mine = {"user_id": user_id, "import_id": import_id}
        numbers = await cls.aggregate_rows([{"$match": mine}, {"$project": {"number": 1}}])
        contents = []
        for row in sorted(numbers, key=lambda row: row["number"]):
            part = await cls._find_by_id(row["_id"], {"user_id": user_id})
            if part is not None:
                contents.append(bytes(part["content"]))
        return contents

    @classmethod
    async def delete_parts(cls, user_id: ObjectId, import_id: ObjectId) -> None:
        """Delete the file of this import."""
        mine = {"user_id": user_id, "import_id": import_id}
        for part in await cls.aggregate_rows([{"$match": mine}, {"$project": {"_id": 1}}]):
            await cls.delete_by_id(user_id, part["_id"])


def compress(file: BinaryIO) -> list[bytes]:
    """Return the compressed file in parts of at most PART_BYTES. It is CPU-bound: call it in a thread."""
    file.seek(0)
    compressor, content = zlib.compressobj(1), bytearray()
    while block := file.read(PART_BYTES):
        content += compressor.compress(block)
    content += compressor.flush()
    file.seek(0)
    return [bytes(content[first : first + PART_BYTES]) for first in range(0, len(content), PART_BYTES)]


def decompress(parts: list[bytes], file: BinaryIO) -> bool:
    """Write the decompressed parts to `file`. Return False if a part is missing. Call it in a thread."""
    decompressor = zlib.decompressobj()
    file.writelines(decompressor.decompress(part) for part in parts)
    file.seek(0)
    return decompressor.eof
