"""Normalize passwords, so that a password matches however it is typed (RFC 8265, the OpaqueString profile).

Some keyboards send an umlaut as one character and others as two, and a space may be a no-break space.
Passwords are hashed and compared in one normalized form. Hashes from before this rule may be of another form.
"""

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def normalize_password(password: str) -> str:
    """Return the form that is hashed: every space as U+0020, in NFC (RFC 8265 section 4.2.2)."""
    if password.isascii():
        return password
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


def password_forms(password: str) -> list[str]:
    """Return the normalized form, then the other forms that an old hash may be of, without duplicates.

    Their number depends on the password alone, so that response times do not show whether the user exists.
    """
    typed = [unicodedata.normalize(form, password) for form in ("NFC", "NFD")]
    return list(dict.fromkeys([normalize_password(password), password, *typed]))


def validate_new_password(password: str) -> str:
    """Return the normalized form. Raises ValueError for a control character (RFC 8265 section 4.2.1)."""
    if _CONTROL.search(password):
        raise ValueError("contains a control character")
    return normalize_password(password)
