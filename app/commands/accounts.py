"""What an administrator does to accounts from the shell, on the database itself."""

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
    """What was asked for cannot be done."""


class Accounts:
    """The accounts in the database of these settings. Each operation raises AccountError when it cannot be done."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        passwords.configure(memory_kib=settings.argon2_memory_kib, rounds=settings.argon2_rounds)

    def create(self, *, email: str, password: str, full_name: str | None, timezone: str) -> None:
        """Makes an account, also where registration is closed."""
        new = _checked(email=email, password=password, full_name=full_name, timezone=timezone)
        self._do(lambda: user_service.register(new))

    def tell_of_all(self, tell: Callable[[str], object]) -> None:
        """Tells of each account, the oldest first, in a line."""

        async def work() -> None:
            async for account in user_service.iterate_accounts():
                tell("\t".join(map(_on_one_line, account)))

        run_with_database(self._settings, open_database_without_setup, work, failure=AccountError)

    def reset_password(self, *, email: str, password: str) -> None:
        """Sets the password and ends all sessions."""
        new = _checked(email=email, password=password)
        self._do(lambda: user_service.reset_password(email=email, password=new.password))

    def set_active(self, *, email: str, active: bool) -> None:
        """Lets the user sign in, or no more."""
        self._do(lambda: user_service.set_active(email=email, active=active))

    def _do(self, work: Callable[[], Awaitable[UserRead]]) -> None:
        run_with_database(self._settings, open_database, work, failure=AccountError, sentence=_sentence)


def _checked(**fields: str | None) -> UserCreate:
    try:
        return UserCreate.model_validate({name: value for name, value in fields.items() if value is not None})
    except PydanticError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        raise AccountError(f"The {found['loc'][0]} is not accepted: {error_message(found)}.") from None


def _sentence(refused: ServiceError) -> str:
    wrong = next(iter(refused.errors), None)
    return f"The password {wrong.detail}." if wrong else str(refused)


def _on_one_line(text: str) -> str:
    """The text for a terminal, which obeys characters that nobody sees."""
    return "".join(character if character.isprintable() else "?" for character in text)
