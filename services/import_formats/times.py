"""Times of day as other programs write them."""

import re
from dataclasses import dataclass
from datetime import time, timedelta
from functools import lru_cache

from services.import_formats.texts import LONGEST_SHOWN, shown

_TIME = re.compile(
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})([.,][0-9]{1,9})?)?"
    r"(\s?(?P<half>[ap])\.?m\.?)?"
    r"(\s?(?P<offset>z|utc|gmt|[+-][0-9]{2}:?[0-9]{2}(:[0-9]{2})?))?",
    re.IGNORECASE,
)
_NOON = 12


@dataclass(frozen=True, slots=True)
class Clock:
    """What a clock shows: without a fraction of a second, and with an offset from UTC if it was written.

    `again` is the same time of day where it comes for the second time (PEP 495).
    """

    first: time
    again: time
    offset: timedelta | None
    has_seconds: bool


def parsed_time(text: str) -> Clock:
    """The time of day that the text names. Raises ValueError."""
    if len(text) > LONGEST_SHOWN:
        raise ValueError(f"is not a time of day: {shown(text)}")
    return _parsed_time(text)


@lru_cache(maxsize=8_192)
def _parsed_time(text: str) -> Clock:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"is not a time of day: {shown(text)}")
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if found["half"]:
        if not 1 <= hour <= _NOON:
            raise ValueError(f"is not a time of day of 12 hours: {shown(text)}")
        hour = hour % _NOON + (_NOON if found["half"] in "pP" else 0)
    try:
        first, again = time(hour, minute, second), time(hour, minute, second, fold=1)
        offset = None if found["offset"] is None else _offset(found["offset"])
    except ValueError as wrong:
        raise ValueError(f"is not a time of day: {shown(text)}") from wrong
    return Clock(first, again, offset, has_seconds=found["second"] is not None)


def _offset(text: str) -> timedelta:
    if text[0] not in "+-":
        return timedelta(0)
    ahead = time.fromisoformat(text[1:])  # so that it is less than a day
    size = timedelta(hours=ahead.hour, minutes=ahead.minute, seconds=ahead.second)
    return size if text[0] == "+" else -size
