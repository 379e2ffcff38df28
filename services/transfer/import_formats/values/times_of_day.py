"""Times of day as other programs write them."""

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
    """What a clock shows: without a fraction of a second, and with an offset from UTC if it was written.

    `again` is the same time of day where it comes for the second time (PEP 495). 24:00 is 00:00
    of the day after, `days` later.
    """

    first: time
    again: time
    offset: timedelta | None
    has_seconds: bool
    days: int = 0


def parse_time(text: str) -> TimeOfDay:
    """The time of day that the text names. Raises ValueError."""
    if len(text) > MAX_EXCERPT_LENGTH:
        raise ValueError(f"is not a time of day: {excerpt(text)}")
    return _parsed_time(text)


@lru_cache(maxsize=8_192)
def _parsed_time(text: str) -> TimeOfDay:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"is not a time of day: {excerpt(text)}")
    written = found["second"] or found["second_"]
    hour, minute, second = int(found["hour"]), int(found["minute"] or found["minute_"] or 0), int(written or 0)
    days = 0
    if (hour, minute, second, found["half"]) == (_HOURS_A_DAY, 0, 0, None):
        hour, days = 0, 1
    if found["half"]:
        if not 1 <= hour <= _NOON:
            raise ValueError(f"is not a time of day of 12 hours: {excerpt(text)}")
        hour = hour % _NOON + (_NOON if found["half"] in "pP" else 0)
    try:
        first, again = time(hour, minute, second), time(hour, minute, second, fold=1)
        offset = None if found["offset"] is None else _offset(found["offset"])
    except ValueError as wrong:
        raise ValueError(f"is not a time of day: {excerpt(text)}") from wrong
    return TimeOfDay(first, again, offset, has_seconds=written is not None, days=days)


def _offset(text: str) -> timedelta:
    if text[0] not in "+-":
        return timedelta(0)
    ahead = time.fromisoformat(text[1:])  # so that it is less than a day
    size = timedelta(hours=ahead.hour, minutes=ahead.minute, seconds=ahead.second)
    return size if text[0] == "+" else -size
