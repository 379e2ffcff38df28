"""Sessions: sign-in, token refresh with rotation, and sign-out."""

from dataclasses import dataclass
from datetime import timedelta

from bson import ObjectId

from app.clock import aware_utc, utc_now
from app.config import Settings
from app.errors import AuthenticationError, NotFoundError, RateLimitError
from app.request_context import RequestContext, current_request
from app.security.bearer_secrets import RefreshSecret, RefreshSecrets
from app.security.passwords import passwords
from app.security.tokens import AccessTokens, InvalidTokenError
from documents.accounts.refresh_tokens import RefreshToken
from documents.accounts.users import User
from documents.common.base import Row, object_id
from services.accounts.audit import audit_service
from services.accounts.authentication import authentication_service
from services.accounts.rate_limits import RateLimiter
from services.accounts.schemas.sessions import SessionPage, read_session
from services.accounts.schemas.users import TokenRead
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.values.emails import email_key, email_keys
from services.common.values.fields import PageQuery

REUSE_GRACE_PERIOD = timedelta(seconds=10)
"""How long the same client may repeat a refresh with the same token, because the response may have been lost."""


class InvalidCredentialsError(AuthenticationError):
    """The e-mail address is unknown, or the password is wrong."""

    code = "invalid_credentials"
    detail = "The e-mail address or the password is wrong."


class SessionNotFoundError(NotFoundError):
    """The session does not exist, has ended, or belongs to another user."""

    code = "session_not_found"
    detail = "There is no such session."


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Issues the access and refresh tokens of this service."""

    access: AccessTokens
    refresh: RefreshSecrets
    refresh_lifetime: timedelta

    @classmethod
    def from_settings(cls, settings: Settings) -> "TokenIssuer":
        """Return the token issuer for these settings."""
        return cls(
            AccessTokens.from_settings(settings),
            RefreshSecrets.from_settings(settings),
            timedelta(days=settings.refresh_token_expire_days),
        )


class SessionService:
    """The sessions of users, each a family of refresh tokens."""

    async def sign_in(self, tokens: TokenIssuer, limiter: RateLimiter, *, email: str, password: str) -> TokenRead:
        """Begin a session and return its tokens. Raises InvalidCredentialsError or RateLimitError."""
        await limiter.admit_sign_in(email=email_key(email))
        user = await self._check_password(email, password)
        session_id, caller = ObjectId(), current_request()
        secret = tokens.refresh.first(str(session_id))
        await RefreshToken.new(
            session_id,
            user["_id"],
            token_hash=secret.hash,
            token_version=user["token_version"],
            lifetime=tokens.refresh_lifetime,
            address=caller.address,
            user_agent=caller.user_agent,
        ).add()
        await audit_service.record(user["_id"], "signed_in")
        return _token_read(tokens, user, secret)

    async def refresh(self, tokens: TokenIssuer, limiter: RateLimiter, *, refresh_token: str) -> TokenRead:
        """Replace the refresh token, and return the next tokens of the session.

        A token that was used before ends the session, because somebody else has it too. Within 10 s, the same
        client (by address and user agent) gets the same tokens again instead. Raises InvalidTokenError or
        RateLimitError.
        """
        await limiter.admit_refresh()
        secret, caller = RefreshSecret.parse(refresh_token), current_request()
        if secret is None:
            raise InvalidTokenError

        async def attempt() -> TokenRead | None:
            session, user = await self._find_active(ObjectId(secret.session_id))
            successor = tokens.refresh.successor(secret)
            if session["token_hash"] == secret.hash:
                rotated = await RefreshToken.rotate(
                    session,
                    successor.hash,
                    lifetime=tokens.refresh_lifetime,
                    address=caller.address,
                    user_agent=caller.user_agent,
                )
                if not rotated:
                    return None
                await audit_service.record(user["_id"], "token_refreshed")
                return _token_read(tokens, user, successor)
            if _is_repeated_refresh(session, secret, caller):
                return _token_read(tokens, user, successor)
            # A guessed token must not end the session of somebody else.
            if tokens.refresh.is_issued(secret):
                await RefreshToken.revoke(session["_id"], session["user_id"])
                authentication_service.invalidate(session["user_id"])
            raise InvalidTokenError

        return await retry_on_conflict(secret.session_id, attempt)

    async def sign_out(self, limiter: RateLimiter, *, user: ActingUser | None, refresh_token: str | None) -> None:
        """End the session of the user's access token and that of the refresh token, of which one may be missing.

        Their tokens are invalid in this process at once, in others within 10 s. Raises InvalidTokenError or
        RateLimitError if there is only a refresh token, and it is not valid or there are too many.
        """
        ended = None if user is None else user.session_id
        if user is not None:
            await self._end(user.session_id, user.id)
        try:
            session = None if refresh_token is None else await self._find_by_token(limiter, refresh_token)
        except (InvalidTokenError, RateLimitError):
            if user is None:
                raise
            return
        if session is not None and session["_id"] != ended:
            await self._end(session["_id"], session["user_id"])

    async def list_sessions(self, user: ActingUser, *, query: PageQuery) -> SessionPage:
        """Return a page of the user's active sessions, the last used first. Raises InvalidCursorError."""
        scope = cursor_scope("sessions", user.id, query)
        position = None if query.cursor is None else decode_cursor(query.cursor, scope=scope)
        after = None if position is None or position.id is None else (position.value, position.id)
        rows = await RefreshToken.find_active_page(user.id, user.token_version, after=after, limit=query.limit + 1)
        sessions, next_cursor = page_of(
            rows, limit=query.limit, position=lambda row: Position(row["updated_at"], row["_id"]), scope=scope
        )
        items = [read_session(session, current_id=user.session_id) for session in sessions]
        return {"items": items, "next_cursor": next_cursor}

    async def revoke(self, user: ActingUser, *, session_id: str) -> None:
        """End a session of the user: in this process at once, in others within 10 s. Raises SessionNotFoundError."""
        parsed_id = object_id(session_id)
        if parsed_id is None or not await RefreshToken.revoke(parsed_id, user.id):
            raise SessionNotFoundError
        authentication_service.invalidate(user.id)
        await audit_service.record(user.id, "session_revoked", id=session_id)

    async def _end(self, session_id: ObjectId | None, user_id: ObjectId) -> None:
        if session_id is not None:
            await RefreshToken.revoke(session_id, user_id)
        authentication_service.invalidate(user_id)
        await audit_service.record(user_id, "signed_out")

    async def _find_by_token(self, limiter: RateLimiter, refresh_token: str) -> Row:
        """Return the active session of a refresh token, which may be one of the last that were replaced."""
        await limiter.admit_refresh()
        secret = RefreshSecret.parse(refresh_token)
        if secret is None:
            raise InvalidTokenError
        session, _ = await self._find_active(ObjectId(secret.session_id))
        if secret.hash not in {session["token_hash"], *(rotation["hash"] for rotation in session["rotated"])}:
            raise InvalidTokenError
        return session

    async def _check_password(self, email: str, password: str) -> Row:
        """Return the user with this address and password. Raises InvalidCredentialsError.

        An unknown address takes as long as a wrong password, so that the time does not reveal accounts.
        """
        user = await User.find_by_email(*email_keys(email))
        check = await passwords.check(password, user["password_hash"] if user else None)
        if user is None or not check.is_match or not user["is_active"]:
            if user is not None:
                audit_service.record_in_background(user["_id"], "sign_in_failed")
            raise InvalidCredentialsError
        if check.is_outdated:
            await User.upgrade_password_hash(user, await passwords.hash(password))
        return user

    async def _find_active(self, session_id: ObjectId) -> tuple[Row, Row]:
        """Return the session and its user. Raises InvalidTokenError when either is no longer active."""
        session = await RefreshToken.find_unexpired(session_id)
        if session is None or session["revoked_at"] is not None:
            raise InvalidTokenError
        user = await User.find_by_id(session["user_id"])
        if user is None or not user["is_active"] or user["token_version"] != session["token_version"]:
            raise InvalidTokenError
        return session, user


def _token_read(tokens: TokenIssuer, user: Row, secret: RefreshSecret) -> TokenRead:
    access_token = tokens.access.issue(
        user_id=str(user["_id"]), session_id=secret.session_id, token_version=user["token_version"]
    )
    return {
        "access_token": access_token,
        "token_type": "bearer",
        "expires_in": int(tokens.access.lifetime.total_seconds()),
        "refresh_token": str(secret),
    }


def _is_repeated_refresh(session: Row, secret: RefreshSecret, caller: RequestContext) -> bool:
    since = utc_now() - REUSE_GRACE_PERIOD
    return any(
        rotation["hash"] == secret.hash
        and aware_utc(rotation["rotated_at"]) > since
        and (rotation["address"], rotation["user_agent"]) == (caller.address, caller.user_agent)
        for rotation in session["rotated"]
    )


session_service = SessionService()
