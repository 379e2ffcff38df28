"""Parse amounts of money, and convert between amounts and hourly rates."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from services.common.values.money import MAX_AMOUNT, minor_units
from services.transfer.import_formats.values.currencies import parse_currency
from services.transfer.import_formats.values.texts import MAX_EXCERPT_LENGTH, excerpt

_NUMBER = re.compile(r"[0-9]{1,15}(?:[.,][0-9]{1,20})?")
_GROUP_SEPARATORS = " '\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}\N{RIGHT SINGLE QUOTATION MARK}"
_GROUPED = (
    re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){1,4}\.[0-9]{1,20}"),
    re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){1,4},[0-9]{1,20}"),
    re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){2,4}"),
    re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){2,4}"),
    re.compile(rf"[0-9]{{1,3}}(?:[{_GROUP_SEPARATORS}][0-9]{{3}}){{1,4}}(?:[.,][0-9]{{1,20}})?"),
)
_PER_HOUR = re.compile(r" ?(?:/|per|pro|par|por) ?(?:h|hr|hour|std\.?|stunde|heure|hora)$", re.IGNORECASE)
_AMBIGUOUS_CURRENCIES = frozenset({"$", "dollar", "dollars", "kr", "kr.", "¥", "rs", "rs.", "peso", "pesos"})
"""Texts at an amount that several currencies use."""

_MAX_DECIMALS = 2
_HOUR = 3_600
_ROUND_STEPS = (10_000, 5_000, 1_000, 500, 100, 50, 25, 10, 5)


@lru_cache(maxsize=4_096)
def parse_amount(text: str) -> tuple[Decimal, str]:
    """Parse an amount. Returns the number and the text around it, for example € in "60,00 €/h".

    Raises ValueError if it is not a number, or if it is ambiguous.
    """
    if len(text) > MAX_EXCERPT_LENGTH:
        raise ValueError(f"is not an amount: {excerpt(text)}")
    amount = _PER_HOUR.sub("", text.strip())
    first = next((at for at, letter in enumerate(amount) if letter in "0123456789"), None)
    if first is None:
        raise ValueError(f"is not an amount: {excerpt(text)}")
    last = max(at for at, letter in enumerate(amount) if letter in "0123456789")
    around = (amount[:first] + " " + amount[last + 1 :]).strip()
    if around and parse_currency(around) is None and around.casefold() not in _AMBIGUOUS_CURRENCIES:
        raise ValueError(f"is not an amount: {excerpt(text)}")
    number = amount[first : last + 1]
    if any(pattern.fullmatch(number) for pattern in _GROUPED):
        return _parse_grouped(number), around
    if _NUMBER.fullmatch(number) and not _could_be_thousands(number):
        return Decimal(".".join(number.split(","))), around
    raise ValueError(f"is not an amount: {excerpt(text)}")


def _could_be_thousands(number: str) -> bool:
    """Return whether the comma could separate thousands or decimals, as in 1,234. A point is always decimal."""
    whole, comma, decimals = number.partition(",")
    return bool(comma) and whole != "0" and len(decimals) > _MAX_DECIMALS


def _parse_grouped(number: str) -> Decimal:
    for separator in _GROUP_SEPARATORS:
        number = "".join(number.split(separator))
    last = max(number.rfind("."), number.rfind(","))
    if last < 0 or number.count(number[last]) > 1:
        return Decimal(re.sub("[.,]", "", number))
    return Decimal(re.sub("[.,]", "", number[:last]) + "." + number[last + 1 :])


def to_minor_units(amount: Decimal, currency: str) -> int:
    """Return the amount in minor units. Raises ValueError if it has too many decimals or is too large."""
    minor = amount.scaleb(minor_units()[currency])
    if minor != int(minor) or minor > MAX_AMOUNT:
        raise ValueError(f"is not a valid amount in {currency}")
    return int(minor)


def rate_from_amount(amount: Decimal, seconds: int, currency: str) -> int | None:
    """Return the roundest hourly rate, in minor units, that gives the amount; None if no rate does.

    The amount was rounded, so a rate matches if its exact amount is within half a minor unit.
    """
    minor = amount.scaleb(minor_units()[currency])
    if seconds <= 0 or minor <= 0:
        return None
    low, high = ((minor + half) * _HOUR / seconds for half in (Decimal("-0.5"), Decimal("0.5")))
    if high > MAX_AMOUNT:
        return None
    exact = int((minor * _HOUR / seconds).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    for step in _ROUND_STEPS:
        near = int((Decimal(exact) / step).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)) * step
        if near > 0 and low <= near <= high:
            return near
    return exact if exact > 0 and low <= exact <= high else None


def amount_from_rate(rate: int, seconds: int) -> Decimal:
    """Return the price of a time at an hourly rate, both in minor units."""
    return Decimal(rate) * seconds / _HOUR
