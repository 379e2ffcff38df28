"""Currencies as people and programs write them: by code, by sign, by name."""

import re
from functools import lru_cache

from iso4217 import Currency

from services.common.values.money import MINOR_UNITS

_CODE = re.compile(r"(?<![A-Za-z])[A-Za-z]{3}(?![A-Za-z])")
_LONGEST = 100

_SIGNS = {
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
"""Signs that mean one currency. The sign of the dollar alone, of the yen and the yuan, and kr mean several."""

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


def _known() -> dict[str, str]:
    known = {currency.currency_name.casefold(): currency.code for currency in Currency if currency.code in MINOR_UNITS}
    for code, texts in (*_SIGNS.items(), *_NAMES.items()):
        known |= dict.fromkeys((text.strip() for text in texts.split(",")), code)
    return known


_KNOWN = _known()


@lru_cache(maxsize=1_024)
def parse_currency(text: str) -> str | None:
    """The code of the currency that the text means; None where it means none, or could mean several.

    Codes, signs and names may stand beside each other, as in "Euro - EUR", when they mean the same.
    """
    text = " ".join(text.split())
    if not text or len(text) > _LONGEST:
        return None
    if text.upper() in MINOR_UNITS:
        return text.upper()
    if text.casefold() in _KNOWN:
        return _KNOWN[text.casefold()]
    codes = {word for word in _CODE.findall(text) if word in MINOR_UNITS}
    return codes.pop() if len(codes) == 1 else None
