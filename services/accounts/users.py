"""Accounts: registering, one's own profile, and what an administrator does from the shell."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal, NamedTuple

from app.errors import ConflictError, FieldError, NotFoundError, PermissionDeniedError, ValidationError
from app.security.passwords import passwords
from documents.accounts.users import User
from documents.common.base import DuplicateError, Row
from services.accounts.audit import audit_service
from services.accounts.authentication import authentication_service
from services.accounts.password_rules import require_a_good_password
from services.accounts.rate_limits import RateLimiter
from services.accounts.schemas.users import PasswordChange, UserCreate, UserRead, UserUpdate, read_user
from services.common.acting_user import ActingUser, acting_user
from services.common.values.emails import email_key, email_keys


class EmailTakenError(ConflictError):
    """There is an account of this e-mail address."""

    code = "email_taken"
    detail = "There is an account with this e-mail address already."


class RegistrationClosedError(PermissionDeniedError):
    """Strangers may not make accounts here."""

    code = "registration_closed"
    detail = "Registration is closed. Ask whoever runs this service for an account."


class UserNotFoundError(NotFoundError):
    """There is no such account."""

    detail = "There is no account with this e-mail address."


class WrongPasswordError(PermissionDeniedError):
    """The present password is not the one that was sent."""

    code = "wrong_password"
    detail = "The password is wrong."


AccountState = Literal["active", "disabled", "being deleted"]


class AccountLine(NamedTuple):
    """What a list of all accounts tells of one."""

    email: str
    state: AccountState
    created_on: str
    full_name: str


class UserService:
    """Accounts and profiles."""

    async def register_stranger(self, new: UserCreate, limiter: RateLimiter, *, registration_open: bool) -> UserRead:
        """The new user. Raises RateLimitError, RegistrationClosedError or EmailTakenError."""
        await limiter.admit_registration()
        if not registration_open:
            raise RegistrationClosedError
        return await self.register(new)

    async def register(self, new: UserCreate) -> UserRead:
        """The new user. Raises EmailTakenError, or ValidationError for a password that is easily guessed."""
        require_a_good_password(new.password, email=new.email, pointer="#/password")
        await self._require_a_free_address(new.email)
        user = User.new(
            email=new.email,
            email_key=email_key(new.email),
            password_hash=await passwords.hash(new.password),
            full_name=new.full_name,
            timezone=new.timezone,
        )
        try:
            return read_user(await user.add())
        except DuplicateError as taken:
            raise EmailTakenError from taken

    async def _require_a_free_address(self, email: str, user: ActingUser | None = None) -> None:
        """Raises EmailTakenError when another account has the address under a key of the older form.

        The unique index knows about the other key alone.
        """
        older = [key for key in email_keys(email) if key != email_key(email)]
        holder = await User.with_email(*older) if older else None
        if holder is not None and (user is None or holder["_id"] != user.id):
            raise EmailTakenError

    async def fold_email_keys(self) -> None:
        """Stores each account of an earlier version under the key of today. It may run any number of times.

        Of two accounts whose addresses are the same today, one keeps its older key: both go on signing in with
        the address that they were made with, and the doctor names the one that kept it.
        """
        for user in await User.all_beyond_ascii():
            key = email_key(user["email"])
            if key != user["email_key"]:
                with suppress(DuplicateError):
                    await User.change_email_key(user, key)

    async def accounts(self) -> AsyncIterator[AccountLine]:
        """All accounts, the oldest first: for whoever runs the service."""
        async for user in User.each():
            yield AccountLine(
                email=user["email"],
                state=_state(user),
                created_on=f"{user['created_at']:%Y-%m-%d}",
                full_name=user["full_name"] or "",
            )

    async def acting(self, *, email: str) -> ActingUser:
        """The user of this address, whom somebody at the shell acts for. Raises UserNotFoundError."""
        user = await User.with_email(*email_keys(email))
        if user is None:
            raise UserNotFoundError
        return acting_user(user)

    async def profile(self, user: ActingUser) -> UserRead:
        """The user's own profile."""
        return self._found(await User.with_id(user.id))

    async def change_profile(self, user: ActingUser, *, change: UserUpdate) -> UserRead:
        """The profile with the fields that were sent changed, preferences key by key.

        Raises WrongPasswordError, EmailTakenError, or ValidationError for an address without the password.
        """
        fields = change.model_dump(exclude_unset=True)
        password = fields.pop("current_password", None)
        if "email" in fields:
            fields["email_key"] = email_key(fields["email"])
        if "email" in fields or password is not None:
            await self._require_password_for_email(user, password)
        chosen = fields.pop("preferences", {})
        fields |= {f"preferences.{key}": value for key, value in chosen.items()}
        if not fields:
            return await self.profile(user)
        if "email" in fields:
            await self._require_a_free_address(fields["email"], user)
        try:
            changed = self._found(await User.change(user.id, fields))
        except DuplicateError as taken:
            raise EmailTakenError from taken
        authentication_service.forget(user.id)
        if "email" in fields:
            await audit_service.record(user.id, "email_changed")
        return changed

    async def _require_password_for_email(self, user: ActingUser, password: str | None) -> None:
        if password is None:
            wrong = "is missing: it is needed to change the e-mail address"
            raise ValidationError(errors=(FieldError(wrong, pointer="#/current_password"),))
        await self.require_password(user, password)

    async def change_password(self, user: ActingUser, *, change: PasswordChange) -> None:
        """Sets a new password and ends all sessions. Raises WrongPasswordError or ValidationError."""
        known = await self.require_password(user, change.current_password)
        require_a_good_password(change.new_password, email=known["email"], pointer="#/new_password")
        new_hash = await passwords.hash(change.new_password)
        # Of two changes at once, the one that comes later has checked a password that is none any more.
        if not await User.change_password(known, new_hash):
            raise WrongPasswordError
        authentication_service.forget(user.id)
        await audit_service.record(user.id, "password_changed")

    async def require_password(self, user: ActingUser, password: str) -> Row:
        """The user as stored. Raises WrongPasswordError."""
        known = await User.with_id(user.id)
        if known is None or not await passwords.matches(password, known["password_hash"]):
            raise WrongPasswordError
        return known

    async def reset_password(self, *, email: str, password: str) -> UserRead:
        """Sets a new password and ends all sessions. Raises UserNotFoundError or ValidationError."""
        require_a_good_password(password, email=email, pointer="#/password")
        return await self._change_account(email, {"password_hash": await passwords.hash(password)})

    async def set_active(self, *, email: str, active: bool) -> UserRead:
        """Disables or enables the account and ends all sessions. Raises UserNotFoundError."""
        return await self._change_account(email, {"is_active": active})

    async def _change_account(self, email: str, fields: Row) -> UserRead:
        user = await User.with_email(*email_keys(email))
        if user is None:
            raise UserNotFoundError
        changed = self._found(await User.change_and_end_sessions(user["_id"], fields))
        authentication_service.forget(user["_id"])
        return changed

    @staticmethod
    def _found(user: Row | None) -> UserRead:
        if user is None:
            raise UserNotFoundError
        return read_user(user)


def _state(user: Row) -> AccountState:
    if "deleted_at" in user:
        return "being deleted"
    return "active" if user["is_active"] else "disabled"


user_service = UserService()
