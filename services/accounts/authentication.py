"""Who is asking: the user behind a bearer token."""

import asyncio
from collections.abc import Coroutine
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
from services.common.acting_user import ActingUser, acting_user

KNOWN = 10_000
KNOWN_SECONDS = 10
"""The longest that a session ended by another process goes on being served by this one."""

USE_IS_WRITTEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Known:
    """Who a session or an API token stands for, and until when."""

    user: ActingUser
    expires_at: datetime | None = None


class AuthenticationService:
    """Knows users by their tokens."""

    def __init__(self) -> None:
        self._known: TTLCache[str, _Known] = TTLCache(KNOWN, KNOWN_SECONDS)
        self._changes = 0

    async def identify(self, tokens: AccessTokens, *, bearer: str) -> ActingUser:
        """The user behind a bearer token: an access token of a session, or an API token.

        Raises TokenExpiredError, or InvalidTokenError when the token is not ours or was revoked, or its
        session has ended, or its user is gone, disabled or has ended all sessions since.
        """
        if is_api_token(bearer):
            return await self._identify_by_api_token(sha256_of(bearer))
        claims = tokens.verify(bearer)
        known = self._known.get(claims.session_id)
        if known is None or known.user.token_version != claims.token_version:
            known = await self._learn(claims.session_id, _behind_a_session(claims))
        if known.user.token_version != claims.token_version or str(known.user.id) != claims.user_id:
            raise InvalidTokenError
        return known.user

    async def _identify_by_api_token(self, token_hash: str) -> ActingUser:
        known = self._known.get(token_hash)
        if known is None:
            known = await self._learn(token_hash, _behind_an_api_token(token_hash))
        if known.expires_at is not None and known.expires_at <= utc_now():
            raise TokenExpiredError
        return known.user

    def forget(self, user_id: ObjectId) -> None:
        """Makes the next request of this user read the user again. To be called after the change, not before."""
        self._changes += 1
        for key in [key for key, known in self._known.items() if known.user.id == user_id]:
            self._known.pop(key, None)

    async def _learn(self, key: str, reading: Coroutine[Any, Any, _Known]) -> _Known:
        seen = self._changes
        known = await reading
        if seen == self._changes:  # else what was read may be what was before the change
            self._known[key] = known
        return known


async def _behind_a_session(claims: Claims) -> _Known:
    user_id, session_id = object_id(claims.user_id), object_id(claims.session_id)
    if user_id is None or session_id is None:
        raise InvalidTokenError
    user, is_live = await asyncio.gather(User.with_id(user_id), RefreshToken.is_live(session_id, user_id))
    if not is_live:
        raise InvalidTokenError
    return _Known(acting_user(_active(user), session_id=session_id))


async def _behind_an_api_token(token_hash: str) -> _Known:
    token = await ApiToken.find_known(token_hash)
    if token is None:
        raise InvalidTokenError
    user = _active(await User.with_id(token["user_id"]))
    expires_at = None if token["expires_at"] is None else aware_utc(token["expires_at"])
    now = utc_now()
    if expires_at is not None and expires_at <= now:
        raise TokenExpiredError
    if token["last_used_at"] is None or aware_utc(token["last_used_at"]) <= now - USE_IS_WRITTEN_EVERY:
        await ApiToken.mark_used(token)
    return _Known(acting_user(user, scopes=frozenset(token["scopes"])), expires_at)


def _active(user: Row | None) -> Row:
    if user is None or not user["is_active"]:
        raise InvalidTokenError
    return user


authentication_service = AuthenticationService()
