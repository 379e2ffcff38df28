"""The rules for new passwords."""

from app.errors import FieldError, ValidationError
from app.security.passwords import is_common
from services.common.values.emails import email_key


def require_strong_password(password: str, *, email: str, pointer: str) -> None:
    """Raise ValidationError for a password that is easily guessed: a common one, or the e-mail address."""
    if is_common(password.strip()):
        detail = "is one of the most common passwords: choose one that is hard to guess (example: four random words)"
        raise ValidationError(errors=(FieldError(detail, pointer=pointer),))
    address = email_key(email)
    if email_key(password) in {address, address.partition("@")[0]}:
        detail = "is your e-mail address: choose one that is hard to guess"
        raise ValidationError(errors=(FieldError(detail, pointer=pointer),))
