"""Background imports: they are stored with their file, run one after the other, and continue after a crash."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import asdict
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import structlog
from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import DatabaseUnavailableError, ServiceError
from app.security.tokens import InvalidTokenError
from documents.accounts.users import OverlapPolicy, User
from documents.common.base import Row
from documents.transfer.import_batches import LEASE_DURATION, MAX_FINDINGS, Background, ImportBatch
from documents.transfer.import_files import ImportFile, compress, decompress
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser, acting_user
from services.common.concurrency import retry_on_conflict
from services.common.offload import run_in_thread
from services.common.outages import Outages
from services.transfer.import_formats.results import RowMessage
from services.transfer.imports.changes import import_finished
from services.transfer.imports.lease import LeaseLostError, add_import, lease_background_import, require_lease
from services.transfer.imports.parsed_file import ParsedFile, row_errors, undo_written, write_import
from services.transfer.schemas.imports import ImportForm, ImportRead, read_import

POLL_SECONDS = 2.0
"""How often a process looks for background imports that no process works on."""

MAX_CONCURRENT = 2
"""How many imports a process runs at once. Imports of one user run one at a time."""

MAX_ATTEMPTS = 10
"""An import fails after it was started this many times and ended by an error or a crash of the service."""

_MAX_MEMORY_BYTES = 1024 * 1024

ParseFile = Callable[[ActingUser, BinaryIO, ImportForm, OverlapPolicy], Awaitable[ParsedFile]]
"""Reads a file. Raises ValidationError or BodyTooLargeError."""

log = structlog.get_logger()


class BackgroundImports:
    """The background imports that this process runs: one task per user, which runs that user's imports in order."""

    def __init__(self, parse_file: ParseFile) -> None:
        self._parse_file = parse_file
        self._tasks: dict[ObjectId, asyncio.Task[None]] = {}
        self._restart: set[ObjectId] = set()
        """Users who have added an import while their task was running."""
        self._parsed: dict[ObjectId, tuple[ObjectId, ParsedFile]] = {}
        """By user: the import of which this process has parsed the file already."""
        self._slots: asyncio.Semaphore | None = None

    async def enqueue(
        self, user: ActingUser, file: BinaryIO, parsed: ParsedFile, *, form: ImportForm, policy: OverlapPolicy
    ) -> ImportRead:
        """Store the import and its file, start it if possible, and return it. Raises InvalidTokenError."""
        background = Background(asked=form.model_dump(mode="json"), policy=policy)
        batch = ImportBatch.new_background(
            user.id, format=parsed.format, digest=parsed.digest, rows=parsed.rows, background=background
        )
        await ImportFile.store(user.id, batch.id, await run_in_thread(lambda: compress(file)))
        try:
            row = await retry_on_conflict(user.id, lambda: add_import(batch))
        except InvalidTokenError:
            await ImportFile.delete_parts(user.id, batch.id)
            raise
        await audit_service.record(user.id, "imported", id=str(row["_id"]), format=parsed.format)
        if self._slots is not None:
            if user.id not in self._tasks and not self._slots.locked() and not parsed.needs_file:
                self._parsed[user.id] = (row["_id"], parsed)
            self._start(user.id)
        return read_import(row)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run background imports until the block ends, including those that another process has left."""
        previous_slots, self._slots = self._slots, asyncio.Semaphore(MAX_CONCURRENT)
        polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._slots = previous_slots  # of another service in this process
            tasks = [polling, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _poll(self) -> None:
        outages = Outages("unread_imports")
        while True:
            with outages.logged():
                for batch in await ImportBatch.find_all_background():
                    if batch["taken_at"] <= naive_utc(utc_now() - LEASE_DURATION):
                        self._start(batch["user_id"])
            await asyncio.sleep(POLL_SECONDS)

    def _start(self, user_id: ObjectId) -> None:
        """Start the user's task, or have it started again if it is running: it may be about to end."""
        if user_id in self._tasks:
            self._restart.add(user_id)
        elif self._slots is not None:
            task = self._tasks[user_id] = asyncio.create_task(
                self._run_all(user_id, self._slots),
                context=Context(),  # without the context of the request, such as its deadline
            )
            task.add_done_callback(lambda _: self._ended(user_id))

    def _ended(self, user_id: ObjectId) -> None:
        del self._tasks[user_id]
        self._parsed.pop(user_id, None)
        if user_id in self._restart:
            self._restart.discard(user_id)
            self._start(user_id)

    async def _run_all(self, user_id: ObjectId, slots: asyncio.Semaphore) -> None:
        """Run the user's imports, oldest first. After an error, a later poll starts the task again."""
        try:
            while (batch := await ImportBatch.find_next_background(user_id)) is not None:
                async with slots:
                    await self._run(user_id, batch["_id"])
        except LeaseLostError:
            log.info("import_taken_over", user_id=str(user_id))
        except Exception:
            log.exception("import_interrupted", user_id=str(user_id))

    async def _run(self, user_id: ObjectId, import_id: ObjectId) -> None:
        parsed_id, parsed = self._parsed.pop(user_id, (None, None))
        user = await User.find_by_id(user_id)
        if user is None:
            raise LeaseLostError  # the account is being deleted with its imports
        async with lease_background_import(user_id, import_id) as batch:
            if batch["background"]["tries"] > MAX_ATTEMPTS:
                await _fail(batch, "The service was interrupted too often during the import.")
                return
            with cast("BinaryIO", SpooledTemporaryFile(_MAX_MEMORY_BYTES)) as file:
                try:
                    await self._import(acting_user(user), batch, parsed if parsed_id == import_id else None, file)
                except DatabaseUnavailableError:
                    raise
                except ServiceError as error:
                    await _fail(batch, str(error))

    async def _import(self, user: ActingUser, batch: Row, parsed: ParsedFile | None, file: BinaryIO) -> None:
        background = batch["background"]
        form = ImportForm.model_validate(background["asked"])
        if parsed is None:
            parts = await ImportFile.read_parts(user.id, batch["_id"])
            if not await run_in_thread(lambda: decompress(parts, file)):
                await _fail(batch, "The uploaded file is no longer stored: send it again.")
                return
            parsed = await self._parse_file(user, file, form, background["policy"])
        if form.strict and (errors := (await parsed.dry_run()).errors):
            await _fail(batch, str(row_errors(errors)), errors)
            return
        await write_import(parsed, batch, strict=form.strict)
        await ImportFile.delete_parts(user.id, batch["_id"])


async def _fail(batch: Row, reason: str, errors: list[RowMessage] | None = None) -> None:
    """Undo what the import has written, and store the reason. Raises LeaseLostError."""
    await undo_written(batch)
    fields: Row = {"failure": reason}
    if errors is not None:
        fields |= {"errors": [asdict(error) for error in errors[:MAX_FINDINGS]], "error_count": len(errors)}
    await require_lease(ImportBatch.release_lease(batch, "failed", import_finished, **fields))
    await ImportFile.delete_parts(batch["user_id"], batch["_id"])
