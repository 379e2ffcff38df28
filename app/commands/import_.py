"""What `task-timer import` does: a file read in as the API reads it, and what there is to say of it."""

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
from services.transfer.imports.opened_file import Progress
from services.transfer.schemas.imports import ImportForm, ImportRead, ImportRowMessage

MAX_LEFT_OUT = 10
"""How many rows are named that were left out: of a file that has grown there are many."""


class ImportFileError(CommandError):
    """The file is not read in, or with --strict a row of it is wrong; the text has a line for each thing."""


def import_file(
    settings: Settings,
    *,
    file: Path,
    email: str,
    asked: Mapping[str, Any],
    overlap: OverlapPolicy | None,
    progress: Progress,
) -> list[str]:
    """Reads the file in for this user, and answers what there is to say of it, in lines.

    Raises ImportFileError, FileError or EmbeddedStoreError.
    """
    form = _form(asked)

    async def work() -> ImportRead:
        user = await user_service.find_acting_user(email=email)
        return await import_service.run(user, file=opened, asked=form, overlap=overlap, progress=progress)

    with open_for_reading(file) as opened:
        said = run_with_database(settings, open_database, work, failure=ImportFileError, sentence=error_lines)
    return summary_lines(said)


def _form(asked: Mapping[str, Any]) -> ImportForm:
    try:
        return ImportForm.model_validate(asked)
    except PydanticError as error:
        raise ImportFileError(error_lines(ValidationError(errors=body_errors(error)))) from None


_OPTIONS = {"user": "rows_of"}
"""The fields of the form whose options have another name: --user is the account."""


def error_lines(refused: ServiceError) -> str:
    """What is wrong, a line each; of a field of the form by the name of its option."""
    wrong = []
    for error in refused.errors:
        field = (error.pointer or "").removeprefix("#/")
        field = _OPTIONS.get(field, field)
        if field != "file":
            wrong.append(f"--{field.replace('_', '-')} {error.detail}.")
        elif error.detail.startswith("row "):
            wrong.append(f"{error.detail[0].upper()}{error.detail[1:]}.")
        else:
            wrong.append(f"The file {error.detail}.")
    return "\n".join(wrong) or str(refused)


def summary_lines(read: ImportRead) -> list[str]:
    """Return what the import did, in lines."""
    created = read["created"]
    made = (
        f"{pluralize(created['entries'], 'entry', 'entries')}, {pluralize(created['tasks'], 'task')} and "
        f"{pluralize(created['projects'], 'project')}"
    )
    lines = [f"{made} {'would be made' if read['dry_run'] else 'made'}."]
    if read["duplicates"]:
        lines.append(f"{pluralize(read['duplicates'], 'row was', 'rows were')} left out:")
        lines += [f"row {left['row']:,}: {left['reason']}" for left in read["left_out"][:MAX_LEFT_OUT]]
        if read["duplicates"] > MAX_LEFT_OUT:
            lines.append("...")
    if read["skipped"]:
        lines.append(f"{pluralize(read['skipped'], 'row is', 'rows are')} no time of work.")
    lines += [_of_a_row(error) for error in read["errors"]]
    lines += [_of_a_row(notice) for notice in read["notices"]]
    if read["ignored_columns"]:
        lines.append(f"Columns that were passed over: {', '.join(read['ignored_columns'])}.")
    for field, column in read.get("columns", {}).items():
        lines.append(f"{field} is read from {column['header']}, such as: {' | '.join(column['values'])}")
    if read["id"] is not None:
        lines.append(f"Import {read['id']}: DELETE /imports/{read['id']} takes it back.")
    return lines


def _of_a_row(finding: ImportRowMessage) -> str:
    where = "the file" if finding["row"] == 0 else f"row {finding['row']:,}"
    column = "" if finding["column"] is None else f", column {finding['column']}"
    return f"{where}{column}: {finding['message']}"
