"""Parse durations as other programs write them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from services.transfer.import_formats.values.texts import MAX_EXCERPT_LENGTH, excerpt

SECOND, MINUTE, HOUR = 1, 60, 3_600
_MAX_SECONDS = 10**12

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
    """A duration in seconds, and its precision: the exact duration differs by less than `precision` seconds.

    A program that writes 1.28 hours or 1:17 has rounded or truncated the exact value.
    """

    seconds: int
    precision: int


def parse_duration(text: str, unit: int | None) -> Duration:
    """Parse a duration. `unit` is the unit of a plain number, in seconds; if None, one with decimals is in hours.

    Raises ValueError if it is not a duration, or if it is negative, as programs write for a running timer.
    """
    if len(text) > MAX_EXCERPT_LENGTH:
        raise ValueError(f"is not a duration: {excerpt(text)}")
    return _parse_duration(text, unit)


@lru_cache(maxsize=8_192)
def _parse_duration(text: str, unit: int | None) -> Duration:
    if text.startswith(("-", "\N{MINUS SIGN}")):
        raise ValueError(f"is negative, so the timer is still running: {excerpt(text)}")
    if match := _CLOCK.fullmatch(text):
        seconds = int(match[1]) * HOUR + int(match[2]) * MINUTE + int(match[3] or 0)
        return Duration(seconds, SECOND if match[3] else MINUTE)
    if match := _HOURS_AND_MINUTES.fullmatch(text):
        return Duration(int(match[1]) * HOUR + int(match[2]) * MINUTE, MINUTE)
    if match := _MINUTES_AND_SECONDS.fullmatch(text):
        return Duration(int(match[1]) * MINUTE + int(match[2]), SECOND)
    if match := _NUMBER.fullmatch(text):
        return _parse_number(match, unit)
    match = _UNITS.fullmatch(text)
    if match is not None and any(match.groups()):
        return _parse_units(match)
    raise ValueError(f"is not a duration (for example 1:30:00): {excerpt(text)}")


def _parse_number(match: re.Match[str], unit: int | None) -> Duration:
    whole, decimals, power = match[1], match[2] or "", int(match[3] or 0)
    if unit is None and not decimals and not match[0].lower().endswith("h") and int(whole):
        raise ValueError(f"could be in hours, minutes or seconds: {excerpt(match[0])}")
    unit = HOUR if unit is None or match[0].lower().endswith("h") else unit
    exact = Decimal(f"{whole}.{decimals or 0}").scaleb(power) * unit
    if exact >= _MAX_SECONDS:
        raise ValueError(f"is not a duration: {excerpt(match[0])}")
    seconds = round(exact)
    precision = SECOND if unit == SECOND else max(SECOND, unit // 10 ** max(len(decimals) - power, 0))
    return Duration(seconds, precision)


def _parse_units(match: re.Match[str]) -> Duration:
    exact = sum(
        Decimal(".".join((match[name] or "0").split(","))) * unit
        for name, unit in (("days", 24 * HOUR), ("hours", HOUR), ("minutes", MINUTE), ("seconds", SECOND))
    )
    return Duration(round(exact), SECOND if match["seconds"] or exact % MINUTE else MINUTE)
