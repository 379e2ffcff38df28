"""Whether a row is billable, and at which rate."""

import re
from decimal import Decimal

from services.import_formats.texts import shown
from services.money import LARGEST_AMOUNT, MINOR_UNITS

_YES = frozenset({"yes", "y", "true", "t", "1", "billable"})
_NO = frozenset({"no", "n", "false", "f", "0", "non-billable", "not billable"})
_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,12})?|[0-9]{1,12},[0-9]{1,2}")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){1,4}\.[0-9]{1,4}")


def parsed_billable(text: str) -> bool:
    """Whether the text says yes. Raises ValueError when it says neither yes nor no."""
    said = text.casefold()
    if said in _YES or said in _NO:
        return said in _YES
    raise ValueError(f"is neither yes nor no: {shown(text)}")


def parsed_rate(text: str, currency: str) -> tuple[int, str] | None:
    """The amount in minor units and the currency; none for 0 and for what is no currency (ISO 4217).

    Raises ValueError for what is no amount of it.
    """
    decimals = MINOR_UNITS.get(currency)
    if decimals is None:
        return None
    amount = _amount(text).scaleb(decimals)
    if amount != int(amount) or amount > LARGEST_AMOUNT:
        raise ValueError(f"is not an amount of {currency}: {shown(text)}")
    return (int(amount), currency) if amount else None


def _amount(text: str) -> Decimal:
    if _GROUPED.fullmatch(text):
        return Decimal("".join(text.split(",")))
    if _AMOUNT.fullmatch(text):
        return Decimal(".".join(text.split(",")))
    raise ValueError(f"is not an amount: {shown(text)}")
