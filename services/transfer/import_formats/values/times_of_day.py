"""Parse times of day as other programs write them."""

import re
from dataclasses import dataclass
from datetime import time, timedelta
from functools import lru_cache

from services.transfer.import_formats.values.texts import MAX_EXCERPT_LENGTH, excerpt

_TIME = re.compile(
    r"(?P<hour>[0-9]{1,2})(?:[:.h](?P<minute>[0-9]{2})(?:[:.](?P<second>[0-9]{2})([.,][0-9]{1,9})?)?"
    r"|(?<=[0-9][0-9])(?P<minute_>[0-9]{2})(?P<second_>[0-9]{2})?|(?=\s?[ap]\.?m))"
    r"(\s?(?P<half>[ap])\.?m\.?)?(\s?uhr)?"
    r"(\s?(?P<offset>z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2}(:[0-9]{2})?)?))?",
    re.IGNORECASE,
)
_HOURS_A_DAY = 24
_NOON = 12


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time of day in whole seconds, with its UTC offset if it was written.

    `folded` is `clock_time` with fold=1: its second occurrence when clocks are set back (PEP 495). 24:00 is 00:00
    with `days` = 1.
    """

    clock_time: time
    folded: time
    offset: timedelta | None
    has_seconds: bool
    days: int = 0


def parse_time(text: str) -> TimeOfDay:
    """Parse a time of day. Raises ValueError."""
    if len(text) > MAX_EXCERPT_LENGTH:
        raise ValueError(f"is not a time of day: {excerpt(text)}")
    return _parse_time(text)


@lru_cache(maxsize=8_192)
def _parse_time(text: str) -> TimeOfDay:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"is not a time of day: {excerpt(text)}")
    seconds_text = match["second"] or match["second_"]
    hour, minute, second = int(match["hour"]), int(match["minute"] or match["minute_"] or 0), int(seconds_text or 0)
    days = 0
    if (hour, minute, second, match["half"]) == (_HOURS_A_DAY, 0, 0, None):
        hour, days = 0, 1
    if match["half"]:
        if not 1 <= hour <= _NOON:
            raise ValueError(f"is not a time of a 12-hour clock: {excerpt(text)}")
        hour = hour % _NOON + (_NOON if match["half"] in "pP" else 0)
    try:
        clock_time, folded = time(hour, minute, second), time(hour, minute, second, fold=1)
        offset = None if match["offset"] is None else _parse_offset(match["offset"])
    except ValueError as error:
        raise ValueError(f"is not a time of day: {excerpt(text)}") from error
    return TimeOfDay(clock_time, folded, offset, has_seconds=seconds_text is not None, days=days)


def _parse_offset(text: str) -> timedelta:
    if text[0] not in "+-":
        return timedelta(0)
    size = time.fromisoformat(text[1:])  # refuses 24 hours or more
    offset = timedelta(hours=size.hour, minutes=size.minute, seconds=size.second)
    return offset if text[0] == "+" else -offset
