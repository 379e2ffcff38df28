"""Amounts of money, stored as whole numbers of a currency's minor unit."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

MAX_AMOUNT = 10**12


@cache
def minor_units() -> Mapping[str, int]:
    """Return the ISO 4217 currency codes with their number of decimals.

    Codes without a minor unit, such as gold, are left out.
    """
    from iso4217 import Currency  # noqa: PLC0415 - takes 1 MiB in each process that has imported it

    return {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}


def major_units(amount: int, currency: str) -> Decimal:
    """Return the amount in major units: 95.50 for 9550 EUR. An unknown currency has no decimals."""
    return Decimal(amount).scaleb(-minor_units().get(currency, 0))
