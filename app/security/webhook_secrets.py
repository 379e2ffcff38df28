"""The secrets with which webhooks are signed. Signing needs the secret itself, so it is stored encrypted.

The key is derived from SECRET_KEY, so neither the database nor a backup of it reveals a secret.
"""

import base64
import secrets
from functools import cached_property
from typing import TYPE_CHECKING

from app.config import Settings
from app.security.secret_key import derive_key, secret_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# The functions import cryptography, because it takes 9 MiB in each process that has imported it.

SECRET_PREFIX = "whsec_"  # noqa: S105 -- not a secret

_NONCE_BYTES = 12
_PURPOSE = b"task-timer: secrets of webhooks, version 1"


class UnreadableSecretError(Exception):
    """The secret was encrypted with another key: SECRET_KEY has changed since."""


def to_webhook_secret(random_bytes: bytes) -> str:
    """Return a secret in the form of Standard Webhooks 1.0, which needs 24 to 64 bytes."""
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


class WebhookSecrets:
    """Encrypts secrets for storage with AES-256-GCM, and decrypts them.

    `owner` is the id of the webhook. A secret that was copied to another webhook cannot be decrypted there.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    @cached_property
    def _cipher(self) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

        return AESGCM(derive_key(self._key, _PURPOSE))

    @classmethod
    def from_settings(cls, settings: Settings) -> "WebhookSecrets":
        """Return the secrets of a service with these settings."""
        return cls(secret_key(settings))

    def encrypt(self, secret: str, *, owner: bytes) -> bytes:
        """Return the stored form of a secret: a random nonce, and the ciphertext with its tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), owner)

    def decrypt(self, stored: bytes, *, owner: bytes) -> str:
        """Return the secret. Raises UnreadableSecretError."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above

        try:
            return self._cipher.decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], owner).decode()
        except (InvalidTag, ValueError) as error:
            raise UnreadableSecretError from error
