"""What `task-timer export` does: a file as the API answers it."""

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
    """The file cannot be made."""


def export(
    settings: Settings,
    *,
    file: Destination,
    form: FileFormat,
    email: str,
    query: Mapping[str, Any],
    tell: Callable[[int], object],
) -> int:
    """Writes the file of this user and answers its size; `tell` is told how many bytes came at a time.

    Raises ExportError, FileError or EmbeddedStoreError, and then a regular file is still as it was.
    """
    with file.opened() as opened:

        async def work() -> int:
            made = _made(form, query, await user_service.find_acting_user(email=email))
            return await _write(opened, made.contents, tell)

        return run_with_database(settings, open_database_without_setup, work, failure=ExportError, sentence=_sentence)


def _made(form: FileFormat, query: Mapping[str, Any], user: ActingUser) -> ExportFile:
    if form == "account":
        if query:
            raise ExportError(f"An account is exported as a whole: --{next(iter(query))} is of no use.")
        return export_service.account(user)
    try:
        asked = CsvQuery.model_validate(query)
    except PydanticError as error:
        raise ValidationError(errors=query_errors(error)) from None
    csv_form = CsvDialect(asked.bom, asked.delimiter, asked.decimal) if form == "csv" else None
    return export_service.entries(user, query=asked, form=form, csv_form=csv_form)


def _sentence(refused: ServiceError) -> str:
    if not refused.errors:
        return str(refused)
    wrong = refused.errors[0]
    return f"--{str(wrong.parameter).replace('_', '-')} {wrong.detail}."


async def _write(file: BinaryIO, contents: AsyncGenerator[bytes, None], tell: Callable[[int], object]) -> int:
    written = 0
    async with aclosing(contents):
        async for piece in contents:
            written += file.write(piece)
            tell(len(piece))
    return written
