"""Files of imports that nobody waits for, kept until they are read in: whoever goes on after a crash needs them."""

import zlib
from datetime import datetime, timedelta
from typing import Annotated, BinaryIO, ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import StoredDocument

KEPT = timedelta(days=7)
"""How long a file is kept at most: one that is left behind by a crash goes then."""

PART_BYTES = 1024 * 1024


class ImportFile(StoredDocument):
    """A part of a file, packed by zlib. The file of an import is there when its import is."""

    user_id: PydanticObjectId
    import_id: PydanticObjectId
    number: Annotated[int, Field(ge=0)]
    content: bytes
    created_at: datetime

    class Settings:
        """The collection and its indexes: one that ends it, and one for the parts of a file."""

        name = "import_files"
        indexes: ClassVar = [
            IndexModel([("created_at", ASCENDING)], name="kept_7_days", expireAfterSeconds=int(KEPT.total_seconds())),
            IndexModel(
                [("user_id", ASCENDING), ("import_id", ASCENDING), ("number", ASCENDING)],
                name="one_part_per_place",
                unique=True,
            ),
        ]

    @classmethod
    async def keep(cls, user_id: ObjectId, import_id: ObjectId, parts: list[bytes]) -> None:
        """Keeps a file that is in these parts: see `packed`."""
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
    async def parts(cls, user_id: ObjectId, import_id: ObjectId) -> list[bytes]:
        """The parts of the file of this import, in their order."""
        mine = {"user_id": user_id, "import_id": import_id}
        found = await cls.aggregate_rows([{"$match": mine}, {"$project": {"number": 1}}])
        kept = []
        for part in sorted(found, key=lambda part: part["number"]):
            whole = await cls._find_one({"_id": part["_id"], "user_id": user_id})
            if whole is not None:
                kept.append(bytes(whole["content"]))
        return kept

    @classmethod
    async def remove_all(cls, user_id: ObjectId, import_id: ObjectId) -> None:
        """Removes the file of this import."""
        mine = {"user_id": user_id, "import_id": import_id}
        for part in await cls.aggregate_rows([{"$match": mine}, {"$project": {"_id": 1}}]):
            await cls.delete_by_id(user_id, part["_id"])


def packed(file: BinaryIO) -> list[bytes]:
    """The file from its beginning, in packed parts. It takes its time: call it in a thread."""
    file.seek(0)
    packing, content = zlib.compressobj(1), bytearray()
    while some := file.read(PART_BYTES):
        content += packing.compress(some)
    content += packing.flush()
    file.seek(0)
    return [bytes(content[first : first + PART_BYTES]) for first in range(0, len(content), PART_BYTES)]


def unpack(parts: list[bytes], file: BinaryIO) -> bool:
    """Writes the file that is in these parts; False when it is not whole. It takes its time: call it in a thread."""
    unpacking = zlib.decompressobj()
    file.writelines(unpacking.decompress(part) for part in parts)
    file.seek(0)
    return unpacking.eof
