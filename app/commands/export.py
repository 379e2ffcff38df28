"""The command `task-timer export`: write the file that the API would return."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, BinaryIO, Literal

from pydantic import ValidationError as PydanticError

from app.commands.atomic_files import Destination
from app.commands.database_session import run_with_database
from app.config import Settings
from app.errors import CommandError, ServiceError, ValidationError
from app.validation_errors import query_errors
from documents.registry import open_database_without_setup
from services.accounts.users import user_service
from services.common.acting_user import ActingUser
from services.transfer.export_formats.csv_file import CsvDialect
from services.transfer.exports import EntryFormat, ExportFile, export_service
from services.transfer.schemas.exports import CsvQuery

FileFormat = EntryFormat | Literal["account"]


class ExportError(CommandError):
    """The export failed."""


def export(
    settings: Settings,
    *,
    file: Destination,
    form: FileFormat,
    email: str,
    query: Mapping[str, Any],
    on_progress: Callable[[int], object],
) -> int:
    """Write the file of this user and return its size in bytes. `on_progress` gets the size of each part.

    Raises ExportError, FileError or EmbeddedStoreError. A regular file is then unchanged.
    """
    with file.open() as opened:

        async def work() -> int:
            export_file = _export_file(form, query, await user_service.find_acting_user(email=email))
            return await _write(opened, export_file.contents, on_progress)

        return run_with_database(settings, open_database_without_setup, work, failure=ExportError, sentence=_sentence)


def _export_file(form: FileFormat, query: Mapping[str, Any], user: ActingUser) -> ExportFile:
    if form == "account":
        if query:
            raise ExportError(f"The account is exported as a whole: --{next(iter(query))} cannot be used.")
        return export_service.export_account(user)
    try:
        validated = CsvQuery.model_validate(query)
    except PydanticError as error:
        raise ValidationError(errors=query_errors(error)) from None
    dialect = CsvDialect(validated.bom, validated.delimiter, validated.decimal) if form == "csv" else None
    return export_service.export_entries(user, query=validated, format=form, dialect=dialect)


def _sentence(error: ServiceError) -> str:
    if not error.errors:
        return str(error)
    first = error.errors[0]
    return f"--{str(first.parameter).replace('_', '-')} {first.detail}."


async def _write(file: BinaryIO, contents: AsyncGenerator[bytes, None], on_progress: Callable[[int], object]) -> int:
    written = 0
    async with aclosing(contents):
        async for chunk in contents:
            written += file.write(chunk)
            on_progress(len(chunk))
    return written
