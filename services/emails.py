"""What an e-mail address is, and when two are the same."""

import unicodedata

import email_validator
from email_validator import EmailNotValidError, validate_email

# A self-hosted service may well live in a network whose names the world does not know.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def checked_email(email: str) -> str:
    """The address in its normal form. Raises ValueError with the reason when it is none."""
    try:
        return validate_email(email, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as wrong:
        raise ValueError(f"is not an e-mail address: {wrong}") from wrong


def email_key(email: str) -> str:
    """The form that is compared: two addresses with one key belong to one account, whatever their case."""
    try:
        return checked_email(email.strip()).lower()
    except ValueError:
        return unicodedata.normalize("NFKC", email.strip()).lower()
