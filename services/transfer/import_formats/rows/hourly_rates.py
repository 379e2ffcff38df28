"""What an hour of each row costs: read from a rate, or from the amount of the row; nothing is guessed."""

from collections import Counter
from dataclasses import dataclass
from dataclasses import field as made_by
from decimal import Decimal

from app.plural import pluralize
from services.common.values.money import MINOR_UNITS, major_units
from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.cells import RowCells
from services.transfer.import_formats.tables.columns import Columns
from services.transfer.import_formats.tables.fields import Field
from services.transfer.import_formats.values.amounts import (
    amount_from_rate,
    parse_amount,
    rate_from_amount,
    to_minor_units,
)
from services.transfer.import_formats.values.currencies import parse_currency
from services.transfer.import_formats.values.durations import HOUR
from services.transfer.import_formats.values.texts import excerpt

_MONEY_OF_KIMAI = (
    frozenset({"customer", "kunde", "client", "cliente"}),
    frozenset({"activity", "tätigkeit", "activité", "actividad"}),
)
_CLOSE = 1
"""By how many minor units an amount may differ from what the rate makes: programs round in other ways."""

Rate = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Price:
    """What an hour costs.

    `is_told` is whether the row says it at all, even if it cannot be read, and `is_some` whether it is
    more than nothing. `said` is what the row itself says, whatever the form says beside it.
    """

    rate: Rate | None = None
    is_told: bool = False
    is_some: bool = False
    said: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Money:
    """What a cell says: a number, None where it has none, and the currency that the file has for it."""

    field: Field
    number: Decimal | None
    told: str | None
    currency: str | None

    @property
    def said(self) -> tuple[str, str, str]:
        number = "" if self.number is None else f"{self.number.normalize():f}"
        return (self.field, number, self.told or "")


@dataclass(slots=True)
class _Untold:
    """The values of a column whose currency nobody can tell."""

    rows: int = 0
    texts: Counter[str] = made_by(default_factory=Counter)


class HourlyRates:
    """Reads what the rows cost, and keeps what is to be said of each column as a whole."""

    def __init__(self, columns: Columns, currency: str | None) -> None:
        self._columns = columns
        self._asked = currency
        self._untold: dict[Field, _Untold] = {}
        self._computed = 0
        self._not_billable = 0
        self._rate, self._amount = _rate_and_amount(columns)

    def of(self, cells: RowCells, seconds: int, *, billable: bool | None) -> tuple[Price, list[tuple[Field, str]]]:
        """What an hour of the row costs, and what is to be said of it."""
        said: list[tuple[Field, str]] = []
        rate, amount = self._money(cells, self._rate, said), self._money(cells, self._amount, said)
        told = [money for money in (rate, amount) if money is not None]
        words = told[0].said if told else ()
        if billable is False:
            self._not_billable += bool(amount and amount.number)
            return Price(said=words), []
        for money in told:
            self._keep_untold(cells, money)
        hourly = self._hourly(rate, said)
        if amount and amount.number and amount.currency:
            if hourly is None:
                hourly = self._computed_rate(amount.field, amount.number, amount.currency, seconds, said)
            elif amount.currency == hourly[1] and not _fits(amount.number, hourly, seconds):
                said.append((amount.field, _told_apart(amount.number, hourly, seconds)))
        is_told = bool(told) or self._columns.is_own
        return Price(hourly, is_told=is_told, is_some=any(money.number for money in told), said=words), said

    def notices(self) -> list[RowMessage]:
        """What is to be said of the columns."""
        found: list[tuple[Field | None, str]] = []
        for field, untold in self._untold.items():
            texts = ", ".join(f'"{excerpt(text)}"' for text, _ in untold.texts.most_common(3))
            message = f"has no currency that can be told ({texts or 'none is there'}): "
            message += f"{pluralize(untold.rows, 'amount was', 'amounts were')} left out; send the form field currency"
            found.append((field, message))
        if self._computed:
            rows = pluralize(self._computed, "row")
            found.append((self._amount, f"is the amount of a row: the hourly rate of {rows} was computed from it"))
        if self._not_billable:
            rows = pluralize(self._not_billable, "row")
            found.append((self._amount, f"has an amount in {rows} of time that is not billable: it was left out"))
        if self._rate == "rate_or_amount":
            found.append((self._rate, "was read as the price of an hour"))
        return [RowMessage(0, self._columns.name(field), message) for field, message in found]

    def _hourly(self, rate: _Money | None, said: list[tuple[Field, str]]) -> Rate | None:
        if rate is None or rate.number is None or rate.currency is None:
            return None
        try:
            minor = to_minor_units(rate.number, rate.currency)
        except ValueError as wrong:
            said.append((rate.field, f"{wrong}: {rate.number}; it was left out"))
            return None
        return (minor, rate.currency) if minor or self._columns.is_own else None

    def _computed_rate(
        self, field: Field, amount: Decimal, currency: str, seconds: int, said: list[tuple[Field, str]]
    ) -> Rate | None:
        computed = rate_from_amount(amount, seconds, currency)
        if computed is None:
            said.append((field, f"is {amount} for {seconds:,} seconds, which no hourly rate makes"))
            return None
        self._computed += 1
        return computed, currency

    def _money(self, cells: RowCells, field: Field | None, said: list[tuple[Field, str]]) -> _Money | None:
        """What the cell of this field says; None where it is empty."""
        text = "" if field is None else cells.text(field)
        if field is None or not text:
            return None
        try:
            number, around = parse_amount(text)
        except ValueError as wrong:
            said.append((field, f"{wrong}; it was left out"))
            return _Money(field, None, text, None)
        told = self._told(cells, field, around)
        currency = told or self._asked
        if self._columns.is_in_minor_units and field == "rate" and currency is not None:
            number = number.scaleb(-MINOR_UNITS[currency])
        return _Money(field, number, told, currency)

    def _told(self, cells: RowCells, field: Field, around: str) -> str | None:
        """The currency that the file tells."""
        for text in (around, self._columns.currencies.get(field, ""), cells.text("currency")):
            if found := parse_currency(text):
                return found
        others = {parse_currency(text) for text in self._columns.currencies.values()} - {None}
        return others.pop() if len(others) == 1 else None

    def _keep_untold(self, cells: RowCells, money: _Money) -> None:
        if money.currency is not None or not money.number:
            return
        untold = self._untold.setdefault(money.field, _Untold())
        untold.rows += 1
        _, around = parse_amount(cells.text(money.field))
        text = around or self._columns.currencies.get(money.field) or cells.text("currency")
        if text:
            untold.texts[text] += 1


def _rate_and_amount(columns: Columns) -> tuple[Field | None, Field | None]:
    """The column that has the price of an hour, and the one that has the amount of a row.

    "Rate" alone may be either: beside an hourly rate it is an amount, beside an amount it is a rate, and
    in the files of Kimai it is an amount.
    """
    rate: Field | None = "rate" if "rate" in columns.places else None
    amount: Field | None = "amount" if "amount" in columns.places else None
    if "rate_or_amount" in columns.places:
        if rate is None and (amount is not None or not _is_of_kimai(columns)):
            rate = "rate_or_amount"
        elif amount is None:
            amount = "rate_or_amount"
    return rate, amount


def _is_of_kimai(columns: Columns) -> bool:
    customers, activities = _MONEY_OF_KIMAI
    return columns.is_one_of("client", customers) and columns.is_one_of("task", activities)


def _fits(amount: Decimal, rate: Rate, seconds: int) -> bool:
    minor = amount.scaleb(MINOR_UNITS[rate[1]])
    return abs(minor - amount_from_rate(rate[0], seconds)) <= _CLOSE + Decimal(rate[0]) / HOUR


def _told_apart(amount: Decimal, rate: Rate, seconds: int) -> str:
    hourly = major_units(*rate)
    return f"is {amount}, but {seconds:,} seconds at {hourly} an hour are not: the hourly rate was taken"
