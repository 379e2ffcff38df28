"""E-mail addresses: validation, and the key under which two addresses are the same."""

import re
import unicodedata

import email_validator
from email_validator import EmailNotValidError, validate_email

# A self-hosted service may use domains like .local or .test, which the validator refuses by default.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
"""Characters with Unicode's property Default_Ignorable_Code_Point, as far as an address may contain them."""


def normalize_email(email: str) -> str:
    """Return the address in its normal form. Raises ValueError with the reason when it is not valid."""
    try:
        return validate_email(email, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from error


def email_key(email: str) -> str:
    """Return the key for comparing addresses: addresses with the same key belong to the same account.

    The address is folded as by Unicode's toNFKC_Casefold: case, compatibility characters (U+FF50, a full-width p)
    and invisible characters make no difference.
    """
    return _casefold(_normalize_leniently(email))


def email_keys(email: str) -> list[str]:
    """Return the keys under which the account of this address may be stored. The current form is the last one.

    Earlier versions only lower-cased the key. An account keeps such a key when another account already has
    the folded one. The lower-cased key comes first, so that it finds the account with exactly this address.
    """
    return list(dict.fromkeys([_normalize_leniently(email).lower(), email_key(email)]))


def _normalize_leniently(email: str) -> str:
    try:
        return normalize_email(email.strip())
    except ValueError:
        return unicodedata.normalize("NFKC", email.strip())


def _casefold(text: str) -> str:
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold()).casefold()
    visible = "".join(character for character in folded if not _IGNORABLE.match(character))
    return unicodedata.normalize("NFKC", visible)
