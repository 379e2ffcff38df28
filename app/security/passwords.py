"""Hash and check passwords with argon2id."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TypeVar

from passlib.context import CryptContext
from passlib.hash import argon2

from app.security.password_normalization import normalize_password, password_forms

T = TypeVar("T")

MAX_CONCURRENT_HASHES = 2
"""By default a hash takes one core and 64 MiB for a sixth of a second. More at the same time would slow down other
requests."""


def is_common(password: str) -> bool:
    """Return whether it is one of the 10,000 most common passwords of at least 8 characters in published leaks.

    Upper and lower case are the same.
    """
    return "\n" not in password and f"\n{password.lower()}\n" in _common_passwords()


@cache
def _common_passwords() -> str:
    """Return the passwords in lower case, each between two line breaks. A set would take ten times as much memory."""
    return "\n" + files("app").joinpath("common_passwords.txt").read_text(encoding="ascii")


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Whether a password matches a hash, and whether the hash should be replaced with a new one."""

    is_match: bool
    is_outdated: bool = False


class Passwords:
    """Hashes and checks passwords in a few threads, so that they do not block the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT_HASHES, thread_name_prefix="argon2")
        self._dummy_hash: str | None = None
        self.configure(memory_kib=argon2.memory_cost, rounds=argon2.default_rounds)

    def configure(self, *, memory_kib: int, rounds: int) -> None:
        """Set the cost of new hashes. A hash that cost less is outdated from now on."""
        self._cost = (memory_kib, rounds)
        self._context = CryptContext(
            schemes=["argon2"], argon2__type="ID", argon2__memory_cost=memory_kib, argon2__rounds=rounds
        )
        self._dummy_hash = None

    async def hash(self, password: str) -> str:
        """Return a salted hash of the normalized password."""
        return await self._in_thread(partial(self._context.hash, normalize_password(password)))

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Return whether the password matches the hash. Without a hash: False, after the same amount of work."""
        return (await self.check(password, hashed)).is_match

    async def check(self, password: str, hashed: str | None) -> PasswordCheck:
        """Check the password as `matches` does, and whether the hash is outdated.

        A hash is outdated if it is of a form that is not normalized, or if a new one would take more work.
        """
        for form in password_forms(password):
            if await self._in_thread(partial(self._verify, form, hashed)):
                is_outdated = form != normalize_password(password) or self._costs_less(str(hashed))
                return PasswordCheck(is_match=True, is_outdated=is_outdated)
        return PasswordCheck(is_match=False)

    def _costs_less(self, hashed: str) -> bool:
        # Not passlib's needs_update: it would replace a hash that costs more, too.
        stored = argon2.from_string(hashed)
        return any(of_hash < now for of_hash, now in zip((stored.memory_cost, stored.rounds), self._cost, strict=True))

    def _verify(self, password: str, hashed: str | None) -> bool:
        if hashed is not None:
            return bool(self._context.verify(password, hashed))
        if self._dummy_hash is None:
            self._dummy_hash = self._context.hash(secrets.token_hex(16))
        self._context.verify(password, self._dummy_hash)
        return False

    async def prepare(self) -> None:
        """Create the hash that is checked for unknown users, so that the first such request is not slower."""
        await self.matches("", None)
        _common_passwords()

    async def _in_thread(self, work: partial[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


passwords = Passwords()
