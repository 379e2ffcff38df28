"""The command `task-timer import`: import a file as the API does, and summarise the result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError as PydanticError

from app.commands.atomic_files import open_for_reading
from app.commands.database_session import run_with_database
from app.config import Settings
from app.errors import CommandError, ServiceError, ValidationError
from app.plural import pluralize
from app.validation_errors import body_errors
from documents.accounts.users import OverlapPolicy
from documents.registry import open_database
from services.accounts.users import user_service
from services.transfer.import_service import import_service
from services.transfer.imports.parsed_file import Progress
from services.transfer.schemas.imports import ImportForm, ImportRead, ImportRowMessage

MAX_LISTED_DUPLICATES = 10
"""How many of the rows that were not imported are listed. A file that is imported regularly has many."""


class ImportFileError(CommandError):
    """The import failed, with --strict also because of an invalid row. The message has a line for each error."""


def import_file(
    settings: Settings,
    *,
    file: Path,
    email: str,
    fields: Mapping[str, Any],
    overlap: OverlapPolicy | None,
    progress: Progress,
) -> list[str]:
    """Import the file for this user, and return the lines of the summary. `fields` are those of ImportForm.

    Raises ImportFileError, FileError or EmbeddedStoreError.
    """
    form = _form(fields)

    async def work() -> ImportRead:
        user = await user_service.find_acting_user(email=email)
        return await import_service.import_file(user, file=opened, form=form, overlap=overlap, progress=progress)

    with open_for_reading(file) as opened:
        result = run_with_database(settings, open_database, work, failure=ImportFileError, sentence=error_lines)
    return summary_lines(result)


def _form(fields: Mapping[str, Any]) -> ImportForm:
    try:
        return ImportForm.model_validate(fields)
    except PydanticError as error:
        raise ImportFileError(error_lines(ValidationError(errors=body_errors(error)))) from None


_OPTIONS = {"user": "rows_of"}
"""The fields of the form whose options have another name: --user is the account."""


def error_lines(refused: ServiceError) -> str:
    """Return a line for each error. A field of the form is named by its option."""
    lines = []
    for error in refused.errors:
        field = (error.pointer or "").removeprefix("#/")
        field = _OPTIONS.get(field, field)
        if field != "file":
            lines.append(f"--{field.replace('_', '-')} {error.detail}.")
        elif error.detail.startswith("row "):
            lines.append(f"{error.detail[0].upper()}{error.detail[1:]}.")
        else:
            lines.append(f"The file {error.detail}.")
    return "\n".join(lines) or str(refused)


def summary_lines(result: ImportRead) -> list[str]:
    """Return the summary of an import, in lines."""
    created = result["created"]
    counts = (
        f"{pluralize(created['entries'], 'entry', 'entries')}, {pluralize(created['tasks'], 'task')} and "
        f"{pluralize(created['projects'], 'project')}"
    )
    lines = [f"{counts} {'would be created' if result['dry_run'] else 'created'}."]
    if result["duplicates"]:
        lines.append(f"{pluralize(result['duplicates'], 'row was', 'rows were')} not imported:")
        lines += [f"row {row['row']:,}: {row['reason']}" for row in result["left_out"][:MAX_LISTED_DUPLICATES]]
        if result["duplicates"] > MAX_LISTED_DUPLICATES:
            lines.append("...")
    if result["skipped"]:
        lines.append(f"{pluralize(result['skipped'], 'row is', 'rows are')} not working time.")
    lines += [_row_line(error) for error in result["errors"]]
    lines += [_row_line(notice) for notice in result["notices"]]
    if result["ignored_columns"]:
        lines.append(f"Ignored columns: {', '.join(result['ignored_columns'])}.")
    for field, column in result.get("columns", {}).items():
        lines.append(f"{field} is read from {column['header']}, for example: {' | '.join(column['values'])}")
    if result["id"] is not None:
        lines.append(f"Import {result['id']}: DELETE /imports/{result['id']} undoes it.")
    return lines


def _row_line(message: ImportRowMessage) -> str:
    row = "the file" if message["row"] == 0 else f"row {message['row']:,}"
    column = "" if message["column"] is None else f", column {message['column']}"
    return f"{row}{column}: {message['message']}"
