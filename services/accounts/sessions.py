"""Sessions: begun by signing in, kept going by refresh tokens, ended by signing out or by a theft."""

from dataclasses import dataclass
from datetime import timedelta

from bson import ObjectId

from app.clock import aware_utc, utc_now
from app.config import Settings
from app.errors import AuthenticationError
from app.request_context import RequestContext, current_request
from app.security.bearer_secrets import RefreshSecret, RefreshSecrets
from app.security.passwords import passwords
from app.security.tokens import AccessTokens, InvalidTokenError
from documents.accounts.refresh_tokens import RefreshToken
from documents.accounts.users import User
from documents.common.base import Row
from services.accounts.audit import audit_service
from services.accounts.authentication import authentication_service
from services.accounts.rate_limits import RateLimiter
from services.accounts.schemas.users import TokenRead
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.values.emails import email_key, email_keys

FORGIVEN = timedelta(seconds=10)
"""How long a rotation may be asked for again by the same client: its answer may have been lost."""


class InvalidCredentialsError(AuthenticationError):
    """The e-mail address and the password do not belong together."""

    code = "invalid_credentials"
    detail = "The e-mail address or the password is wrong."


@dataclass(frozen=True, slots=True)
class TokenMaker:
    """What makes the tokens of this service."""

    access: AccessTokens
    refresh: RefreshSecrets
    refresh_lifetime: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "TokenMaker":
        """The tokens of a service with these settings."""
        return cls(
            AccessTokens.of(settings),
            RefreshSecrets.of(settings),
            timedelta(days=settings.refresh_token_expire_days),
        )


class SessionService:
    """The sessions of users, each a family of refresh tokens."""

    async def begin(self, tokens: TokenMaker, limiter: RateLimiter, *, email: str, password: str) -> TokenRead:
        """The tokens of a new session of the user who has this password.

        Raises InvalidCredentialsError or RateLimitError.
        """
        await limiter.admit_sign_in(email=email_key(email))
        user = await self._user_of(email, password)
        session_id = ObjectId()
        secret = RefreshSecret.first(str(session_id))
        await RefreshToken.new(
            session_id,
            user["_id"],
            token_hash=secret.hash,
            token_version=user["token_version"],
            lifetime=tokens.refresh_lifetime,
        ).add()
        await audit_service.record(user["_id"], "signed_in")
        return _read(tokens, user, secret)

    async def refresh(self, tokens: TokenMaker, limiter: RateLimiter, *, refresh_token: str) -> TokenRead:
        """The next tokens of the session, this one having been used.

        One that has been used before ends the session: somebody else has it too. But within 10 s the
        client that used it, told by its address and user agent, gets the same answer once more.
        Raises InvalidTokenError or RateLimitError.
        """
        await limiter.admit_refresh()
        secret, caller = RefreshSecret.parse(refresh_token), current_request()
        if secret is None:
            raise InvalidTokenError

        async def attempt() -> TokenRead | None:
            session, user = await self._live(ObjectId(secret.session_id))
            following = tokens.refresh.successor(secret)
            if session["token_hash"] == secret.hash:
                rotated = await RefreshToken.rotate(
                    session,
                    following.hash,
                    lifetime=tokens.refresh_lifetime,
                    address=caller.address,
                    user_agent=caller.user_agent,
                )
                if not rotated:
                    return None
                await audit_service.record(user["_id"], "token_refreshed")
                return _read(tokens, user, following)
            if _is_asked_again(session, secret, caller):
                return _read(tokens, user, following)
            await RefreshToken.revoke(session["_id"], session["user_id"])
            authentication_service.forget(session["user_id"])
            raise InvalidTokenError

        return await retry_on_conflict(attempt)

    async def end(self, user: ActingUser) -> None:
        """Ends the session that the user is asking in: its tokens are void here at once, elsewhere within 10 s."""
        if user.session_id is not None:
            await RefreshToken.revoke(user.session_id, user.id)
        authentication_service.forget(user.id)
        await audit_service.record(user.id, "signed_out")

    async def _user_of(self, email: str, password: str) -> Row:
        """The user who has this password. Raises InvalidCredentialsError, equally late for an unknown address."""
        user = await User.with_email(*email_keys(email))
        check = await passwords.check(password, user["password_hash"] if user else None)
        if user is None or not check.is_match or not user["is_active"]:
            if user is not None:
                audit_service.record_soon(user["_id"], "sign_in_failed")
            raise InvalidCredentialsError
        if check.is_outdated:
            await User.renew_hash(user, await passwords.hash(password))
        return user

    async def _live(self, session_id: ObjectId) -> tuple[Row, Row]:
        """The session and its user. Raises InvalidTokenError when either has ended."""
        session = await RefreshToken.find_known(session_id)
        if session is None or session["revoked_at"] is not None:
            raise InvalidTokenError
        user = await User.with_id(session["user_id"])
        if user is None or not user["is_active"] or user["token_version"] != session["token_version"]:
            raise InvalidTokenError
        return session, user


def _read(tokens: TokenMaker, user: Row, secret: RefreshSecret) -> TokenRead:
    access_token = tokens.access.issue(
        user_id=str(user["_id"]), session_id=secret.session_id, token_version=user["token_version"]
    )
    return {
        "access_token": access_token,
        "token_type": "bearer",
        "expires_in": int(tokens.access.lifetime.total_seconds()),
        "refresh_token": str(secret),
    }


def _is_asked_again(session: Row, secret: RefreshSecret, caller: RequestContext) -> bool:
    since = utc_now() - FORGIVEN
    return any(
        rotation["hash"] == secret.hash
        and aware_utc(rotation["rotated_at"]) > since
        and (rotation["address"], rotation["user_agent"]) == (caller.address, caller.user_agent)
        for rotation in session["rotated"]
    )


session_service = SessionService()
