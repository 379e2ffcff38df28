"""What an e-mail address is, and when two are the same."""

import re
import unicodedata

import email_validator
from email_validator import EmailNotValidError, validate_email

# A self-hosted service may well live in a network whose names the world does not know.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
"""The property Default_Ignorable_Code_Point of Unicode, of what an address may hold."""


def normalize_email(email: str) -> str:
    """The address in its normal form. Raises ValueError with the reason when it is none."""
    try:
        return validate_email(email, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as wrong:
        raise ValueError(f"is not an e-mail address: {wrong}") from wrong


def email_key(email: str) -> str:
    """The form that is compared: addresses with one key belong to one account.

    It is folded as Unicode's toNFKC_Casefold does: case, compatibility characters such as U+FF50 (a wide p)
    and characters that show nothing make no difference.
    """
    return _folded(_normal(email))


def email_keys(email: str) -> list[str]:
    """The keys under which the account of this address may be stored: the one of today comes last.

    Before keys were folded they were in lower case alone. An account keeps such a key where another account
    has taken the folded one, so the exact key comes first.
    """
    return list(dict.fromkeys([_lowered(email), email_key(email)]))


def _normal(email: str) -> str:
    try:
        return normalize_email(email.strip())
    except ValueError:
        return unicodedata.normalize("NFKC", email.strip())


def _lowered(email: str) -> str:
    return _normal(email).lower()


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold()).casefold()
    shown = "".join(character for character in folded if not _IGNORED.match(character))
    return unicodedata.normalize("NFKC", shown)
