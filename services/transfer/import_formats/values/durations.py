"""Durations as other programs write them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from services.transfer.import_formats.values.texts import MAX_EXCERPT_LENGTH, excerpt

SECOND, MINUTE, HOUR = 1, 60, 3_600
_TOO_LONG = 10**12

_CLOCK = re.compile(
    r"([0-9]{1,6}):([0-5]?[0-9])(?::([0-5]?[0-9])(?:[.,][0-9]{1,9})?)?(?: ?h(?:rs?|ours?)?)?", re.IGNORECASE
)
_MINUTES_AND_SECONDS = re.compile(r"([0-9]{1,6}):([0-5][0-9]) ?min", re.IGNORECASE)
_UNITS = re.compile(
    r"(?:p(?:0+y)?(?:0+m)?(?:(?P<days>[0-9]{1,4})d)?t)?"
    r"(?:(?P<hours>[0-9]{1,6}(?:[.,][0-9]{1,9})?) ?(?:h|hours?|hrs?|hr\.|std\.?|stunden?|heures?|horas?))?,? ?"
    r"(?:(?P<minutes>[0-9]{1,8}(?:[.,][0-9]{1,9})?) ?(?:m|mins?|min\.|minutes?|minuten?|minutos?))?,? ?"
    r"(?:(?P<seconds>[0-9]{1,9})(?:[.,][0-9]{1,9})? ?(?:s|secs?|sec\.|seconds?|sek\.?|sekunden?|secondes?|segundos?))?"
    r"(?:0+f)?",
    re.IGNORECASE,
)
_HOURS_AND_MINUTES = re.compile(r"([0-9]{1,6}) ?h ?([0-5][0-9])", re.IGNORECASE)
_NUMBER = re.compile(r"([0-9]{1,10})(?:[.,]([0-9]{1,20}))?(?:e(-?[0-9]{1,2}))?(?: ?h)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Duration:
    """A number of seconds, and by how much less than `within` the true one may differ from it.

    A program that writes 1.28 hours or 1:17 has rounded or cut it.
    """

    seconds: int
    within: int


def parse_duration(text: str, unit: int | None) -> Duration:
    """The duration that the text names; a bare number is in that unit, or in hours if it has decimals.

    Raises ValueError; one below zero belongs to an entry that still runs.
    """
    if len(text) > MAX_EXCERPT_LENGTH:
        raise ValueError(f"is not a duration: {excerpt(text)}")
    return _parsed_duration(text, unit)


@lru_cache(maxsize=8_192)
def _parsed_duration(text: str, unit: int | None) -> Duration:
    if text.startswith(("-", "\N{MINUS SIGN}")):
        raise ValueError(f"is below zero: the entry still runs: {excerpt(text)}")
    if found := _CLOCK.fullmatch(text):
        seconds = int(found[1]) * HOUR + int(found[2]) * MINUTE + int(found[3] or 0)
        return Duration(seconds, SECOND if found[3] else MINUTE)
    if found := _HOURS_AND_MINUTES.fullmatch(text):
        return Duration(int(found[1]) * HOUR + int(found[2]) * MINUTE, MINUTE)
    if found := _MINUTES_AND_SECONDS.fullmatch(text):
        return Duration(int(found[1]) * MINUTE + int(found[2]), SECOND)
    if found := _NUMBER.fullmatch(text):
        return _number(found, unit)
    found = _UNITS.fullmatch(text)
    if found is not None and any(found.groups()):
        return _in_units(found)
    raise ValueError(f"is not a duration, such as 1:30:00: {excerpt(text)}")


def _number(found: re.Match[str], unit: int | None) -> Duration:
    whole, decimals, power = found[1], found[2] or "", int(found[3] or 0)
    if unit is None and not decimals and not found[0].lower().endswith("h") and int(whole):
        raise ValueError(f"does not say whether it is in hours, minutes or seconds: {excerpt(found[0])}")
    unit = HOUR if unit is None or found[0].lower().endswith("h") else unit
    exact = Decimal(f"{whole}.{decimals or 0}").scaleb(power) * unit
    if exact >= _TOO_LONG:
        raise ValueError(f"is not a duration: {excerpt(found[0])}")
    seconds = round(exact)
    within = SECOND if unit == SECOND else max(SECOND, unit // 10 ** max(len(decimals) - power, 0))
    return Duration(seconds, within)


def _in_units(found: re.Match[str]) -> Duration:
    exact = sum(
        Decimal(".".join((found[name] or "0").split(","))) * unit
        for name, unit in (("days", 24 * HOUR), ("hours", HOUR), ("minutes", MINUTE), ("seconds", SECOND))
    )
    return Duration(round(exact), SECOND if found["seconds"] or exact % MINUTE else MINUTE)
