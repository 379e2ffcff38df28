"""The commands `task-timer backup` and `task-timer restore`: write the whole database to a file, and read it back.

The file is a zip archive. It has a BSON member for each collection, which other MongoDB tools can read. The last
member is a manifest with the number of documents, the size and the SHA-256 of each.
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
READ_SIZE_BYTES = 1024 * 1024

OnProgress = Callable[[int], object]

_INVALID_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    RuntimeError,  # an encrypted member, an unknown compression method, or a manifest that is nested too deeply
    *(KeyError, ValueError, TypeError, AttributeError),  # a manifest with the wrong content
)


class BackupError(CommandError):
    """The backup failed, or the file cannot be restored into this database."""


def back_up(settings: Settings, *, file: Destination, on_progress: OnProgress) -> int:
    """Write all documents, as of one instant, to the file, and return how many they are.

    `on_progress` gets the number of bytes of each part. Raises BackupError, FileError or EmbeddedStoreError. A
    regular file is then unchanged.
    """
    with file.open() as opened:
        return _run(settings, open_database_without_setup, lambda: _back_up(opened, on_progress))


def restore(settings: Settings, *, file: Path, on_progress: OnProgress) -> int:
    """Store all documents of the file in an empty database, and return how many they are.

    The whole file is checked first. `on_progress` gets the number of documents of each part. Raises BackupError,
    FileError or EmbeddedStoreError.
    """
    with open_for_reading(file) as opened:
        manifest = _checked_manifest(opened, display_name(file))
        return _run(settings, open_database, lambda: _restore(opened, manifest, on_progress))


def _run(settings: Settings, opened: OpenDatabase, work: Callable[[], Awaitable[int]]) -> int:
    with without_deadline():
        return run_with_database(settings, opened, work, failure=BackupError)


async def _back_up(file: BinaryIO, on_progress: OnProgress) -> int:
    try:
        async with open_snapshot() as snapshot:
            return await _write_archive(file, snapshot, on_progress)
    except SnapshotExpiredError as error:
        raise BackupError(
            "The backup took longer than the database stores its history: extend "
            "minSnapshotHistoryWindowInSeconds, or use mongodump (see docs/operating.rst)."
        ) from error


async def _write_archive(file: BinaryIO, snapshot: Snapshot, on_progress: OnProgress) -> int:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        collections = {name: await _write_member(archive, name, snapshot, on_progress) for name in COLLECTIONS}
        manifest = {
            "kind": KIND,
            "version": 1,
            "schema_version": SCHEMA_VERSION,
            "created_at": rfc3339(utc_now()),
            "collections": collections,
        }
        archive.writestr(MANIFEST, json.dumps(manifest, indent=2))
    return sum(member["documents"] for member in collections.values())


async def _write_member(
    archive: zipfile.ZipFile, name: str, snapshot: Snapshot, on_progress: OnProgress
) -> dict[str, Any]:
    digest, size, count = hashlib.sha256(), 0, 0
    with archive.open(f"{name}.bson", "w", force_zip64=True) as member:
        async for batch in snapshot.documents(name):
            member.write(batch)
            digest.update(batch)
            size += len(batch)
            count += _count(batch)
            on_progress(len(batch))
    return {"documents": count, "bytes": size, "sha256": digest.hexdigest()}


def _count(bson: bytes) -> int:
    """Return the number of documents. Each begins with its length in bytes (bsonspec.org)."""
    count = offset = 0
    while offset < len(bson):
        offset += int.from_bytes(bson[offset : offset + 4], "little")
        count += 1
    return count


async def _restore(file: BinaryIO, manifest: dict[str, Any], on_progress: OnProgress) -> int:
    if not await is_empty():
        raise BackupError("The database is not empty: restore the backup into an empty database.")
    restored = 0
    with zipfile.ZipFile(file) as archive:
        for name in COLLECTIONS:
            if name in manifest["collections"]:
                with archive.open(f"{name}.bson") as member:
                    async for count in insert_documents(name, decode_documents(member)):
                        restored += count
                        on_progress(count)
    return restored


def _checked_manifest(file: BinaryIO, name: str) -> dict[str, Any]:
    """Return the manifest after checking that the file matches it. Raises BackupError."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
            _check_kind(manifest)
            for collection, expected in manifest["collections"].items():
                with archive.open(f"{collection}.bson") as member:
                    _check_member(collection, member, expected)
            return manifest
    except OSError as error:
        raise BackupError(f"{name} cannot be read: {error.strerror or error}.") from error
    except _INVALID_ARCHIVE as error:
        raise BackupError(f"{name} is not a complete backup: it is truncated, or another kind of file.") from error


def _check_kind(manifest: dict[str, Any]) -> None:
    if manifest["kind"] != KIND:
        raise ValueError(manifest["kind"])
    if manifest["version"] != 1 or manifest["schema_version"] > SCHEMA_VERSION:
        raise BackupError("The backup was created by a later version of Task Timer: restore it with that version.")
    unknown = manifest["collections"].keys() - COLLECTIONS.keys()
    if unknown:
        raise BackupError(f"The backup contains an unknown collection: {min(unknown)}.")


def _check_member(name: str, member: Any, expected: dict[str, Any]) -> None:
    digest, size = hashlib.sha256(), 0
    while chunk := member.read(READ_SIZE_BYTES):
        digest.update(chunk)
        size += len(chunk)
    if (size, digest.hexdigest()) != (expected["bytes"], expected["sha256"]):
        raise BackupError(f"The backup was changed after it was created: {name} does not match the manifest.")
    member.seek(0)
    try:
        count = sum("_id" in document for document in decode_documents(member))
    except InvalidBSON as error:
        raise BackupError(f"The backup is damaged: {name} is not valid BSON.") from error
    if count != expected["documents"]:
        raise BackupError(f"The backup was changed after it was created: {name} has {count:,} documents.")
