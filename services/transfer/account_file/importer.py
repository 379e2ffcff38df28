"""Importing an account file: everything in it is restored as it was, and nothing is imported twice."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from typing import BinaryIO

from app.errors import DatabaseUnavailableError
from documents.common.base import Row
from documents.tracking.tasks import Task
from documents.transfer.import_batches import ImportBatch
from services.accounts.authentication import authentication_service
from services.accounts.users import user_service
from services.common.acting_user import ActingUser
from services.common.concurrency import TOO_MANY_CONFLICTS
from services.common.offload import run_in_thread
from services.transfer.account_file.existing import load_existing_account
from services.transfer.account_file.reader import AccountFile, TaskPart, iterate_parts, read_account
from services.transfer.account_file.writer import AccountWriter, Part
from services.transfer.imports.lease import require_lease
from services.transfer.imports.parsed_file import DryRun, ParsedFile, Progress, WriteResult
from services.transfer.imports.writer import MAX_PLAN_ATTEMPTS, StalePlanError
from services.transfer.schemas.imports import read_import

MAX_ENTRIES_PER_BATCH = 500
MAX_PARTS_PER_BATCH = 100

_BLOCK_BYTES = 1024 * 1024


async def parse_account_file(user: ActingUser, file: BinaryIO, *, progress: Progress) -> ParsedFile:
    """Validate the file. Overlaps are not checked, because the account is restored as it was.

    Raises ValidationError or BodyTooLargeError.
    """
    digest, read = await run_in_thread(lambda: _read(file))
    return ParsedFile(
        "account",
        digest,
        read.entries,
        lambda: _dry_run(user, file, read, digest),
        lambda batch: _write(user, batch, file, read, progress),
        needs_file=True,
    )


def _read(file: BinaryIO) -> tuple[str, AccountFile]:
    content = hashlib.sha256(b"account\n")
    while block := file.read(_BLOCK_BYTES):
        content.update(block)
    return content.hexdigest(), read_account(file)


async def _write(user: ActingUser, batch: Row, file: BinaryIO, read: AccountFile, progress: Progress) -> WriteResult:
    """Write what does not exist yet. Start again whenever the data has changed."""
    for _ in range(MAX_PLAN_ATTEMPTS):
        await require_lease(ImportBatch.set_fields(batch, {"row_count": read.entries, "rows_done": 0}))
        existing = await load_existing_account(user.id, batch["_id"])
        if not existing.has_other_data:
            await _update_profile(user, read)
        writer = AccountWriter(user.id, batch, existing)
        try:
            await writer.write_projects(read)
            await _for_each_batch(file, writer.write, lambda done: progress(done, read.entries))
        except StalePlanError:
            continue
        return WriteResult({**writer.result_fields(), "left_out": writer.left_out}, None)
    raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)


async def _dry_run(user: ActingUser, file: BinaryIO, read: AccountFile, digest: str) -> DryRun:
    batch = ImportBatch.new(user.id, format="account", digest=digest).as_row()
    existing = await load_existing_account(user.id)
    running = await Task.find_running(user.id) is not None
    created = {"projects": 0, "tasks": 0, "entries": 0}
    writer = AccountWriter(user.id, batch, existing)

    async def count(parts: list[Part]) -> None:
        nonlocal running
        for planned in writer.plan(parts, running=running):
            running = running or planned.has_new_timer
            created["tasks"] += planned.new_task is not None
            created["entries"] += planned.entry_count
            writer.record(planned)

    created["projects"] = len(writer.plan_projects(read))
    await _for_each_batch(file, count, lambda _: None)
    batch |= {
        "row_count": read.entries,
        "rows_done": read.entries,
        "created": created,
        "left_out": writer.left_out,
        **writer.result_fields(),
    }
    return DryRun({**read_import(batch), "id": None, "dry_run": True}, [])


async def _update_profile(user: ActingUser, read: AccountFile) -> None:
    account = read.account
    fields = {"full_name": account.full_name, "timezone": account.timezone, "week_start": account.week_start}
    await user_service.set_profile_fields(
        user, {**fields, "preferences": account.preferences.model_dump(exclude_unset=True)}
    )
    authentication_service.invalidate(user.id)


async def _for_each_batch(
    file: BinaryIO, handle: Callable[[list[Part]], Awaitable[None]], progress: Callable[[int], object]
) -> None:
    """Call `handle` with the tasks and deleted entries of the file in batches."""
    parts, done = iterate_parts(file), 0
    while batch := await run_in_thread(lambda: _next_batch(parts)):
        await handle(batch)
        done += sum(len(part.entries) for part in batch if isinstance(part, TaskPart))
        progress(done)


def _next_batch(parts: Iterator[Part]) -> list[Part]:
    batch: list[Part] = []
    entries = 0
    while (
        entries < MAX_ENTRIES_PER_BATCH and len(batch) < MAX_PARTS_PER_BATCH and (part := next(parts, None)) is not None
    ):
        batch.append(part)
        entries += len(part.entries) if isinstance(part, TaskPart) else 1
    return batch
