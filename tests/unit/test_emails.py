"""The keys by which e-mail addresses are compared."""

import pytest

from services.common.values.emails import email_key, email_keys

EQUAL_ADDRESSES = [
    ("ada@example.com", " Ada@EXAMPLE.com "),
    ("peter@example.com", "\uff50eter@example.com"),
    ("peter@example.com", "\uff30eter@example.com"),
    ("peter@example.com", "\u24c5eter@example.com"),
    ("ada@example.com", "\U0001d400da@example.com"),
    ("fish@example.com", "\ufb01sh@example.com"),
    ("strasse@example.com", "STRA\u1e9eE@example.com"),
    ("b\u00fcro@example.com", "BU\u0308RO@example.com"),
    ("\u03c3\u03b1\u03c3@example.com", "\u03a3\u0391\u03a3@example.com"),
    ("peter@example.com", "pe\u034fter@example.com"),
    ("peter@example.com", "peter\ufe0f@example.com"),
    ("peter@b\u00fccher.example", "peter@xn--bcher-kva.example"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL_ADDRESSES)
def test_equal_looking_addresses_have_the_same_key(one: str, other: str) -> None:
    assert email_key(one) == email_key(other) == email_key(email_key(other))


@pytest.mark.parametrize(("one", "other"), [("ada@example.com", "ada@example.org"), ("\u0131da@x.org", "ida@x.org")])
def test_different_addresses_have_different_keys(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)


def test_lower_cased_key_comes_before_the_folded_one() -> None:
    assert email_keys("Ada@example.com") == ["ada@example.com"]
    assert email_keys("\uff30eter@example.com") == ["\uff50eter@example.com", "peter@example.com"]
