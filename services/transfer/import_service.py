"""Imports: uploading a file, listing imports, and undoing them."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, BinaryIO

from bson import ObjectId

from app.errors import ConflictError, NotFoundError
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row, require_object_id
from documents.transfer.import_batches import ImportBatch
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.offload import run_in_thread
from services.common.values.fields import PageQuery
from services.tracking.rules.overlap import effective_policy
from services.transfer.imports.background import BackgroundImports
from services.transfer.imports.changes import import_undone
from services.transfer.imports.lease import LeaseLostError, lease_for_undo, lease_for_upload, require_lease
from services.transfer.imports.parsed_file import ParsedFile, Progress, no_progress, require_no_errors, write_import
from services.transfer.imports.undo import ImportUndo
from services.transfer.schemas.imports import (
    MAX_MESSAGES_IN_LIST,
    ImportForm,
    ImportPage,
    ImportRead,
    ImportUndoResult,
    read_import,
    read_undone,
)

if TYPE_CHECKING:
    from services.transfer.import_formats.programs.detection import DetectedFormat


class ImportNotFoundError(NotFoundError):
    """The user has no import with this id."""

    code = "import_not_found"
    detail = "There is no such import."


class ImportRunningError(ConflictError):
    """The import is waiting or in progress, so it cannot be undone yet."""

    code = "import_running"
    detail = "The import is still running. Request it until its status is done or failed, then delete it."


def require_import_id(text: str) -> ObjectId:
    """Parse the id of an import. Raises ImportNotFoundError if it is not a valid id."""
    return require_object_id(text, ImportNotFoundError)


class ImportService:
    """The imports of the acting user."""

    async def import_file(
        self,
        user: ActingUser,
        *,
        file: BinaryIO,
        form: ImportForm,
        overlap: OverlapPolicy | None,
        wait: bool = True,
        progress: Progress = no_progress,
    ) -> ImportRead:
        """Import the file and close it. Waits while another import of the user is in progress.

        If `wait` or the form's `wait` is false, the import is stored and returned; it runs in the background.

        Raises ValidationError if the file cannot be read or, with `strict`, if any row has an error. Nothing is
        written then. Raises InvalidTokenError if the account is being deleted.
        """
        with file:
            policy = effective_policy(user, overlap)
            parsed = await parse_file(user, file, form, policy, progress)
            if form.dry_run or (form.strict and form.wait and wait):
                dry_run = await parsed.dry_run()
                if form.strict:
                    require_no_errors(dry_run.errors)
                if form.dry_run:
                    return dry_run.result
            if not (form.wait and wait):
                return await background_imports.enqueue(user, file, parsed, form=form, policy=policy)
            finished = await self._lease_and_write(user, parsed, form)
        await audit_service.record(user.id, "imported", id=finished["id"], format=parsed.format, **finished["created"])
        return finished

    async def _lease_and_write(self, user: ActingUser, parsed: ParsedFile, form: ImportForm) -> ImportRead:
        while True:
            try:
                async with lease_for_upload(user.id, format=parsed.format, digest=parsed.digest) as batch:
                    return await write_import(parsed, batch, strict=form.strict)
            except LeaseLostError:
                continue  # rows that are stored already are found as duplicates

    async def list_imports(self, user: ActingUser, *, query: PageQuery) -> ImportPage:
        """Return a page of the user's imports, newest first. Raises InvalidCursorError."""
        scope = cursor_scope("imports", user.id, query)
        after = None
        if query.cursor is not None:
            position = decode_cursor(query.cursor, scope=scope)
            after = (position.value, position.id or user.id)
        batches = await ImportBatch.find_page(
            user.id, after=after, limit=query.limit + 1, max_messages=MAX_MESSAGES_IN_LIST
        )
        items, next_cursor = page_of(
            batches, limit=query.limit, position=lambda batch: Position(batch["created_at"], batch["_id"]), scope=scope
        )
        return {"items": [read_import(batch) for batch in items], "next_cursor": next_cursor}

    async def get(self, user: ActingUser, *, import_id: str) -> ImportRead:
        """Return the import. Raises ImportNotFoundError."""
        return read_import(_require_found(await ImportBatch.find(user.id, require_import_id(import_id))))

    async def undo(self, user: ActingUser, *, import_id: str) -> ImportUndoResult:
        """Remove what the import created and nobody has changed since. Waits while another import is in progress.

        Calling it again continues after an interruption, and removes what has become removable since.
        Raises ImportNotFoundError or ImportRunningError.
        """
        batch_id = require_import_id(import_id)
        while True:
            try:
                _require_not_running(_require_found(await ImportBatch.find(user.id, batch_id)))
                async with lease_for_undo(user.id, batch_id) as batch:
                    undo = ImportUndo(batch)
                    await undo.run()
                    left = await undo.count_left()
                    await require_lease(ImportBatch.release_lease(batch, "undone", import_undone))
                    return read_undone(batch_id, undo.removed, left)
            except LeaseLostError:
                continue


def _require_not_running(batch: Row) -> None:
    if ImportBatch.is_running(batch):
        raise ImportRunningError


def _require_found(batch: Row | None) -> Row:
    if batch is None:
        raise ImportNotFoundError
    return batch


async def parse_file(
    user: ActingUser, file: BinaryIO, form: ImportForm, policy: OverlapPolicy, progress: Progress = no_progress
) -> ParsedFile:
    """Read the file in the format of the form. Raises ValidationError or BodyTooLargeError."""
    file_format = await _format_of(file, form)
    if file_format == "account":
        parse_account_file = await run_in_thread(_load_account_parser)
        return await parse_account_file(user, file, progress=progress)
    parse_entry_file = await run_in_thread(_load_entry_parser)
    return await parse_entry_file(user, file, form, format=file_format, policy=policy, progress=progress)


def _load_account_parser() -> Callable[..., Awaitable[ParsedFile]]:
    # The import formats take memory in each process that has imported them.
    from services.transfer.account_file.importer import parse_account_file  # noqa: PLC0415

    return parse_account_file


def _load_entry_parser() -> Callable[..., Awaitable[ParsedFile]]:
    from services.transfer.imports.entry_file import parse_entry_file  # noqa: PLC0415 - as above

    return parse_entry_file


async def _format_of(file: BinaryIO, form: ImportForm) -> "DetectedFormat":
    return form.format if form.format != "auto" else await run_in_thread(lambda: _detect_format(file))


def _detect_format(file: BinaryIO) -> "DetectedFormat":
    from services.transfer.import_formats.programs.detection import detect_format  # noqa: PLC0415 - as above

    return detect_format(file)


background_imports = BackgroundImports(parse_file)
import_service = ImportService()
