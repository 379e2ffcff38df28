"""Secrets that a response shows once, and again if the request is repeated with its Idempotency-Key.

They are not stored. They are derived from a random seed, which is stored, and from SECRET_KEY, which is not. So the
database alone does not reveal them.
"""

import hmac

from app.config import Settings
from app.security.secret_key import derive_key, secret_key

SECRET_BYTES = 32

_PURPOSE = b"task-timer: secrets of repeated requests, version 1"


def derivation_key(settings: Settings) -> bytes:
    """Return the key with which the secrets of this service are derived."""
    return derive_key(secret_key(settings), _PURPOSE)


def derive_secret(key: bytes, seed: str) -> bytes:
    """Return the 32 bytes that belong to a seed."""
    return hmac.digest(key, seed.encode(), "sha256")
