"""Parse dates as other programs write them, and detect the order of day, month and year in a file."""

import re
from datetime import date
from functools import lru_cache
from itertools import combinations
from typing import Literal

from typing_extensions import TypeAliasType

from app.errors import FieldError, ValidationError
from services.common.values.fields import MAX_YEAR, MIN_YEAR
from services.transfer.import_formats.values.texts import MAX_EXCERPT_LENGTH, excerpt

DateOrder = TypeAliasType("DateOrder", Literal["dmy", "mdy", "ymd"])

_DATE = re.compile(r"([0-9]{1,4})([-/.])([0-9]{1,2})\2([0-9]{1,4})")
_COMPACT = re.compile(r"([0-9]{4})()([0-9]{2})([0-9]{2})(?=[Tt ]|$)")
_MONTH = r"(?P<month>[^\W\d_]{3,10})"
_WITH_MONTH_NAME = (
    re.compile(
        rf"(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th|\.)?(?: de)?[ /-]?{_MONTH}\.?(?: de)?,?[ /-](?P<year>[0-9]{{4}})"
    ),
    re.compile(rf"{_MONTH}\.? (?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?,? (?P<year>[0-9]{{4}})"),
)
_WEEKDAY = re.compile(r"([^\W\d_]{2,10})\.?,? ")
_YEAR_DIGITS = 4
_MONTHS = 12
_ORDER_NAMES: dict[DateOrder, str] = {
    "dmy": "day, month, year",
    "mdy": "month, day, year",
    "ymd": "year, month, day",
}
_GROUPS: dict[DateOrder, tuple[int, int, int]] = {"dmy": (4, 3, 1), "mdy": (4, 1, 3), "ymd": (1, 3, 4)}
"""The groups of _DATE that hold the year, the month and the day."""

_MONTH_NUMBERS = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "jänner feber maerz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "jan feb mar apr may jun jul aug sep oct nov dec",
        "jan feb mär apr mai jun jul aug sept okt nov dez",
        "janv févr mars avr mai juin juil août sept oct nov déc",
        "ene feb mar abr may jun jul ago set oct nov dic",
    )
    for number, name in enumerate(names.split(), start=1)
}
_WEEKDAYS = frozenset(
    name
    for names in (
        "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun",
        "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so",
        "lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim",
        "lunes martes miércoles jueves viernes sábado domingo mié jue vie sáb dom",
    )
    for name in names.split()
)


def _match_date(text: str) -> re.Match[str] | None:
    """Match a date at the start of the text."""
    for pattern in (_COMPACT, _DATE, *_WITH_MONTH_NAME):
        match = pattern.match(text)
        if match is not None and (pattern in {_COMPACT, _DATE} or match["month"].casefold() in _MONTH_NUMBERS):
            return match
    return None


def split_date(text: str) -> tuple[str, str]:
    """Split the text into the date at its start and the rest. The date is empty if there is none.

    A weekday before the date is dropped.
    """
    weekday = _WEEKDAY.match(text)
    if weekday is not None and weekday[1].casefold() in _WEEKDAYS:
        match = _match_date(text[weekday.end() :])
        if match is not None:
            return match[0], text[weekday.end() + match.end() :]
    match = _match_date(text)
    return ("", text) if match is None else (match[0], text[match.end() :])


def parse_date(text: str, order: DateOrder) -> date:
    """Parse a date. Raises ValueError if it is not one, or if its year is out of range."""
    if len(text) > MAX_EXCERPT_LENGTH:
        raise ValueError(f"is not a date: {excerpt(text)}")
    return _parse_date(text, order)


@lru_cache(maxsize=8_192)
def _parse_date(text: str, order: DateOrder) -> date:
    match = _match_date(text)
    if match is None or match.end() < len(text):
        raise ValueError(f"is not a date: {excerpt(text)}")
    if "month" in match.groupdict():
        year, month, day = match["year"], str(_MONTH_NUMBERS[match["month"].casefold()]), match["day"]
    elif match.re is _COMPACT:
        year, month, day = match[1], match[3], match[4]
    else:
        year, month, day = (match[group] for group in _GROUPS[order])
    if len(year) != _YEAR_DIGITS or max(len(month), len(day)) > 2:  # noqa: PLR2004 - digits
        raise ValueError(f"is not a date in the order {_ORDER_NAMES[order]} with a four-digit year: {excerpt(text)}")
    try:
        parsed = date(int(year), int(month), int(day))
    except ValueError as error:
        raise ValueError(f"is not a calendar date in the order {_ORDER_NAMES[order]}: {excerpt(text)}") from error
    if not MIN_YEAR - 1 <= parsed.year <= MAX_YEAR:  # west of UTC the first year starts on 31 December
        raise ValueError(f"is outside the years {MIN_YEAR} to {MAX_YEAR}: {excerpt(text)}")
    return parsed


@lru_cache(maxsize=8_192)
def _possible_orders(text: str) -> tuple[DateOrder, ...]:
    """Return the possible orders of a date; none if the text says nothing about the order (11/11/2026, 20261118)."""
    match = _DATE.fullmatch(text)
    if match is None:
        return ()
    first, second = match[1], match[3]
    if len(first) == _YEAR_DIGITS:
        return ("ymd",)
    if len(match[4]) != _YEAR_DIGITS or len(first) > 2 or int(first) == int(second):  # noqa: PLR2004 - digits
        return ()
    orders: tuple[tuple[DateOrder, str], ...] = (("dmy", second), ("mdy", first))
    return tuple(order for order, month in orders if int(month) <= _MONTHS)


class DateOrderFinder:
    """Determines the order of day, month and year from all dates of a file."""

    def __init__(self) -> None:
        self._first_rows: dict[tuple[DateOrder, ...], tuple[int, str]] = {}

    def add(self, text: str, row: int) -> None:
        """Add the date of a row."""
        orders = _possible_orders(text)
        if orders:
            self._first_rows.setdefault(orders, (row, text))

    def order(self) -> DateOrder:
        """Return the order. Raises ValidationError if the dates contradict each other or are all ambiguous."""
        possible = set(_ORDER_NAMES).intersection(*self._first_rows) if self._first_rows else {"dmy"}
        if len(possible) == 1:
            return next(order for order in _ORDER_NAMES if order in possible)
        if possible:
            ((row, text),) = self._first_rows.values()
            raise _order_error(f"is required: every date of the file is ambiguous, for example {text} in row {row}")
        (row, text), (other_row, other_text) = self._contradiction()
        raise _order_error(
            f"cannot be determined, and no value is right: {text} in row {row} and {other_text} in row "
            f"{other_row} are in different orders"
        )

    def _contradiction(self) -> list[tuple[int, str]]:
        """Return two rows, in file order, whose dates cannot be in the same order."""
        pairs = combinations(self._first_rows, 2)
        conflict = next(pair for pair in pairs if not set(pair[0]).intersection(pair[1]))
        return sorted(self._first_rows[orders] for orders in conflict)


def _order_error(detail: str) -> ValidationError:
    return ValidationError(errors=(FieldError(detail, pointer="#/date_order"),))
