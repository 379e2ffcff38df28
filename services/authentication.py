"""Who is asking: signing in, and the user behind a bearer token."""

from dataclasses import dataclass

from bson import ObjectId
from cachetools import TTLCache

from app.errors import AuthenticationError
from app.security import AccessTokens, InvalidTokenError, passwords
from documents.base import Row, object_id
from documents.users import OverlapPolicy, User
from services.emails import email_key
from services.schemas.users import TokenRead

KNOWN_USERS = 10_000
KNOWN_SECONDS = 10
"""The longest that a user disabled by another process goes on being served by this one."""


class InvalidCredentialsError(AuthenticationError):
    """The e-mail address and the password do not belong together."""

    code = "invalid_credentials"
    detail = "The e-mail address or the password is wrong."


@dataclass(frozen=True, slots=True)
class ActingUser:
    """The user who is asking, with what the services go by."""

    id: ObjectId
    timezone: str
    overlap_policy: OverlapPolicy
    timer_cap_hours: int
    token_version: int
    week_start: int


class AuthenticationService:
    """Signs users in, and knows them again by their tokens."""

    def __init__(self) -> None:
        self._known: TTLCache[ObjectId, ActingUser] = TTLCache(KNOWN_USERS, KNOWN_SECONDS)
        self._changes = 0

    async def sign_in(self, tokens: AccessTokens, *, email: str, password: str) -> TokenRead:
        """A bearer token. Raises InvalidCredentialsError, equally late for an unknown e-mail address."""
        user = await User.with_email(email_key(email))
        right = await passwords.matches(password, user["password_hash"] if user else None)
        if user is None or not right or not user["is_active"]:
            raise InvalidCredentialsError
        token = tokens.issue(user_id=str(user["_id"]), token_version=user["token_version"])
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": int(tokens.lifetime.total_seconds()),
        }

    async def identify(self, tokens: AccessTokens, *, bearer: str) -> ActingUser:
        """The user behind a bearer token.

        Raises TokenExpiredError, or InvalidTokenError when the token is not ours, or its user is
        gone, disabled or has ended all sessions since.
        """
        claims = tokens.verify(bearer)
        user_id = object_id(claims.user_id)
        if user_id is None:
            raise InvalidTokenError
        known = self._known.get(user_id)
        if known is None or known.token_version != claims.token_version:
            known = await self._read(user_id)
        if known.token_version != claims.token_version:
            raise InvalidTokenError
        return known

    def forget(self, user_id: ObjectId) -> None:
        """Makes the next request of this user read the user again. To be called after the change, not before."""
        self._changes += 1
        self._known.pop(user_id, None)

    async def _read(self, user_id: ObjectId) -> ActingUser:
        seen = self._changes
        known = _acting(await User.with_id(user_id))
        if seen == self._changes:  # else what was read may be what was before the change
            self._known[user_id] = known
        return known


def _acting(user: Row | None) -> ActingUser:
    if user is None or not user["is_active"]:
        raise InvalidTokenError
    return acting_user(user)


def acting_user(user: Row) -> ActingUser:
    """A stored user as one who is asking."""
    return ActingUser(
        id=user["_id"],
        timezone=user["timezone"],
        overlap_policy=user["preferences"]["overlap_policy"],
        timer_cap_hours=user["preferences"]["timer_cap_hours"],
        token_version=user["token_version"],
        week_start=user["week_start"],
    )


authentication_service = AuthenticationService()
