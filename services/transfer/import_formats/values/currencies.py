"""Parse currencies as people and programs write them: code, symbol or name."""

import re
from functools import lru_cache

from iso4217 import Currency

from services.common.values.money import minor_units

_CODE = re.compile(r"(?<![A-Za-z])[A-Za-z]{3}(?![A-Za-z])")
_MAX_LENGTH = 100

_SYMBOLS = {
    "EUR": "€",
    "USD": "us$, usd$, u.s.$, $us",
    "GBP": "£",
    "CAD": "ca$, c$, can$, $ca",
    "AUD": "a$, au$",
    "NZD": "nz$",
    "HKD": "hk$",
    "SGD": "s$, sg$",
    "BRL": "r$",
    "MXN": "mx$, mex$",
    "CHF": "sfr, sfr., fr., chf.",
    "CZK": "kč, kc",
    "PLN": "zł, zl",
    "HUF": "ft",
    "SEK": "skr",
    "NOK": "nkr",
    "DKK": "dkr",
    "BGN": "лв, лв.",
    "RUB": "₽",
    "UAH": "₴",
    "INR": "₹",
    "KRW": "₩",
    "ILS": "₪",
    "TRY": "₺",
    "VND": "₫",
    "THB": "฿",
    "NGN": "₦",
    "PHP": "₱",
    "KZT": "₸",
    "CRC": "₡",
    "GEL": "₾",
}
"""Symbols of a single currency. Ambiguous ones ($, ¥, kr) are left out."""

_NAMES = {
    "EUR": "euros",
    "USD": "united states dollar, united states dollars, american dollar, american dollars, us dollars",
    "GBP": "british pound, british pounds, british pound sterling, pounds sterling",
    "CHF": "swiss francs, schweizer franken",
    "CZK": "koruna česká, czech crown",
    "PLN": "złoty, polish zloty, polish złoty",
    "JPY": "japanese yen",
    "CNY": "chinese yuan, renminbi, yuan",
    "CAD": "canadian dollars",
    "AUD": "australian dollars",
    "INR": "indian rupees",
}


def _codes_by_text() -> dict[str, str]:
    codes = {
        currency.currency_name.casefold(): currency.code for currency in Currency if currency.code in minor_units()
    }
    for code, texts in (*_SYMBOLS.items(), *_NAMES.items()):
        codes |= dict.fromkeys((text.strip() for text in texts.split(",")), code)
    return codes


_CODES_BY_TEXT = _codes_by_text()


@lru_cache(maxsize=1_024)
def parse_currency(text: str) -> str | None:
    """Return the ISO 4217 code of the currency in the text; None if there is none, or if it is ambiguous.

    The text may combine a code with other words, as in "Euro - EUR".
    """
    text = " ".join(text.split())
    if not text or len(text) > _MAX_LENGTH:
        return None
    if text.upper() in minor_units():
        return text.upper()
    if text.casefold() in _CODES_BY_TEXT:
        return _CODES_BY_TEXT[text.casefold()]
    codes = {word for word in _CODE.findall(text) if word in minor_units()}
    return codes.pop() if len(codes) == 1 else None
