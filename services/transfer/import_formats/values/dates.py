"""Dates as other programs write them, and the order of day, month and year that a column is in."""

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
_IN_MONTHS_WORDS = (
    re.compile(
        rf"(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th|\.)?(?: de)?[ /-]?{_MONTH}\.?(?: de)?,?[ /-](?P<year>[0-9]{{4}})"
    ),
    re.compile(rf"{_MONTH}\.? (?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?,? (?P<year>[0-9]{{4}})"),
)
_WEEKDAY = re.compile(r"([^\W\d_]{2,10})\.?,? ")
_YEAR_DIGITS = 4
_MONTHS = 12
_IN_WORDS: dict[DateOrder, str] = {
    "dmy": "day, month, year",
    "mdy": "month, day, year",
    "ymd": "year, month, day",
}
_PLACES: dict[DateOrder, tuple[int, int, int]] = {"dmy": (4, 3, 1), "mdy": (4, 1, 3), "ymd": (1, 3, 4)}
"""Which groups of a date are its year, month and day."""

_MONTHS_NAMED = {
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


def _begins(text: str) -> re.Match[str] | None:
    """The date that the text begins with."""
    for form in (_COMPACT, _DATE, *_IN_MONTHS_WORDS):
        found = form.match(text)
        if found is not None and (form in {_COMPACT, _DATE} or found["month"].casefold() in _MONTHS_NAMED):
            return found
    return None


def split_date(text: str) -> tuple[str, str]:
    """The date that the text begins with, and what follows it; no date where it begins with none.

    The name of a weekday before it is passed over.
    """
    weekday = _WEEKDAY.match(text)
    if weekday is not None and weekday[1].casefold() in _WEEKDAYS:
        found = _begins(text[weekday.end() :])
        if found is not None:
            return found[0], text[weekday.end() + found.end() :]
    found = _begins(text)
    return ("", text) if found is None else (found[0], text[found.end() :])


def parse_date(text: str, order: DateOrder) -> date:
    """The day that the text names, within a year of those that are known. Raises ValueError."""
    if len(text) > MAX_EXCERPT_LENGTH:
        raise ValueError(f"is not a date: {excerpt(text)}")
    return _parsed_date(text, order)


@lru_cache(maxsize=8_192)
def _parsed_date(text: str, order: DateOrder) -> date:
    found = _begins(text)
    if found is None or found.end() < len(text):
        raise ValueError(f"is not a date: {excerpt(text)}")
    if "month" in found.groupdict():
        year, month, day = found["year"], str(_MONTHS_NAMED[found["month"].casefold()]), found["day"]
    elif found.re is _COMPACT:
        year, month, day = found[1], found[3], found[4]
    else:
        year, month, day = (found[place] for place in _PLACES[order])
    if len(year) != _YEAR_DIGITS or max(len(month), len(day)) > 2:  # noqa: PLR2004 - digits
        raise ValueError(f"is not a date in the order {_IN_WORDS[order]} with four digits of the year: {excerpt(text)}")
    try:
        parsed = date(int(year), int(month), int(day))
    except ValueError as wrong:
        raise ValueError(f"is not a day of the calendar in the order {_IN_WORDS[order]}: {excerpt(text)}") from wrong
    if not MIN_YEAR - 1 <= parsed.year <= MAX_YEAR:  # in the west the first year begins in the one before
        raise ValueError(f"is outside of the years {MIN_YEAR} to {MAX_YEAR}: {excerpt(text)}")
    return parsed


@lru_cache(maxsize=8_192)
def _possible_orders(text: str) -> tuple[DateOrder, ...]:
    """The orders that the date can be in; none for what is no date, or the same in any: 11/11/2026 or 20261118."""
    found = _DATE.fullmatch(text)
    if found is None:
        return ()
    first, second = found[1], found[3]
    if len(first) == _YEAR_DIGITS:
        return ("ymd",)
    if len(found[4]) != _YEAR_DIGITS or len(first) > 2 or int(first) == int(second):  # noqa: PLR2004 - digits
        return ()
    orders: tuple[tuple[DateOrder, str], ...] = (("dmy", second), ("mdy", first))
    return tuple(order for order, month in orders if int(month) <= _MONTHS)


class DateOrderFinder:
    """Looks at all the dates of a file: only what is certain counts."""

    def __init__(self) -> None:
        self._first_rows: dict[tuple[DateOrder, ...], tuple[int, str]] = {}

    def look(self, text: str, row: int) -> None:
        """Takes the date in a row into account."""
        orders = _possible_orders(text)
        if orders:
            self._first_rows.setdefault(orders, (row, text))

    def order(self) -> DateOrder:
        """The order. Raises ValidationError where the dates contradict each other, or leave it open."""
        possible = set(_IN_WORDS).intersection(*self._first_rows) if self._first_rows else {"dmy"}
        if len(possible) == 1:
            return next(order for order in _IN_WORDS if order in possible)
        if possible:
            ((row, text),) = self._first_rows.values()
            raise _refused(f"is needed: each date of the file can be read in two ways, such as {text} in row {row}")
        (row, text), (other_row, other_text) = self._contradiction()
        raise _refused(
            f"cannot be told, and would not help: {text} in row {row} and {other_text} in row {other_row} "
            "are dates in different orders"
        )

    def _contradiction(self) -> list[tuple[int, str]]:
        """Two rows whose dates cannot be in the same order, the first of them first."""
        pairs = combinations(self._first_rows, 2)
        contrary = next(pair for pair in pairs if not set(pair[0]).intersection(pair[1]))
        return sorted(self._first_rows[orders] for orders in contrary)


def _refused(detail: str) -> ValidationError:
    return ValidationError(errors=(FieldError(detail, pointer="#/date_order"),))
