"""The secret key of the service."""

import os
import secrets
from pathlib import Path
from uuid import uuid4

from app.config import Settings


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
