"""Secrets that a response shows once, and again if the request is repeated with its Idempotency-Key.

They are not stored. They are derived from a random seed, which is stored, and from SECRET_KEY, which is not. So the
database alone does not reveal them.
"""

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.config import Settings
from app.security.secret_key import secret_key

SECRET_BYTES = 32

_PURPOSE = b"task-timer: secrets of repeated requests, version 1"


def derivation_key(settings: Settings) -> bytes:
    """Return the key with which the secrets of this service are derived."""
    return HKDF(SHA256(), SECRET_BYTES, salt=None, info=_PURPOSE).derive(secret_key(settings).encode())


def derive_secret(key: bytes, seed: str) -> bytes:
    """Return the 32 bytes that belong to a seed."""
    return hmac.digest(key, seed.encode(), "sha256")
