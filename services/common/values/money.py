"""Money: whole numbers of the minor units of a currency."""

from decimal import Decimal

from iso4217 import Currency

MINOR_UNITS: dict[str, int] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
"""The codes of ISO 4217, each with its number of decimals. What has no minor unit (gold, say) is no currency here."""

MAX_AMOUNT = 10**12


def major_units(amount: int, currency: str) -> Decimal:
    """The amount as people write it: 95.50 for 9550 of EUR; of a currency that is not known, as it is stored."""
    return Decimal(amount).scaleb(-MINOR_UNITS.get(currency, 0))
