"""Secrets: the key of the service, password hashes, access tokens."""

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from cachetools import TTLCache
from jose import ExpiredSignatureError, JWTError, jwt
from passlib.context import CryptContext
from passlib.hash import argon2

from app.clock import utc_now
from app.config import Settings
from app.errors import AuthenticationError
from app.password_forms import forms_of, prepared

T = TypeVar("T")

HASHES_AT_ONCE = 2
"""Each takes a core and 64 MiB for a sixth of a second; more at once would starve the other requests."""

VERIFIED_TOKENS = 10_000
VERIFIED_SECONDS = 10

_REQUIRED_CLAIMS = {f"require_{claim}": True for claim in ("exp", "iat", "iss", "sub", "jti")}


class InvalidTokenError(AuthenticationError):
    """The bearer token is not one of ours, or no longer good."""

    code = "invalid_token"
    detail = "The bearer token is not valid. Sign in again."


class TokenExpiredError(AuthenticationError):
    """The bearer token was good, but its time is over."""

    code = "token_expired"
    detail = "The bearer token has expired. Sign in again."


def secret_key(settings: Settings) -> str:
    """SECRET_KEY, or in development the one made once and kept beside the embedded data (mode 0600)."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    kept = settings.embedded_data_dir / "secret_key"
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not kept.exists():
        _make_once(kept)
    return kept.read_text(encoding="ascii")


def _make_once(kept: Path) -> None:
    # Written whole under a name of its own, then linked: of two workers, both read the first one's key.
    draft = kept.with_name(f"{kept.name}.{uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    try:
        kept.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()


@cache
def common_passwords() -> frozenset[str]:
    """The ten thousand that are used most, of those that are long enough, in lower case: from published break-ins."""
    return frozenset(files("app").joinpath("common_passwords.txt").read_text(encoding="ascii").split())


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a password is the one that was hashed, and whether its hash should be made anew."""

    right: bool
    outdated: bool = False


class Passwords:
    """Hashes passwords with argon2id, off the event loop and never more than a few at once."""

    def __init__(self) -> None:
        # A hash of fewer rounds is outdated; one of less memory is without being told.
        self._context = CryptContext(schemes=["argon2"], argon2__type="ID", argon2__min_rounds=argon2.default_rounds)
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="argon2")
        self._nobodys_hash: str | None = None

    async def hash(self, password: str) -> str:
        """A salted hash of the password, in whatever Unicode form it is typed."""
        return await self._off_the_loop(partial(self._context.hash, prepared(password)))

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether the password is the one that was hashed. Without a hash: False, after the same work."""
        return (await self.check(password, kept)).right

    async def check(self, password: str, kept: str | None) -> Check:
        """As matches(). The hash is outdated when it is of another Unicode form, or took less work than a new one."""
        for form in forms_of(password):
            if await self._off_the_loop(partial(self._check, form, kept)):
                return Check(right=True, outdated=form != prepared(password) or self.is_outdated(str(kept)))
        return Check(right=False)

    def _check(self, password: str, kept: str | None) -> bool:
        if kept is not None:
            return bool(self._context.verify(password, kept))
        if self._nobodys_hash is None:
            self._nobodys_hash = self._context.hash(secrets.token_hex(16))
        self._context.verify(password, self._nobodys_hash)
        return False

    def is_outdated(self, kept: str) -> bool:
        """Whether the hash was made with less work than a new one would be."""
        return bool(self._context.needs_update(kept))

    async def prepare(self) -> None:
        """Makes the hash that an unknown user is checked against, so that the first one costs no more."""
        await self.matches("", None)
        common_passwords()

    async def _off_the_loop(self, work: partial[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


passwords = Passwords()


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says."""

    user_id: str
    session_id: str
    token_version: int
    expires_at: datetime


class AccessTokens:
    """Signs and verifies access tokens (JWT, RFC 7519) with one fixed algorithm."""

    def __init__(self, *, key: str, algorithm: str, issuer: str, lifetime: timedelta) -> None:
        self._key = key
        self._algorithm = algorithm
        self._issuer = issuer
        self.lifetime = lifetime
        self._verified: TTLCache[str, Claims] = TTLCache(VERIFIED_TOKENS, VERIFIED_SECONDS)

    @classmethod
    def of(cls, settings: Settings) -> "AccessTokens":
        """The tokens of a service with these settings."""
        return cls(
            key=secret_key(settings),
            algorithm=settings.algorithm,
            issuer=settings.app_name,
            lifetime=timedelta(minutes=settings.access_token_expire_minutes),
        )

    def issue(self, *, user_id: str, session_id: str, token_version: int) -> str:
        """A token of this session (claim sid) of this user."""
        now = utc_now()
        claims = {
            "iss": self._issuer,
            "sub": user_id,
            "iat": now,
            "exp": now + self.lifetime,
            "jti": uuid4().hex,
            "sid": session_id,
            "ver": token_version,
        }
        return jwt.encode(claims, self._key, algorithm=self._algorithm)

    def verify(self, token: str) -> Claims:
        """What the token says. Raises TokenExpiredError, or InvalidTokenError when it is not ours."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._decode(token)
            self._verified[token] = claims
        if claims.expires_at <= utc_now():
            raise TokenExpiredError
        return claims

    def _decode(self, token: str) -> Claims:
        try:
            said = jwt.decode(
                token,
                self._key,
                algorithms=[self._algorithm],
                issuer=self._issuer,
                options=_REQUIRED_CLAIMS,
            )
            return Claims(
                user_id=said["sub"],
                session_id=said["sid"],
                token_version=said["ver"],
                expires_at=datetime.fromtimestamp(said["exp"], UTC),
            )
        except ExpiredSignatureError as expired:
            raise TokenExpiredError from expired
        except (JWTError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as wrong:
            raise InvalidTokenError from wrong
