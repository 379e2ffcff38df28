"""What `task-timer export` does: a file as the API answers it, written whole or not at all."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError as PydanticError

from app.config import Settings
from app.errors import CommandError, ServiceError, ValidationError
from app.files import whole_or_not_at_all
from app.findings import among_parameters
from app.on_the_database import on_the_database
from documents.opening import open_as_it_is
from services.authentication import ActingUser
from services.exports import EntryFormat, ExportFile, export_service
from services.schemas.exports import CsvQuery
from services.users import user_service

FileFormat = EntryFormat | Literal["account"]


class ExportError(CommandError):
    """The file cannot be made."""


def export(
    settings: Settings,
    *,
    file: Path,
    form: FileFormat,
    email: str,
    query: Mapping[str, Any],
    tell: Callable[[int], object],
) -> int:
    """Writes the file of this user and answers its size; `tell` is told how many bytes came at a time.

    Raises ExportError or EmbeddedStoreError, and then there is no file, or still the one that was.
    """

    async def work() -> int:
        made = _made(form, query, await user_service.acting(email=email))
        try:
            return await _write(file, made.contents, tell)
        except OSError as error:
            raise ExportError(f"{file} cannot be written: {error.strerror}.") from error

    return on_the_database(settings, open_as_it_is, work, failure=ExportError, sentence=_sentence)


def _made(form: FileFormat, query: Mapping[str, Any], user: ActingUser) -> ExportFile:
    if form == "account":
        if query:
            raise ExportError(f"An account is exported as a whole: --{next(iter(query))} is of no use.")
        return export_service.account(user)
    try:
        asked = CsvQuery.model_validate(query)
    except PydanticError as error:
        raise ValidationError(errors=among_parameters(error)) from None
    return export_service.entries(user, query=asked, form=form, bom=asked.bom)


def _sentence(refused: ServiceError) -> str:
    if not refused.errors:
        return str(refused)
    wrong = refused.errors[0]
    return f"--{str(wrong.parameter).replace('_', '-')} {wrong.detail}."


async def _write(file: Path, contents: AsyncGenerator[bytes, None], tell: Callable[[int], object]) -> int:
    written = 0
    with whole_or_not_at_all(file) as part:
        async with aclosing(contents):
            async for piece in contents:
                written += part.write(piece)
                tell(len(piece))
    return written
