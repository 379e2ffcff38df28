"""The secrets that clients store: refresh tokens, API tokens and secrets in URLs.

The database contains only their SHA-256.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from app.config import Settings
from app.security.secret_key import secret_key

REFRESH_PREFIX = "task_timer_refresh_"
API_PREFIX = "task_timer_api_"
API_TOKEN_PREFIX_LENGTH = len(API_PREFIX) + 6
"""How many characters of an API token are stored, so that its owner can recognise it."""

_MASK = "***"
"""What stands for a secret in an error response. It is valid in the path of a URI (RFC 3986 section 3.3)."""

_PATH_SECRET = re.compile(r"[0-9a-f]{64}", re.ASCII)
_POSSIBLE_PATH_SECRET = re.compile(r"[0-9a-f]{32}[0-9a-f]*", re.ASCII | re.IGNORECASE)
_REFRESH_TOKEN = re.compile(rf"{REFRESH_PREFIX}([0-9a-f]{{24}})_([0-9a-f]{{64}})", re.ASCII)


def sha256_of(secret: str) -> str:
    """Return the stored form of a secret. The secret is long and random, so one round is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_api_token() -> str:
    """Return a new random API token."""
    return f"{API_PREFIX}{secrets.token_hex(32)}"


def is_api_token(bearer: str) -> bool:
    """Return whether a bearer token has the form of an API token."""
    return bearer.startswith(API_PREFIX)


def to_path_secret(random_bytes: bytes) -> str:
    """Return the form of a secret in a public URL: 64 hexadecimal digits for 32 bytes.

    It has no other characters, because programs that find links in a text leave out punctuation at the end.
    """
    return random_bytes.hex()


def is_path_secret(text: str) -> bool:
    """Return whether a part of a path has the form of a secret."""
    return _PATH_SECRET.fullmatch(text) is not None


def mask_path_secrets(path: str) -> str:
    """Return the path without secrets, without parts of a secret, and without secrets in capitals."""
    return _POSSIBLE_PATH_SECRET.sub(_MASK, path)


@dataclass(frozen=True, slots=True)
class RefreshSecret:
    """A refresh token: the id of its session, and a secret part."""

    session_id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> "RefreshSecret | None":
        """Return the token that a client sent, or None if the text is not a refresh token."""
        match = _REFRESH_TOKEN.fullmatch(text)
        return None if match is None else cls(*match.groups())

    def __str__(self) -> str:
        return f"{REFRESH_PREFIX}{self.session_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"RefreshSecret({self.session_id})"

    @property
    def hash(self) -> str:
        """The stored form of the token."""
        return sha256_of(str(self))


_HALF = 32
"""The hexadecimal digits of each half of a refresh token's secret: 128 bits."""


class RefreshSecrets:
    """Issues refresh tokens, and derives each from the one before it, with a key of the server.

    The same token always has the same successor, so a client that did not receive it can ask again. The second half of
    a secret authenticates the first, so that only a token that was issued, never a guess, counts as reused.
    """

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(f"refresh tokens of {key}".encode()).digest()

    @classmethod
    def from_settings(cls, settings: Settings) -> "RefreshSecrets":
        """Return the refresh tokens of a service with these settings."""
        return cls(secret_key(settings))

    def first(self, session_id: str) -> RefreshSecret:
        """Return the random token that a session begins with."""
        return self._authenticated(session_id, secrets.token_hex(_HALF // 2))

    def successor(self, token: RefreshSecret) -> RefreshSecret:
        """Return the token that replaces this one."""
        return self._authenticated(token.session_id, self._mac(str(token)))

    def is_issued(self, token: RefreshSecret) -> bool:
        """Return whether this service has issued the token, at any time. False for tokens of earlier versions."""
        expected = self._authenticated(token.session_id, token.secret[:_HALF])
        return hmac.compare_digest(expected.secret, token.secret)

    def _authenticated(self, session_id: str, random: str) -> RefreshSecret:
        return RefreshSecret(session_id, random + self._mac(f"{session_id} {random}"))

    def _mac(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:_HALF]
