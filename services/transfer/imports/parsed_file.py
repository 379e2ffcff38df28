"""A file that has been read, in any format: it can be tried in a dry run, or written."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.errors import FieldError, ValidationError
from app.plural import pluralize
from documents.common.base import Row
from documents.transfer.import_batches import ImportBatch, ImportFormat
from services.tracking.schemas.overlaps import OverlapRead
from services.transfer.import_formats.results import RowMessage
from services.transfer.imports.changes import import_finished
from services.transfer.imports.lease import LeaseLostError, require_lease
from services.transfer.imports.undo import ImportUndo
from services.transfer.schemas.imports import ImportRead, read_import

MAX_ROWS_IN_ERROR = 100
"""How many rows an error response lists."""

Progress = Callable[[int, int], object]
"""Called with the number of rows that are done, and of all rows."""


def no_progress(_done: int, _rows: int) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """The result that an import would have, and all errors of rows."""

    result: ImportRead
    errors: list[RowMessage]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The fields to store in the import once all rows are written, and the overlapping entries if they are listed."""

    fields: Row
    overlaps: list[OverlapRead] | None


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A file that could be read as a whole.

    Attributes:
        digest: Identifies the file together with the options that it was read with.
        dry_run: Writes nothing.
        write: Writes the rows of an import that the caller has leased.
        needs_file: Whether both need the open file.
    """

    format: ImportFormat
    digest: str
    rows: int
    dry_run: Callable[[], Awaitable[DryRun]]
    write: Callable[[Row], Awaitable[WriteResult]]
    needs_file: bool = False


async def write_import(parsed: ParsedFile, batch: Row, *, strict: bool) -> ImportRead:
    """Write the file, release the lease, and return the finished import.

    Raises LeaseLostError; and, with `strict`, ValidationError if a row has an error. That can happen after a dry run
    without errors, when an overlapping entry was created since. All that was written is undone then, and the import
    is still leased.
    """
    written = await parsed.write(batch)
    if strict:
        await _undo_if_errors(batch)
    finished = await ImportBatch.release_lease(batch, "done", import_finished, **written.fields)
    if finished is None:
        raise LeaseLostError
    return read_import(finished, written.overlaps)


async def _undo_if_errors(batch: Row) -> None:
    stored = await ImportBatch.find(batch["user_id"], batch["_id"])
    if stored is not None and stored["errors"]:
        await undo_written(batch)
        require_no_errors([RowMessage(**error) for error in stored["errors"]])


async def undo_written(batch: Row) -> None:
    """Undo what a leased import has written, and reset its counters. Raises LeaseLostError."""
    await ImportUndo(batch).run()
    await require_lease(ImportBatch.set_fields(batch, {"created": {"projects": 0, "tasks": 0, "entries": 0}}))


def require_no_errors(errors: list[RowMessage]) -> None:
    """Raise ValidationError if any row has an error."""
    if errors:
        raise row_errors(errors)


def row_errors(errors: list[RowMessage]) -> ValidationError:
    """Return the error of a strict import, with the first rows that have errors."""
    first = sorted(errors, key=lambda error: error.row)[:MAX_ROWS_IN_ERROR]
    return ValidationError(
        f"{pluralize(len(errors), 'row')} of the file cannot be imported, so nothing was imported: see errors.",
        errors=tuple(FieldError(_to_text(error), pointer="#/file") for error in first),
    )


def _to_text(error: RowMessage) -> str:
    column = "" if error.column is None else f", column {error.column}"
    return f"row {error.row:,}{column}: {error.message}"
