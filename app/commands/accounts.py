"""The commands `task-timer user`: manage accounts directly in the database."""

from collections.abc import Awaitable, Callable

from pydantic import ValidationError as PydanticError

from app.commands.database_session import run_with_database
from app.config import Settings
from app.errors import CommandError, ServiceError
from app.security.passwords import passwords
from app.validation_errors import error_message
from documents.registry import open_database, open_database_without_setup
from services.accounts.schemas.users import UserCreate, UserRead
from services.accounts.users import user_service


class AccountError(CommandError):
    """The operation on the account failed."""


class Accounts:
    """The accounts in the database of these settings. Each operation raises AccountError if it fails."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        passwords.configure(memory_kib=settings.argon2_memory_kib, rounds=settings.argon2_rounds)

    def create(self, *, email: str, password: str, full_name: str | None, timezone: str) -> None:
        """Create an account, also if registration is closed."""
        user = _validated(email=email, password=password, full_name=full_name, timezone=timezone)
        self._run(lambda: user_service.register(user))

    def list_all(self, write_line: Callable[[str], object]) -> None:
        """Write a line for each account, the oldest first."""

        async def work() -> None:
            async for account in user_service.iterate_accounts():
                write_line("\t".join(map(_printable, account)))

        run_with_database(self._settings, open_database_without_setup, work, failure=AccountError)

    def reset_password(self, *, email: str, password: str) -> None:
        """Set the password and end all sessions."""
        user = _validated(email=email, password=password)
        self._run(lambda: user_service.reset_password(email=email, password=user.password))

    def set_active(self, *, email: str, active: bool) -> None:
        """Enable or disable the account."""
        self._run(lambda: user_service.set_active(email=email, active=active))

    def _run(self, work: Callable[[], Awaitable[UserRead]]) -> None:
        run_with_database(self._settings, open_database, work, failure=AccountError, sentence=_sentence)


def _validated(**fields: str | None) -> UserCreate:
    try:
        return UserCreate.model_validate({name: value for name, value in fields.items() if value is not None})
    except PydanticError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise AccountError(f"The {first['loc'][0]} is not accepted: {error_message(first)}.") from None


def _sentence(error: ServiceError) -> str:
    field = next(iter(error.errors), None)
    return f"The password {field.detail}." if field else str(error)


def _printable(text: str) -> str:
    """Replace the characters that a terminal would interpret."""
    return "".join(character if character.isprintable() else "?" for character in text)
