"""What a new password may be."""

from app.errors import FieldError, ValidationError
from app.security.passwords import common_passwords
from services.common.values.emails import email_key


def require_a_good_password(password: str, *, email: str, pointer: str) -> None:
    """Raises ValidationError for a password that others would try first: a common one, or the e-mail address."""
    said = password.strip().lower()
    if said in common_passwords():
        wrong = "is one of the most common passwords: take one that nobody would guess, such as four words of your own"
        raise ValidationError(errors=(FieldError(wrong, pointer=pointer),))
    address = email_key(email)
    if email_key(password) in {address, address.partition("@")[0]}:
        wrong = "is your e-mail address: take one that nobody would guess"
        raise ValidationError(errors=(FieldError(wrong, pointer=pointer),))
