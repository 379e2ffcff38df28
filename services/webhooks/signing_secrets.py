"""The secrets with which a webhook signs at present."""

from contextlib import suppress
from datetime import datetime

from app.clock import naive_utc
from app.security.webhook_secrets import UnreadableSecretError, WebhookSecrets
from documents.common.base import Row


def signing_secrets(secrets: WebhookSecrets, webhook: Row, now: datetime) -> list[str]:
    """Return the current secret, and the previous one as long as it signs as well. Raises UnreadableSecretError."""
    owner, previous = webhook["_id"].binary, webhook["previous_secret"]
    valid = [secrets.decrypt(webhook["secret"], owner=owner)]
    if previous is not None and webhook["previous_secret_until"] > naive_utc(now):
        with suppress(UnreadableSecretError):
            valid.append(secrets.decrypt(previous, owner=owner))
    return valid


def is_readable(secrets: WebhookSecrets, webhook: Row) -> bool:
    """Return whether the current secret can be decrypted: not if SECRET_KEY has changed since it was created."""
    try:
        secrets.decrypt(webhook["secret"], owner=webhook["_id"].binary)
    except UnreadableSecretError:
        return False
    return True
