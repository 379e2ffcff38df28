"""Authentication of requests by bearer token, with a short-lived cache."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from cachetools import TTLCache

from app.clock import aware_utc, utc_now
from app.security.bearer_secrets import is_api_token, sha256_of
from app.security.tokens import AccessTokens, Claims, InvalidTokenError, TokenExpiredError
from documents.accounts.api_tokens import ApiToken
from documents.accounts.refresh_tokens import RefreshToken
from documents.accounts.users import User
from documents.common.base import Row, object_id
from services.accounts.token_checks import AcceptedToken
from services.common.acting_user import ActingUser, acting_user

CACHE_SIZE = 10_000
CACHE_SECONDS = 10
"""How long this process still accepts a session that another process has ended."""

LAST_USED_RESOLUTION = timedelta(minutes=1)
"""`last_used_at` of an API token is written at most once in this time."""


@dataclass(frozen=True, slots=True)
class _CachedUser:
    """The user of a session or an API token, and when the token expires."""

    user: ActingUser
    expires_at: datetime | None = None


class AuthenticationService:
    """Authenticates users by their bearer tokens."""

    def __init__(self) -> None:
        self._cache: TTLCache[str, _CachedUser] = TTLCache(CACHE_SIZE, CACHE_SECONDS)
        self._invalidations = 0
        self.listeners: set[Callable[[ObjectId], None]] = set()
        """Called with the id of a user when a token of the user may have ended."""

    async def authenticate(self, tokens: AccessTokens, *, bearer: str) -> ActingUser:
        """Return the user of a bearer token: an access token of a session, or an API token.

        Raises TokenExpiredError, or InvalidTokenError when the token was not issued by this service or was revoked,
        its session has ended, or its user was deleted, was disabled or has ended all sessions since.
        """
        if is_api_token(bearer):
            return await self._authenticate_by_api_token(sha256_of(bearer))
        claims = tokens.verify(bearer)
        cached = self._cache.get(claims.session_id)
        if cached is None or cached.user.token_version != claims.token_version:
            cached = await self._load(claims.session_id, _load_by_session(claims))
        if cached.user.token_version != claims.token_version or str(cached.user.id) != claims.user_id:
            raise InvalidTokenError
        return cached.user

    async def accept(self, tokens: AccessTokens, *, bearer: str) -> AcceptedToken:
        """Authenticate by a bearer token, and return what must still be true of it later. Raises as authenticate."""
        user = await self.authenticate(tokens, bearer=bearer)
        if not is_api_token(bearer):
            expires_at = tokens.verify(bearer).expires_at
            return AcceptedToken(user.id, user.token_version, user.session_id, None, expires_at)
        token_hash = sha256_of(bearer)
        cached = self._cache.get(token_hash)
        if cached is None:
            cached = await _load_by_api_token(token_hash)
        return AcceptedToken(user.id, user.token_version, None, token_hash, cached.expires_at)

    async def _authenticate_by_api_token(self, token_hash: str) -> ActingUser:
        cached = self._cache.get(token_hash)
        if cached is None:
            cached = await self._load(token_hash, _load_by_api_token(token_hash))
        if cached.expires_at is not None and cached.expires_at <= utc_now():
            raise TokenExpiredError
        return cached.user

    def invalidate(self, user_id: ObjectId) -> None:
        """Remove the user from the cache, and call the listeners.

        Call it after a change of the user or of a token, not before.
        """
        self._invalidations += 1
        for key in [key for key, cached in self._cache.items() if cached.user.id == user_id]:
            self._cache.pop(key, None)
        for listener in [*self.listeners]:
            listener(user_id)

    async def _load(self, key: str, query: Coroutine[Any, Any, _CachedUser]) -> _CachedUser:
        invalidations = self._invalidations
        loaded = await query
        if invalidations == self._invalidations:  # otherwise the query may have read the state before the change
            self._cache[key] = loaded
        return loaded


async def _load_by_session(claims: Claims) -> _CachedUser:
    user_id, session_id = object_id(claims.user_id), object_id(claims.session_id)
    if user_id is None or session_id is None:
        raise InvalidTokenError
    user, is_active = await asyncio.gather(User.find_by_id(user_id), RefreshToken.is_active(session_id, user_id))
    if not is_active:
        raise InvalidTokenError
    return _CachedUser(acting_user(_require_active(user), session_id=session_id))


async def _load_by_api_token(token_hash: str) -> _CachedUser:
    token = await ApiToken.find_by_hash(token_hash)
    if token is None:
        raise InvalidTokenError
    user = _require_active(await User.find_by_id(token["user_id"]))
    expires_at = None if token["expires_at"] is None else aware_utc(token["expires_at"])
    now = utc_now()
    if expires_at is not None and expires_at <= now:
        raise TokenExpiredError
    if token["last_used_at"] is None or aware_utc(token["last_used_at"]) <= now - LAST_USED_RESOLUTION:
        await ApiToken.mark_used(token)
    return _CachedUser(acting_user(user, scopes=frozenset(token["scopes"])), expires_at)


def _require_active(user: Row | None) -> Row:
    if user is None or not user["is_active"]:
        raise InvalidTokenError
    return user


authentication_service = AuthenticationService()
