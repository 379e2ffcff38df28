"""Accounts: registration, the user's profile, and administration from the command line."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal, NamedTuple

from app.errors import ConflictError, FieldError, NotFoundError, PermissionDeniedError, ValidationError
from app.security.passwords import passwords
from documents.accounts.users import User, without_unset
from documents.common.base import DuplicateError, Row
from documents.common.outbox import outbox_item
from services.accounts.audit import audit_service
from services.accounts.authentication import authentication_service
from services.accounts.password_rules import require_strong_password
from services.accounts.rate_limits import RateLimiter
from services.accounts.schemas.users import PasswordChange, UserCreate, UserRead, UserUpdate, read_user
from services.common.acting_user import ActingUser, acting_user
from services.common.concurrency import retry_on_conflict
from services.common.values.emails import email_key, email_keys


class EmailTakenError(ConflictError):
    """The e-mail address belongs to another account."""

    code = "email_taken"
    detail = "An account with this e-mail address already exists."


class RegistrationClosedError(PermissionDeniedError):
    """The service does not allow public registration."""

    code = "registration_closed"
    detail = "Registration is closed. Ask the administrator of this service for an account."


class UserNotFoundError(NotFoundError):
    """The account does not exist."""

    detail = "No account with this e-mail address exists."


class WrongPasswordError(PermissionDeniedError):
    """The current password in the request is wrong."""

    code = "wrong_password"
    detail = "The password is wrong."


AccountState = Literal["active", "disabled", "being deleted"]


class AccountLine(NamedTuple):
    """An account in the list of all accounts."""

    email: str
    state: AccountState
    created_on: str
    full_name: str


class UserService:
    """Accounts and profiles."""

    async def sign_up(self, new: UserCreate, limiter: RateLimiter, *, registration_open: bool) -> UserRead:
        """Register a user through the API. Raises RateLimitError, RegistrationClosedError, and as `register` does."""
        await limiter.admit_registration()
        if not registration_open:
            raise RegistrationClosedError
        return await self.register(new)

    async def register(self, new: UserCreate) -> UserRead:
        """Register a user. Raises EmailTakenError, or ValidationError for a password that is easily guessed."""
        require_strong_password(new.password, email=new.email, pointer="#/password")
        await self._require_unused_email(new.email)
        user = User.new(
            email=new.email,
            email_key=email_key(new.email),
            password_hash=await passwords.hash(new.password),
            full_name=new.full_name,
            timezone=new.timezone,
        )
        try:
            return read_user(await user.add())
        except DuplicateError as error:
            raise EmailTakenError from error

    async def _require_unused_email(self, email: str, user: ActingUser | None = None) -> None:
        """Raise EmailTakenError when another account has the address under an e-mail key of the older form.

        The unique index only covers the current form.
        """
        older_keys = [key for key in email_keys(email) if key != email_key(email)]
        owner = await User.find_by_email(*older_keys) if older_keys else None
        if owner is not None and (user is None or owner["_id"] != user.id):
            raise EmailTakenError

    async def fold_email_keys(self) -> None:
        """Migrate the e-mail keys of earlier versions to the current form. It can run any number of times.

        If two accounts would get the same key, one keeps its older key. Both can still sign in with the address
        they were created with, and `task-timer doctor` reports the one with the older key.
        """
        for user in await User.find_with_non_ascii_email():
            key = email_key(user["email"])
            if key != user["email_key"]:
                with suppress(DuplicateError):
                    await User.change_email_key(user, key)

    async def iterate_accounts(self) -> AsyncIterator[AccountLine]:
        """Yield all accounts, oldest first. For the command line only."""
        async for user in User.iterate_all():
            yield AccountLine(
                email=user["email"],
                state=_state(user),
                created_on=f"{user['created_at']:%Y-%m-%d}",
                full_name=user["full_name"] or "",
            )

    async def find_acting_user(self, *, email: str) -> ActingUser:
        """Return the user with this address, on whose behalf a command runs. Raises UserNotFoundError."""
        user = await User.find_by_email(*email_keys(email))
        if user is None:
            raise UserNotFoundError
        return acting_user(user)

    async def get_profile(self, user: ActingUser) -> UserRead:
        """Return the user's profile."""
        return self._read_or_raise(await User.find_by_id(user.id))

    async def update_profile(self, user: ActingUser, *, change: UserUpdate) -> UserRead:
        """Change the fields that were sent, and return the profile. Preferences are merged key by key.

        Raises WrongPasswordError, EmailTakenError, or ValidationError for a new address without the password.
        """
        fields = change.model_dump(exclude_unset=True)
        password = fields.pop("current_password", None)
        if "email" in fields:
            fields["email_key"] = email_key(fields["email"])
        if "email" in fields or password is not None:
            await self._require_password_for_email(user, password)
        if not fields.get("preferences", True):
            del fields["preferences"]
        if not fields:
            return await self.get_profile(user)
        if "email" in fields:
            await self._require_unused_email(fields["email"], user)
        try:
            updated = read_user(await self.set_profile_fields(user, fields))
        except DuplicateError as error:
            raise EmailTakenError from error
        authentication_service.invalidate(user.id)
        if "email" in fields:
            await audit_service.record(user.id, "email_changed")
        return updated

    async def set_profile_fields(self, user: ActingUser, fields: Row) -> Row:
        """Set these stored fields, and return the user. Preferences are merged key by key. Raises UserNotFoundError."""

        async def try_update() -> Row | None:
            stored = await User.find_by_id(user.id)
            if stored is None:
                raise UserNotFoundError
            preferences = without_unset({**stored["preferences"], **fields.get("preferences", {})})
            return await User.update_if_unchanged(stored, {**fields, "preferences": preferences}, _user_updated)

        return await retry_on_conflict(user.id, try_update)

    async def _require_password_for_email(self, user: ActingUser, password: str | None) -> None:
        if password is None:
            detail = "is required to change the e-mail address"
            raise ValidationError(errors=(FieldError(detail, pointer="#/current_password"),))
        await self.require_password(user, password)

    async def change_password(self, user: ActingUser, *, change: PasswordChange) -> None:
        """Set a new password, and end all sessions. Raises WrongPasswordError or ValidationError."""
        stored = await self.require_password(user, change.current_password)
        require_strong_password(change.new_password, email=stored["email"], pointer="#/new_password")
        new_hash = await passwords.hash(change.new_password)
        # Of two concurrent changes, the later one has checked a password that is no longer current.
        if not await User.change_password(stored, new_hash):
            raise WrongPasswordError
        authentication_service.invalidate(user.id)
        await audit_service.record(user.id, "password_changed")

    async def require_password(self, user: ActingUser, password: str) -> Row:
        """Check the password, and return the stored user. Raises WrongPasswordError."""
        stored = await User.find_by_id(user.id)
        if stored is None or not await passwords.matches(password, stored["password_hash"]):
            raise WrongPasswordError
        return stored

    async def reset_password(self, *, email: str, password: str) -> UserRead:
        """Set a new password, and end all sessions. Raises UserNotFoundError or ValidationError."""
        require_strong_password(password, email=email, pointer="#/password")
        return await self._update_account(email, {"password_hash": await passwords.hash(password)})

    async def set_active(self, *, email: str, active: bool) -> UserRead:
        """Disable or enable the account, and end all sessions. Raises UserNotFoundError."""
        return await self._update_account(email, {"is_active": active})

    async def _update_account(self, email: str, fields: Row) -> UserRead:
        user = await User.find_by_email(*email_keys(email))
        if user is None:
            raise UserNotFoundError
        updated = self._read_or_raise(await User.update_fields_and_end_sessions(user["_id"], fields))
        authentication_service.invalidate(user["_id"])
        return updated

    @staticmethod
    def _read_or_raise(user: Row | None) -> UserRead:
        if user is None:
            raise UserNotFoundError
        return read_user(user)


def _user_updated(user: Row) -> list[Row]:
    return [outbox_item("user.updated", read_user(user))]


def _state(user: Row) -> AccountState:
    if "deleted_at" in user:
        return "being deleted"
    return "active" if user["is_active"] else "disabled"


user_service = UserService()
