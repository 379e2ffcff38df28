"""Read the hourly rate of each row, or compute it from the amount of the row. Currencies are never guessed."""

from collections import Counter
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from decimal import Decimal

from app.plural import pluralize
from services.common.values.money import major_units, minor_units
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

_KIMAI_CLIENT_HEADERS = frozenset({"customer", "kunde", "client", "cliente"})
_KIMAI_TASK_HEADERS = frozenset({"activity", "tätigkeit", "activité", "actividad"})
_ROUNDING_MINOR_UNITS = 1
"""The accepted difference between an amount and the rate times the duration: programs round differently."""

Rate = tuple[int, str]
"""An amount in minor units, and its currency."""

FieldMessage = tuple[Field, str]


@dataclass(frozen=True, slots=True)
class RowRate:
    """The hourly rate of a row, if it could be read.

    Attributes:
        has_price: Whether the row has a rate or an amount, even one that cannot be read.
        is_positive: Whether the rate or the amount is more than 0.
        content: The rate or the amount in the row, for `ImportedRow.price`.
    """

    rate: Rate | None = None
    has_price: bool = False
    is_positive: bool = False
    content: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Money:
    """The amount in a cell. `number` is None if it cannot be read.

    `file_currency` is the currency in the file, `currency` that or the default of the request.
    """

    field: Field
    number: Decimal | None
    file_currency: str | None
    currency: str | None

    @property
    def content(self) -> tuple[str, str, str]:
        number = "" if self.number is None else f"{self.number.normalize():f}"
        return (self.field, number, self.file_currency or "")


@dataclass(slots=True)
class _UnknownCurrency:
    """The number of amounts in a column without a recognizable currency, and the texts in its place."""

    rows: int = 0
    texts: Counter[str] = dataclass_field(default_factory=Counter)


class HourlyRates:
    """Reads the hourly rates of the rows, and collects the notices about whole columns."""

    def __init__(self, columns: Columns, default_currency: str | None) -> None:
        self._columns = columns
        self._default_currency = default_currency
        self._unknown_currencies: dict[Field, _UnknownCurrency] = {}
        self._computed_rows = 0
        self._non_billable_rows = 0
        self._rate_field, self._amount_field = _rate_and_amount_fields(columns)

    def read(self, cells: RowCells, seconds: int, *, billable: bool | None) -> tuple[RowRate, list[FieldMessage]]:
        """Return the hourly rate of a row that lasts `seconds`, and the messages about its cells."""
        messages: list[FieldMessage] = []
        rate = self._read_money(cells, self._rate_field, messages)
        amount = self._read_money(cells, self._amount_field, messages)
        present = [money for money in (rate, amount) if money is not None]
        content = present[0].content if present else ()
        if billable is False:
            self._non_billable_rows += bool(amount and amount.number)
            return RowRate(content=content), []
        for money in present:
            self._count_unknown_currency(cells, money)
        hourly = self._to_rate(rate, messages)
        if amount and amount.number and amount.currency:
            if hourly is None:
                hourly = self._compute_rate(amount.field, amount.number, amount.currency, seconds, messages)
            elif amount.currency == hourly[1] and not _is_consistent(amount.number, hourly, seconds):
                messages.append((amount.field, _inconsistent_message(amount.number, hourly, seconds)))
        has_price = bool(present) or self._columns.is_own
        is_positive = any(money.number for money in present)
        return RowRate(hourly, has_price=has_price, is_positive=is_positive, content=content), messages

    def notices(self) -> list[RowMessage]:
        """Return the messages about whole columns."""
        notices: list[tuple[Field | None, str]] = []
        for field, unknown in self._unknown_currencies.items():
            texts = ", ".join(f'"{excerpt(text)}"' for text, _ in unknown.texts.most_common(3))
            message = f"has no recognizable currency ({texts or 'none is given'}): "
            message += f"{pluralize(unknown.rows, 'amount was', 'amounts were')} ignored; send the form field currency"
            notices.append((field, message))
        if self._computed_rows:
            rows = pluralize(self._computed_rows, "row")
            message = f"is an amount per row: the hourly rate of {rows} was computed from it"
            notices.append((self._amount_field, message))
        if self._non_billable_rows:
            rows = pluralize(self._non_billable_rows, "row")
            notices.append((self._amount_field, f"has an amount in {rows} of non-billable time: it was ignored"))
        if self._rate_field == "rate_or_amount":
            notices.append((self._rate_field, "was read as an hourly rate"))
        return [RowMessage(0, self._columns.name(field), message) for field, message in notices]

    def _to_rate(self, rate: _Money | None, messages: list[FieldMessage]) -> Rate | None:
        if rate is None or rate.number is None or rate.currency is None:
            return None
        try:
            minor = to_minor_units(rate.number, rate.currency)
        except ValueError as error:
            messages.append((rate.field, f"{error}: {rate.number}; it was ignored"))
            return None
        return (minor, rate.currency) if minor or self._columns.is_own else None

    def _compute_rate(
        self, field: Field, amount: Decimal, currency: str, seconds: int, messages: list[FieldMessage]
    ) -> Rate | None:
        computed = rate_from_amount(amount, seconds, currency)
        if computed is None:
            messages.append((field, f"is {amount} for {seconds:,} seconds: no hourly rate gives this amount"))
            return None
        self._computed_rows += 1
        return computed, currency

    def _read_money(self, cells: RowCells, field: Field | None, messages: list[FieldMessage]) -> _Money | None:
        """Read the amount of a field; None if the cell is empty."""
        text = "" if field is None else cells.text(field)
        if field is None or not text:
            return None
        try:
            number, around = self._parse_amount(text)
        except ValueError as error:
            messages.append((field, f"{error}; it was ignored"))
            return _Money(field, None, text, None)
        file_currency = self._file_currency(cells, field, around)
        currency = file_currency or self._default_currency
        if self._columns.is_in_minor_units and field == "rate" and currency is not None:
            number = number.scaleb(-minor_units()[currency])
        return _Money(field, number, file_currency, currency)

    def _parse_amount(self, text: str) -> tuple[Decimal, str]:
        """Parse an amount. This service's own export never separates thousands, so a single comma is decimal there."""
        is_decimal_comma = self._columns.is_own and text.count(",") == 1 and "." not in text
        return parse_amount(".".join(text.split(",")) if is_decimal_comma else text)

    def _file_currency(self, cells: RowCells, field: Field, around: str) -> str | None:
        """Return the currency from the cell, the header, the currency column, or the header of the other amount."""
        for text in (around, self._columns.currencies.get(field, ""), cells.text("currency")):
            if currency := parse_currency(text):
                return currency
        others = {parse_currency(text) for text in self._columns.currencies.values()} - {None}
        return others.pop() if len(others) == 1 else None

    def _count_unknown_currency(self, cells: RowCells, money: _Money) -> None:
        if money.currency is not None or not money.number:
            return
        unknown = self._unknown_currencies.setdefault(money.field, _UnknownCurrency())
        unknown.rows += 1
        _, around = self._parse_amount(cells.text(money.field))
        text = around or self._columns.currencies.get(money.field) or cells.text("currency")
        if text:
            unknown.texts[text] += 1


def _rate_and_amount_fields(columns: Columns) -> tuple[Field | None, Field | None]:
    """Return the field with the hourly rate, and the field with the amount of the row.

    A column "Rate" can be either: with an hourly rate in another column it is the amount, with an amount in
    another column it is the rate. In the files of Kimai it is the amount.
    """
    rate: Field | None = "rate" if "rate" in columns.indexes else None
    amount: Field | None = "amount" if "amount" in columns.indexes else None
    if "rate_or_amount" in columns.indexes:
        if rate is None and (amount is not None or not _is_kimai(columns)):
            rate = "rate_or_amount"
        elif amount is None:
            amount = "rate_or_amount"
    return rate, amount


def _is_kimai(columns: Columns) -> bool:
    return columns.is_one_of("client", _KIMAI_CLIENT_HEADERS) and columns.is_one_of("task", _KIMAI_TASK_HEADERS)


def _is_consistent(amount: Decimal, rate: Rate, seconds: int) -> bool:
    minor = amount.scaleb(minor_units()[rate[1]])
    return abs(minor - amount_from_rate(rate[0], seconds)) <= _ROUNDING_MINOR_UNITS + Decimal(rate[0]) / HOUR


def _inconsistent_message(amount: Decimal, rate: Rate, seconds: int) -> str:
    hourly = major_units(*rate)
    return f"is {amount}, which is not {seconds:,} seconds at {hourly} per hour: the hourly rate was used"
