"""Accounts: registering, one's own profile, and what an administrator does from the shell."""

from app.errors import ConflictError, NotFoundError, PermissionDeniedError
from app.security import passwords
from documents.base import DuplicateError, Row
from documents.users import User
from services.authentication import ActingUser, acting_user, authentication_service
from services.emails import email_key
from services.schemas.users import UserCreate, UserRead, UserUpdate, read_user


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


class UserService:
    """Accounts and profiles."""

    async def register(self, new: UserCreate, *, registration_open: bool = True) -> UserRead:
        """The new user. Raises RegistrationClosedError or EmailTakenError."""
        if not registration_open:
            raise RegistrationClosedError
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

    async def acting(self, *, email: str) -> ActingUser:
        """The user of this address, whom somebody at the shell acts for. Raises UserNotFoundError."""
        user = await User.with_email(email_key(email))
        if user is None:
            raise UserNotFoundError
        return acting_user(user)

    async def profile(self, user: ActingUser) -> UserRead:
        """The user's own profile."""
        return self._found(await User.with_id(user.id))

    async def change_profile(self, user: ActingUser, *, change: UserUpdate) -> UserRead:
        """The profile with the fields that were sent changed, preferences key by key."""
        fields = change.model_dump(exclude_unset=True)
        chosen = fields.pop("preferences", {})
        fields |= {f"preferences.{key}": value for key, value in chosen.items()}
        if not fields:
            return await self.profile(user)
        changed = self._found(await User.change(user.id, fields))
        authentication_service.forget(user.id)
        return changed

    async def reset_password(self, *, email: str, password: str) -> UserRead:
        """Sets a new password and ends all sessions. Raises UserNotFoundError."""
        return await self._change_account(email, {"password_hash": await passwords.hash(password)})

    async def set_active(self, *, email: str, active: bool) -> UserRead:
        """Disables or enables the account and ends all sessions. Raises UserNotFoundError."""
        return await self._change_account(email, {"is_active": active})

    async def _change_account(self, email: str, fields: Row) -> UserRead:
        user = await User.with_email(email_key(email))
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


user_service = UserService()
