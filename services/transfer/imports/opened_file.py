"""A file that has been read, whatever it holds, and what can be done with it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.errors import FieldError, ValidationError
from app.plural import pluralize
from documents.common.base import Row
from documents.transfer.import_batches import ImportBatch, ImportFormat
from services.tracking.schemas.overlaps import OverlapRead
from services.transfer.import_formats.results import RowMessage
from services.transfer.imports.lease import ImportTakenOverError, require_hold
from services.transfer.imports.undo import Undoing
from services.transfer.schemas.imports import ImportRead, read_import

MAX_REFUSED = 100
"""How many rows a refusal lists."""

Progress = Callable[[int, int], object]
"""Told how many rows of how many are done."""


def unwatched(_done: int, _of: int) -> None:
    """For whoever does not look at the progress."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What an import would answer, and all that is wrong with rows."""

    answer: ImportRead
    errors: list[RowMessage]


@dataclass(frozen=True, slots=True)
class Written:
    """What is to be kept of an import whose rows are written, and the time that was there before."""

    fields: Row
    overlaps: list[OverlapRead] | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that has been read, and is sound as a whole.

    `rehearse` writes nothing; `write` writes for an import that is in the hands of the caller. Both
    need the file still where `needs_the_file` says so.
    """

    format: ImportFormat
    digest: str
    rows: int
    rehearse: Callable[[], Awaitable[Rehearsed]]
    write: Callable[[Row], Awaitable[Written]]
    needs_the_file: bool = False


async def read_in(opened: Opened, batch: Row, *, strict: bool) -> ImportRead:
    """The import once it is done, nobody's any more.

    Raises ImportTakenOverError; and ValidationError where `strict` minds a row that somebody has tracked time beside
    since the rehearsal: then nothing is left of what was written, and the import is still the caller's.
    """
    written = await opened.write(batch)
    if strict:
        await _require_no_errors(batch)
    done = await ImportBatch.let_go(batch, "done", **written.fields)
    if done is None:
        raise ImportTakenOverError
    return read_import(done, written.overlaps)


async def _require_no_errors(batch: Row) -> None:
    stored = await ImportBatch.find(batch["user_id"], batch["_id"])
    if stored is not None and stored["errors"]:
        await give_back(batch)
        require_sound([RowMessage(**error) for error in stored["errors"]])


async def give_back(batch: Row) -> None:
    """Takes back what an import in the hands of the caller has written. Raises ImportTakenOverError."""
    await Undoing(batch).run()
    nothing = {"projects": 0, "tasks": 0, "entries": 0}
    await require_hold(ImportBatch.note(batch, {"created": nothing}))


def require_sound(errors: list[RowMessage]) -> None:
    """Raises ValidationError when there is anything wrong with a row."""
    if errors:
        raise refusal(errors)


def refusal(errors: list[RowMessage]) -> ValidationError:
    """What is said of a file that is to be read in whole or not at all."""
    listed = sorted(errors, key=lambda error: error.row)[:MAX_REFUSED]
    told = tuple(FieldError(_told(error), pointer="#/file") for error in listed)
    return ValidationError(
        f"{pluralize(len(errors), 'row')} of the file cannot be taken over, so nothing was: see errors.",
        errors=told,
    )


def _told(error: RowMessage) -> str:
    column = "" if error.column is None else f", column {error.column}"
    return f"row {error.row:,}{column}: {error.message}"
