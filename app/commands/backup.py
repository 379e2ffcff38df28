"""What `task-timer backup` and `task-timer restore` do: the whole database as one file, and back.

The file is a zip archive: a member of BSON for each collection, as other MongoDB tools read it, and at
its end a manifest with the number of documents, bytes and the SHA-256 of each.
"""

import hashlib
import json
import lzma
import zipfile
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

from bson.errors import InvalidBSON

from app.clock import rfc3339, utc_now
from app.commands.atomic_files import Destination, display_name, open_for_reading
from app.commands.database_session import OpenDatabase, run_with_database
from app.config import Settings
from app.database.deadlines import without_deadline
from app.errors import CommandError
from documents.common.json_schema import SCHEMA_VERSION
from documents.maintenance.dump import (
    COLLECTIONS,
    Snapshot,
    SnapshotExpiredError,
    decode_documents,
    insert_documents,
    is_empty,
    open_snapshot,
)
from documents.registry import open_database, open_database_without_setup

KIND = "task-timer backup"
MANIFEST = "manifest.json"
READ_AT_ONCE = 1024 * 1024

Tell = Callable[[int], object]

_NOT_WHOLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    RuntimeError,  # members that are encrypted, or packed in an unknown way; a manifest that is too deep
    *(KeyError, ValueError, TypeError, AttributeError),  # a manifest that is none
)


class BackupError(CommandError):
    """The backup cannot be made, or is not one that can be restored here."""


def back_up(settings: Settings, *, file: Destination, tell: Tell) -> int:
    """Writes all documents, as of one instant, to the file, and answers how many.

    `tell` is told of the bytes as they come. Raises BackupError, FileError or EmbeddedStoreError; then a regular file
    is still as it was.
    """
    with file.opened() as opened:
        return _run(settings, open_database_without_setup, lambda: _back_up(opened, tell))


def restore(settings: Settings, *, file: Path, tell: Tell) -> int:
    """Stores all documents of the file in a database that has none, and answers how many.

    The whole file is checked before the first is stored. Raises BackupError, FileError or EmbeddedStoreError.
    """
    with open_for_reading(file) as opened:
        manifest = _checked_manifest(opened, display_name(file))
        return _run(settings, open_database, lambda: _restore(opened, manifest, tell))


def _run(settings: Settings, opened: OpenDatabase, work: Callable[[], Awaitable[int]]) -> int:
    with without_deadline():
        return run_with_database(settings, opened, work, failure=BackupError)


async def _back_up(file: BinaryIO, tell: Tell) -> int:
    try:
        async with open_snapshot() as instant:
            return await _write_archive(file, instant, tell)
    except SnapshotExpiredError as gone:
        raise BackupError(
            "The backup took longer than the database keeps its history: give it more time there, "
            "or use mongodump (docs/operating.rst says how)."
        ) from gone


async def _write_archive(file: BinaryIO, instant: Snapshot, tell: Tell) -> int:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        collections = {name: await _write_member(archive, name, instant, tell) for name in COLLECTIONS}
        manifest = {
            "kind": KIND,
            "version": 1,
            "schema_version": SCHEMA_VERSION,
            "created_at": rfc3339(utc_now()),
            "collections": collections,
        }
        archive.writestr(MANIFEST, json.dumps(manifest, indent=2))
    return sum(member["documents"] for member in collections.values())


async def _write_member(archive: zipfile.ZipFile, name: str, instant: Snapshot, tell: Tell) -> dict[str, Any]:
    digest, size, count = hashlib.sha256(), 0, 0
    with archive.open(f"{name}.bson", "w", force_zip64=True) as member:
        async for batch in instant.documents(name):
            member.write(batch)
            digest.update(batch)
            size += len(batch)
            count += _count(batch)
            tell(len(batch))
    return {"documents": count, "bytes": size, "sha256": digest.hexdigest()}


def _count(bson: bytes) -> int:
    """How many documents these are: each begins with its length (bsonspec.org)."""
    count = at = 0
    while at < len(bson):
        at += int.from_bytes(bson[at : at + 4], "little")
        count += 1
    return count


async def _restore(file: BinaryIO, manifest: dict[str, Any], tell: Tell) -> int:
    if not await is_empty():
        raise BackupError("The database is not empty: a backup is restored into one that is.")
    restored = 0
    with zipfile.ZipFile(file) as archive:
        for name in COLLECTIONS:
            if name in manifest["collections"]:
                with archive.open(f"{name}.bson") as member:
                    async for count in insert_documents(name, decode_documents(member)):
                        restored += count
                        tell(count)
    return restored


def _checked_manifest(file: BinaryIO, name: str) -> dict[str, Any]:
    """The manifest, once all that it says of the file has been found to be so. Raises BackupError."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
            _check_kind(manifest)
            for collection, said in manifest["collections"].items():
                with archive.open(f"{collection}.bson") as member:
                    _check_member(collection, member, said)
            return manifest
    except OSError as error:
        raise BackupError(f"{name} cannot be read: {error.strerror or error}.") from error
    except _NOT_WHOLE as wrong:
        raise BackupError(f"{name} is not a whole backup: it was cut short, or it is something else.") from wrong


def _check_kind(manifest: dict[str, Any]) -> None:
    if manifest["kind"] != KIND:
        raise ValueError(manifest["kind"])
    if manifest["version"] != 1 or manifest["schema_version"] > SCHEMA_VERSION:
        raise BackupError("The backup was made by a later version of Task Timer: it needs that one.")
    unknown = manifest["collections"].keys() - COLLECTIONS.keys()
    if unknown:
        raise BackupError(f"The backup has a collection that is not known here: {min(unknown)}.")


def _check_member(name: str, member: Any, said: dict[str, Any]) -> None:
    digest, size = hashlib.sha256(), 0
    while some := member.read(READ_AT_ONCE):
        digest.update(some)
        size += len(some)
    if (size, digest.hexdigest()) != (said["bytes"], said["sha256"]):
        raise BackupError(f"The backup was changed after it was made: {name} is not what the manifest says.")
    member.seek(0)
    try:
        count = sum("_id" in document for document in decode_documents(member))
    except InvalidBSON as wrong:
        raise BackupError(f"The backup is damaged: {name} is no BSON.") from wrong
    if count != said["documents"]:
        raise BackupError(f"The backup was changed after it was made: {name} has {count:,} documents.")
