"""Imports that nobody waits for: kept with their file, read in one after the other, and gone on with after a crash."""

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
from documents.transfer.import_batches import LEASE, MAX_FINDINGS, Background, ImportBatch
from documents.transfer.import_files import ImportFile, packed, unpack
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser, acting_user
from services.common.concurrency import retry_on_conflict
from services.common.offload import run_in_thread
from services.transfer.import_formats.results import RowMessage
from services.transfer.imports.lease import ImportTakenOverError, add_import, going_on, require_hold
from services.transfer.imports.opened_file import Opened, give_back, read_in, refusal
from services.transfer.schemas.imports import ImportForm, ImportRead, read_import

LOOK_SECONDS = 2.0
"""How often a process looks for imports that nobody is at."""

AT_ONCE = 2
"""How many imports a process reads in at once, each of another user."""

MAX_ATTEMPTS = 10
"""How often an import is begun again that ends by an error of the service, or with it."""

_IN_MEMORY = 1024 * 1024

Open = Callable[[ActingUser, BinaryIO, ImportForm, OverlapPolicy], Awaitable[Opened]]
"""Reads a file. Raises ValidationError or BodyTooLargeError."""

log = structlog.get_logger()


class BackgroundImports:
    """The imports that this process reads in while nobody waits, each user's one after the other."""

    def __init__(self, open_file: Open) -> None:
        self._open = open_file
        self._at_work: dict[ObjectId, asyncio.Task[None]] = {}
        self._more: set[ObjectId] = set()
        self._opened: dict[ObjectId, tuple[ObjectId, Opened]] = {}
        self._places: asyncio.Semaphore | None = None

    async def begin(
        self, user: ActingUser, file: BinaryIO, opened: Opened, *, asked: ImportForm, policy: OverlapPolicy
    ) -> ImportRead:
        """Keeps the file, and reads it in as soon as it can be: the answer is the import as it waits."""
        background = Background(asked=asked.model_dump(mode="json"), policy=policy)
        batch = ImportBatch.waiting(
            user.id, format=opened.format, digest=opened.digest, rows=opened.rows, background=background
        )
        await ImportFile.keep(user.id, batch.id, await run_in_thread(lambda: packed(file)))
        try:
            row = await retry_on_conflict(lambda: add_import(batch))
        except InvalidTokenError:
            await ImportFile.remove_all(user.id, batch.id)
            raise
        await audit_service.record(user.id, "imported", id=str(row["_id"]), format=opened.format)
        if self._places is not None:
            if user.id not in self._at_work and not self._places.locked() and not opened.needs_the_file:
                self._opened[user.id] = (row["_id"], opened)
            self._start(user.id)
        return read_import(row)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Reads imports in meanwhile, also those that another process has left. What is not done then waits."""
        before, self._places = self._places, asyncio.Semaphore(AT_ONCE)
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._places = before  # of another service in this process
            under_way = [looking, *self._at_work.values()]
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _look(self) -> None:
        failed = False
        while True:
            try:
                for batch in await ImportBatch.all_in_background():
                    if batch["taken_at"] <= naive_utc(utc_now() - LEASE):
                        self._start(batch["user_id"])
                failed = False
            except Exception:  # whatever it is, the next look may succeed
                if not failed:  # it is said once while the database is away
                    log.warning("unread_imports", exc_info=True)
                failed = True
            await asyncio.sleep(LOOK_SECONDS)

    def _start(self, user_id: ObjectId) -> None:
        """Has the imports of the user read in; those that come when the last one is about to end, too."""
        if user_id in self._at_work:
            self._more.add(user_id)
        elif self._places is not None:
            task = self._at_work[user_id] = asyncio.create_task(
                self._work(user_id, self._places),
                context=Context(),  # it is no part of the request that it comes from
            )
            task.add_done_callback(lambda _: self._ended(user_id))

    def _ended(self, user_id: ObjectId) -> None:
        del self._at_work[user_id]
        self._opened.pop(user_id, None)
        if user_id in self._more:
            self._more.discard(user_id)
            self._start(user_id)

    async def _work(self, user_id: ObjectId, places: asyncio.Semaphore) -> None:
        """Reads in what the user has sent, the first first; what goes wrong is tried again later."""
        try:
            while (batch := await ImportBatch.next_in_background(user_id)) is not None:
                async with places:
                    await self._read_in(user_id, batch["_id"])
        except ImportTakenOverError:
            log.info("import_taken_over", user_id=str(user_id))
        except Exception:
            log.exception("import_interrupted", user_id=str(user_id))

    async def _read_in(self, user_id: ObjectId, import_id: ObjectId) -> None:
        opened_id, opened = self._opened.pop(user_id, (None, None))
        row = await User.find_by_id(user_id)
        if row is None:
            raise ImportTakenOverError  # the account is being deleted, and all that is in it
        async with going_on(user_id, import_id) as batch:
            if batch["background"]["tries"] > MAX_ATTEMPTS:
                await _fail(batch, "The service was interrupted too often while the file was read in.")
                return
            with cast("BinaryIO", SpooledTemporaryFile(_IN_MEMORY)) as file:
                try:
                    await self._do(acting_user(row), batch, opened if opened_id == import_id else None, file)
                except DatabaseUnavailableError:
                    raise
                except ServiceError as refused:
                    await _fail(batch, str(refused))

    async def _do(self, user: ActingUser, batch: Row, opened: Opened | None, file: BinaryIO) -> None:
        background = batch["background"]
        asked = ImportForm.model_validate(background["asked"])
        if opened is None:
            parts = await ImportFile.parts(user.id, batch["_id"])
            if not await run_in_thread(lambda: unpack(parts, file)):
                await _fail(batch, "The file is not there any more: send it again.")
                return
            opened = await self._open(user, file, asked, background["policy"])
        if asked.strict and (errors := (await opened.rehearse()).errors):
            await _fail(batch, str(refusal(errors)), errors)
            return
        await read_in(opened, batch, strict=asked.strict)
        await ImportFile.remove_all(user.id, batch["_id"])


async def _fail(batch: Row, says: str, errors: list[RowMessage] | None = None) -> None:
    """Takes back what the import has written, and says why: nothing half stays. Raises ImportTakenOverError."""
    await give_back(batch)
    told: Row = {"failure": says}
    if errors is not None:
        told |= {"errors": [asdict(error) for error in errors[:MAX_FINDINGS]], "error_count": len(errors)}
    await require_hold(ImportBatch.let_go(batch, "failed", **told))
    await ImportFile.remove_all(batch["user_id"], batch["_id"])
