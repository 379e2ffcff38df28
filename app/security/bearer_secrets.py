"""The secrets that clients keep: refresh tokens and API tokens. Only their SHA-256 is ever stored."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from app.config import Settings
from app.security.secret_key import secret_key

REFRESH_PREFIX = "task_timer_refresh_"
API_PREFIX = "task_timer_api_"
SHOWN_LENGTH = len(API_PREFIX) + 6
"""How much of an API token is kept, to tell it by."""

_REFRESH_TOKEN = re.compile(rf"{REFRESH_PREFIX}([0-9a-f]{{24}})_([0-9a-f]{{64}})", re.ASCII)


def sha256_of(secret: str) -> str:
    """What is stored of a secret. It is random and long, so one round is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_api_token() -> str:
    """An API token that nobody can guess."""
    return f"{API_PREFIX}{secrets.token_hex(32)}"


def is_api_token(bearer: str) -> bool:
    """Whether this is meant to be an API token."""
    return bearer.startswith(API_PREFIX)


@dataclass(frozen=True, slots=True)
class RefreshSecret:
    """A refresh token: the session that it belongs to, and what is secret of it."""

    session_id: str
    secret: str

    @classmethod
    def first(cls, session_id: str) -> "RefreshSecret":
        """The token that a session begins with."""
        return cls(session_id, secrets.token_hex(32))

    @classmethod
    def read(cls, text: str) -> "RefreshSecret | None":
        """The token that a client sent, or None when it is none."""
        found = _REFRESH_TOKEN.fullmatch(text)
        return None if found is None else cls(*found.groups())

    def __str__(self) -> str:
        return f"{REFRESH_PREFIX}{self.session_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"RefreshSecret({self.session_id})"

    @property
    def hash(self) -> str:
        """What is stored of it."""
        return sha256_of(str(self))


class RefreshSecrets:
    """Makes each refresh token of the one before it, with a key of the server: the same again when asked again."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(f"refresh tokens of {key}".encode()).digest()

    @classmethod
    def of(cls, settings: Settings) -> "RefreshSecrets":
        """Those of a service with these settings."""
        return cls(secret_key(settings))

    def after(self, token: RefreshSecret) -> RefreshSecret:
        """The token that comes after this one."""
        return RefreshSecret(token.session_id, hmac.new(self._key, str(token).encode(), hashlib.sha256).hexdigest())
