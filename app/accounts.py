"""What an administrator does to accounts from the shell, on the database itself."""

import asyncio
from collections.abc import Awaitable, Callable

from pydantic import SecretStr
from pydantic import ValidationError as PydanticError
from pymongo.errors import PyMongoError

from app.config import Settings
from app.embedded import database_url
from app.errors import ServiceError
from app.problems import sentence
from documents.opening import open_database
from services.schemas.users import UserCreate, UserRead
from services.users import user_service


class AccountError(Exception):
    """What was asked for cannot be done; the text says why in one sentence."""


def create(settings: Settings, *, email: str, password: str, full_name: str | None, timezone: str) -> UserRead:
    """The new account, also where registration is closed. Raises AccountError."""
    new = _checked(email=email, password=password, full_name=full_name, timezone=timezone)
    return _on_the_database(settings, lambda: user_service.register(new))


def reset_password(settings: Settings, *, email: str, password: str) -> UserRead:
    """The account, with a new password and no session. Raises AccountError."""
    checked = _checked(email=email, password=password)
    return _on_the_database(settings, lambda: user_service.reset_password(email=email, password=checked.password))


def set_active(settings: Settings, *, email: str, active: bool) -> UserRead:
    """The account, able to sign in or no more. Raises AccountError."""
    return _on_the_database(settings, lambda: user_service.set_active(email=email, active=active))


def _checked(**fields: str | None) -> UserCreate:
    try:
        return UserCreate.model_validate({name: value for name, value in fields.items() if value is not None})
    except PydanticError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        raise AccountError(f"The {found['loc'][0]} is not accepted: {sentence(found)}.") from None


def _on_the_database(settings: Settings, work: Callable[[], Awaitable[UserRead]]) -> UserRead:
    with database_url(settings) as url:
        return asyncio.run(_connected(settings.model_copy(update={"database_url": SecretStr(url)}), work))


async def _connected(settings: Settings, work: Callable[[], Awaitable[UserRead]]) -> UserRead:
    try:
        async with open_database(settings):
            return await work()
    except ServiceError as refused:
        raise AccountError(str(refused)) from refused
    except PyMongoError as silent:
        raise AccountError("The database does not answer.") from silent
