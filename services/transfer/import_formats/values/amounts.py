"""What an hour of a row costs, and whether it is billable."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from services.common.values.money import MAX_AMOUNT, MINOR_UNITS
from services.transfer.import_formats.values.currencies import parse_currency
from services.transfer.import_formats.values.texts import MAX_EXCERPT_LENGTH, excerpt

_YES = frozenset({"yes", "y", "true", "t", "1", "billable", "on", "x", "✓", "✔", "ja", "wahr", "abrechenbar"}) | {
    *("oui", "vrai", "facturable", "sí", "si", "verdadero"),
}
_NO = frozenset({"no", "n", "false", "f", "0", "non-billable", "not billable", "nonbillable", "off", "nein"}) | {
    *("falsch", "nicht abrechenbar", "non", "faux", "non facturable", "falso", "no facturable"),
}
_NUMBER = re.compile(r"[0-9]{1,15}(?:[.,][0-9]{1,20})?")
_SPACES = " '\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}\N{RIGHT SINGLE QUOTATION MARK}"
_GROUPED = (
    re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){1,4}\.[0-9]{1,20}"),
    re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){1,4},[0-9]{1,20}"),
    re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){2,4}"),
    re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){2,4}"),
    re.compile(rf"[0-9]{{1,3}}(?:[{_SPACES}][0-9]{{3}}){{1,4}}(?:[.,][0-9]{{1,20}})?"),
)
_UNITS_OF_TIME = re.compile(r" ?(?:/|per|pro|par|por) ?(?:h|hr|hour|std\.?|stunde|heure|hora)$", re.IGNORECASE)
_OF_SEVERAL = frozenset({"$", "dollar", "dollars", "kr", "kr.", "¥", "rs", "rs.", "peso", "pesos"})
"""What may stand at an amount and means several currencies."""

_MAX_DECIMALS = 2
_HOUR = 3_600
_ROUND = (10_000, 5_000, 1_000, 500, 100, 50, 25, 10, 5)


def parse_boolean(text: str) -> bool:
    """Whether the text says yes. Raises ValueError when it says neither yes nor no."""
    said = text.casefold()
    if said in _YES or said in _NO:
        return said in _YES
    raise ValueError(f"is neither yes nor no: {excerpt(text)}")


@lru_cache(maxsize=4_096)
def parse_amount(text: str) -> tuple[Decimal, str]:
    """The number that the text names, and what stands before or behind it, such as € in "60,00 €/h".

    Raises ValueError for what is no number.
    """
    if len(text) > MAX_EXCERPT_LENGTH:
        raise ValueError(f"is not an amount: {excerpt(text)}")
    said = _UNITS_OF_TIME.sub("", text.strip())
    first = next((at for at, letter in enumerate(said) if letter in "0123456789"), None)
    if first is None:
        raise ValueError(f"is not an amount: {excerpt(text)}")
    last = max(at for at, letter in enumerate(said) if letter in "0123456789")
    around = (said[:first] + " " + said[last + 1 :]).strip()
    if around and parse_currency(around) is None and around.casefold() not in _OF_SEVERAL:
        raise ValueError(f"is not an amount: {excerpt(text)}")
    number = said[first : last + 1]
    if any(form.fullmatch(number) for form in _GROUPED):
        return _ungrouped(number), around
    if _NUMBER.fullmatch(number) and not _could_be_thousands(number):
        return Decimal(".".join(number.split(","))), around
    raise ValueError(f"is not an amount: {excerpt(text)}")


def _could_be_thousands(number: str) -> bool:
    """1,234 could be a thousand or one; decimals with a point are never taken for thousands."""
    whole, comma, decimals = number.partition(",")
    return bool(comma) and whole != "0" and len(decimals) > _MAX_DECIMALS


def _ungrouped(number: str) -> Decimal:
    for space in _SPACES:
        number = "".join(number.split(space))
    last = max(number.rfind("."), number.rfind(","))
    if last < 0 or number.count(number[last]) > 1:
        return Decimal(re.sub("[.,]", "", number))
    return Decimal(re.sub("[.,]", "", number[:last]) + "." + number[last + 1 :])


def to_minor_units(amount: Decimal, currency: str) -> int:
    """The amount in minor units. Raises ValueError for one that the currency has no unit for, or that is too large."""
    minor = amount.scaleb(MINOR_UNITS[currency])
    if minor != int(minor) or minor > MAX_AMOUNT:
        raise ValueError(f"is not an amount of {currency}")
    return int(minor)


def rate_from_amount(amount: Decimal, seconds: int, currency: str) -> int | None:
    """The roundest rate an hour, in minor units, of which so many seconds cost this amount; None where none does.

    Another program has rounded the amount, so a rate will do that differs by half a unit at most.
    """
    minor = amount.scaleb(MINOR_UNITS[currency])
    if seconds <= 0 or minor <= 0:
        return None
    low, high = ((minor + half) * _HOUR / seconds for half in (Decimal("-0.5"), Decimal("0.5")))
    if high > MAX_AMOUNT:
        return None
    exact = int((minor * _HOUR / seconds).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    for step in _ROUND:
        near = int((Decimal(exact) / step).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)) * step
        if near > 0 and low <= near <= high:
            return near
    return exact if exact > 0 and low <= exact <= high else None


def amount_from_rate(rate: int, seconds: int) -> Decimal:
    """What so many seconds cost at this rate an hour, in minor units."""
    return Decimal(rate) * seconds / _HOUR
