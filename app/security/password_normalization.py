"""One password however it is typed (RFC 8265, the OpaqueString profile).

An umlaut is one character on one keyboard and two on another, and a space may be typed as a no-break
space. Passwords are hashed and compared in one form. A hash that was made before that rule may be of
the form that was typed then.
"""

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def normalize_password(password: str) -> str:
    """The password as it is hashed: each kind of space a plain one, in NFC (RFC 8265 section 4.2.2)."""
    if password.isascii():
        return password
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


def forms_of(password: str) -> list[str]:
    """The prepared password, then the forms in which an older hash may have taken it, each once.

    How many there are depends on the password alone, never on who is signing in.
    """
    typed = [unicodedata.normalize(form, password) for form in ("NFC", "NFD")]
    return list(dict.fromkeys([normalize_password(password), password, *typed]))


def new_password(password: str) -> str:
    """The prepared password. Raises ValueError for a control character (RFC 8265 section 4.2.1)."""
    if _CONTROL.search(password):
        raise ValueError("holds a control character")
    return normalize_password(password)
