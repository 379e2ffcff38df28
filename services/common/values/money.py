"""Amounts of money, stored as whole numbers of a currency's minor unit."""

from decimal import Decimal

from iso4217 import Currency

MINOR_UNITS: dict[str, int] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
"""ISO 4217 currency codes with their number of decimals. Codes without a minor unit, such as gold, are left out."""

MAX_AMOUNT = 10**12


def major_units(amount: int, currency: str) -> Decimal:
    """Return the amount in major units: 95.50 for 9550 EUR. An unknown currency has no decimals."""
    return Decimal(amount).scaleb(-MINOR_UNITS.get(currency, 0))
