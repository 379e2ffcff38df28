"""Secrets: the key of the service, password hashes, access tokens."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TypeVar

from passlib.context import CryptContext
from passlib.hash import argon2

from app.security.password_normalization import forms_of, normalize_password

T = TypeVar("T")

HASHES_AT_ONCE = 2
"""Each takes a core and 64 MiB for a sixth of a second; more at once would starve the other requests."""


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
        return await self._off_the_loop(partial(self._context.hash, normalize_password(password)))

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether the password is the one that was hashed. Without a hash: False, after the same work."""
        return (await self.check(password, kept)).right

    async def check(self, password: str, kept: str | None) -> Check:
        """As matches(). The hash is outdated when it is of another Unicode form, or took less work than a new one."""
        for form in forms_of(password):
            if await self._off_the_loop(partial(self._check, form, kept)):
                return Check(right=True, outdated=form != normalize_password(password) or self.is_outdated(str(kept)))
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
