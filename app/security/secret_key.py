"""The secret key of the service."""

import hmac
import os
import secrets
from pathlib import Path
from uuid import uuid4

from app.config import Settings


def secret_key(settings: Settings) -> str:
    """Return SECRET_KEY, or in development a key that is generated once and stored in EMBEDDED_DATA_DIR (mode 0600)."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    file = settings.embedded_data_dir / "secret_key"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        _create_once(file)
    return file.read_text(encoding="ascii")


def derive_key(key: str, purpose: bytes) -> bytes:
    """Return a key of 32 bytes for this purpose: HKDF (RFC 5869) with SHA-256, without salt, for one block.

    It is computed with the standard library, because importing cryptography takes 9 MiB in each process.
    """
    extracted = hmac.digest(bytes(32), key.encode(), "sha256")
    return hmac.digest(extracted, purpose + b"\x01", "sha256")


def _create_once(file: Path) -> None:
    # A hard link fails if the file exists. If two workers start together, both therefore read the same complete key.
    draft = file.with_name(f"{file.name}.{uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secrets.token_hex(32))
    try:
        file.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
