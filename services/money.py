"""Money: whole numbers of the minor units of a currency."""

from iso4217 import Currency

MINOR_UNITS: dict[str, int] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
"""The codes of ISO 4217, each with its number of decimals. What has no minor unit (gold, say) is no currency here."""

LARGEST_AMOUNT = 10**12
