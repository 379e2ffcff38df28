"""Adding up time by rows: pure arithmetic on whole seconds, without a clock, a database or a loop of events.

The longer pieces of work are generators that pause now and then, so that whoever runs them can do
something else in between.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from app.clock import rfc3339
from app.errors import FieldError, ValidationError
from services.common.calendar_days import LocalDays
from services.common.rounding import Rounding, RoundingScope, amount_from_rate_seconds
from services.reporting.clock_hours import LocalHours
from services.reporting.row_keys import (
    HOURS,
    PERIODS,
    TIMES,
    GroupBy,
    Key,
    TrackedEntry,
    TrackedTask,
    days_for_keys,
    key_of_day,
    keys_by,
    label_of,
)
from services.reporting.schemas import AmountRead, ReportSlice, SummaryRow

MAX_ROWS = 50_000
MAX_SLICES = 20_000
MAX_FILLED_ROWS = 5_000
PAUSE = 250
"""How many slices or rows are worked on between two pauses: a millisecond's work or two."""

T = TypeVar("T")
InPieces = Generator[None, None, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be added up: [since, until) in whole seconds since 1970, and what the rows are."""

    since: int
    until: int
    zone: ZoneInfo
    groups: tuple[GroupBy, ...]
    week_start: int = 0
    rounding: Rounding | None = None
    scope: RoundingScope = "entry"
    fill: bool = False
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Sum:
    """What something adds up to; the amounts by currency."""

    seconds: int
    rounded: int
    amounts: dict[str, int]


NOTHING = Sum(0, 0, {})


class Slice(NamedTuple):
    """A part of an entry within one day, [begin, end), and within one hour of the clock where rows are hours."""

    day: date
    hour: int
    begin: int
    end: int


class _Part:
    """Time that is rounded as one. `weight` is its seconds, or those of its slices, each rounded; money goes by it."""

    __slots__ = ("money", "seconds", "weight")

    def __init__(self) -> None:
        self.seconds = 0
        self.weight = 0
        self.money: dict[str, int] = {}

    def add_money(self, currency: str, rate_seconds: int) -> None:
        """Adds what time costs: its weight times the price of an hour."""
        self.money[currency] = self.money.get(currency, 0) + rate_seconds


class _Row:
    """A row that is being added up. Its parts are exact, so that its sum does not depend on the rows inside it."""

    __slots__ = ("added", "entries", "key", "label", "last_entry", "parts", "rows", "slices")

    def __init__(self, key: Key, label: str) -> None:
        self.key = key
        self.label = label
        self.entries = 0
        self.last_entry = 0
        self.parts: dict[date | None, _Part] = {}
        self.rows: dict[Key, _Row] = {}
        self.slices: list[tuple[int, int, str, str]] = []
        self.added = NOTHING


class ReportSums:
    """Adds entries up, task by task. What it keeps grows with the rows, not with the entries.

    `tasks` are those that rows are about.
    """

    def __init__(self, plan: Plan, days: LocalDays | None = None) -> None:
        self.plan = plan
        self.days = days or LocalDays(plan.zone)
        self.tasks: dict[str, TrackedTask] = {}
        self._hours = LocalHours(self.days)
        self._keys = [keys_by(group, week_start=plan.week_start) for group in plan.groups]
        self._lens = plan.rounding.apply if plan.rounding is not None and plan.scope == "entry" else None
        self._day_by_day = plan.scope == "day"
        # Whether a row is merged from those inside it: rows of tags overlap, hours are slices that round by themselves.
        self._merges = [group not in {"tag", "hour"} for group in plan.groups] + [False]
        self._root = _Row(None, "")
        self._entries = self._rows = self._slices = self._work = self._paused_at = 0

    def add(self, task: TrackedTask, entries: Iterable[TrackedEntry]) -> InPieces[None]:
        """Adds the entries of a task, each clipped to the time of the report and cut at its midnights.

        Raises ValidationError when there are more rows, or slices to be shown, than an answer holds.
        """
        since, until = self.plan.since, self.plan.until
        for entry in entries:
            begin = max(since, entry.begin)
            end = min(until, entry.end)
            if begin >= end and (begin > end or begin == until or entry.begin < entry.end):
                continue
            self._entries += 1
            for day, part_begin, part_end in self.days.split_at_midnight(begin, end):
                self._put_into(self._root, 0, task, entry, Slice(day, 0, part_begin, part_end))
                if self._is_time_to_pause():
                    yield

    def result(self) -> InPieces[tuple[Sum, list[SummaryRow]]]:
        """What everything adds up to, and the rows; for when all is added.

        The sum of everything is computed from exact parts, not from the rows as they are shown: it
        is the same whatever the rows are about. So is the sum of a row that holds others.
        """
        if self.plan.fill and self.plan.groups[0] in TIMES:
            yield from self._fill()
        added = yield from self._reckon(self._root, 0)
        two_levels = len(self.plan.groups) > 1
        rows: list[SummaryRow] = []
        for row in self._in_order(self._root, 0):
            read = yield from self._read(row, innermost=not two_levels)
            if two_levels:
                read["rows"] = []
                for inner in self._in_order(row, 1):
                    read["rows"].append((yield from self._read(inner, innermost=True)))
            rows.append(read)
        return added, rows

    def _put_into(self, row: _Row, level: int, task: TrackedTask, entry: TrackedEntry, part: Slice) -> None:
        """Puts a slice of an entry into a row, and into the rows inside it, which are of this level."""
        self._work += 1
        if row.last_entry != self._entries:
            row.last_entry = self._entries
            row.entries += 1
        if not self._merges[level]:
            self._add_up(row, entry, part)
        if level == len(self._keys):
            if self.plan.explain:
                self._show(row, (part.begin, part.end, task.id, str(entry.id)))
            return
        by_hour = self.plan.groups[level] == "hour"
        for piece in self._cut_at_hours(part) if by_hour else (part,):
            for key in self._keys[level](task, entry, piece.day, piece.hour):
                inner = row.rows.get(key) or self._new_row(row, key, level, task)
                self._put_into(inner, level + 1, task, entry, piece)

    def _cut_at_hours(self, whole: Slice) -> Iterator[Slice]:
        for hour, begin, end in self._hours.cut(whole.day, whole.begin, whole.end):
            yield Slice(whole.day, hour, begin, end)

    def _new_row(self, above: _Row, key: Key, level: int, task: TrackedTask) -> _Row:
        self._rows += 1
        if self._rows > MAX_ROWS:
            raise _too_much(f"makes more than {MAX_ROWS:,} rows", "group_by")
        if self.plan.groups[level] == "task":
            self.tasks[task.id] = task
        row = above.rows[key] = _Row(key, label_of(self.plan.groups[level], key, task))
        return row

    def _add_up(self, row: _Row, entry: TrackedEntry, piece: Slice) -> None:
        together = piece.day if self._day_by_day else None
        part = row.parts.get(together)
        if part is None:
            part = row.parts[together] = _Part()
        seconds = piece.end - piece.begin
        weight = seconds if self._lens is None else self._lens(seconds)
        part.seconds += seconds
        part.weight += weight
        if entry.currency is not None:
            part.add_money(entry.currency, weight * entry.amount)

    def _show(self, row: _Row, piece: tuple[int, int, str, str]) -> None:
        self._slices += 1
        if self._slices > MAX_SLICES:
            raise _too_much(f"shows more than {MAX_SLICES:,} slices", "explain")
        row.slices.append(piece)

    def _reckon(self, row: _Row, level: int) -> InPieces[Sum]:
        """Adds up the parts of the row and of each row inside it; money is rounded here, once a row."""
        for inner in row.rows.values():
            yield from self._reckon(inner, level + 1)
            if self._merges[level]:
                yield from self._merge(row, inner)
            inner.parts.clear()
        seconds = rounded = 0
        money: dict[str, int | Fraction] = {}
        for part in row.parts.values():
            part_rounded = part.weight if self.plan.rounding is None else self.plan.rounding.apply(part.weight)
            seconds += part.seconds
            rounded += part_rounded
            for currency, amount in part.money.items():
                share = amount if part_rounded == part.weight else Fraction(amount * part_rounded, part.weight)
                money[currency] = money.get(currency, 0) + share
            if self._is_time_to_pause(1):
                yield
        row.added = Sum(
            seconds,
            rounded,
            {currency: amount_from_rate_seconds(rate_seconds) for currency, rate_seconds in money.items()},
        )
        return row.added

    def _merge(self, row: _Row, inner: _Row) -> InPieces[None]:
        """Adds the exact parts of a row to those of the row that holds it."""
        for together, part in inner.parts.items():
            whole = row.parts.get(together)
            if whole is None:
                whole = row.parts[together] = _Part()
            whole.seconds += part.seconds
            whole.weight += part.weight
            for currency, amount in part.money.items():
                whole.add_money(currency, amount)
            if self._is_time_to_pause(1):
                yield

    def _read(self, row: _Row, *, innermost: bool) -> InPieces[SummaryRow]:
        read: SummaryRow = {
            "key": row.key,
            "label": row.label,
            "seconds": row.added.seconds,
            "rounded_seconds": row.added.rounded,
            "entry_count": row.entries,
            "amounts": read_amounts(row.added),
        }
        if self._is_time_to_pause(1):
            yield
        if self.plan.explain and innermost:
            read["slices"] = []
            for piece in sorted(row.slices):
                read["slices"].append(_read_slice(*piece))
                if self._is_time_to_pause(1):
                    yield
        return read

    def _in_order(self, above: _Row, level: int) -> list[_Row]:
        """Times ascend by key; all else descends by seconds, equal ones by label and key."""
        if self.plan.groups[level] in TIMES:
            return sorted(above.rows.values(), key=lambda row: row.key or "")
        return sorted(above.rows.values(), key=lambda row: (-row.added.seconds, row.label, row.key or ""))

    def _fill(self) -> InPieces[None]:
        """Makes the rows of the times in which nothing was tracked. Raises ValidationError for too many."""
        group = self.plan.groups[0]
        for number, key in enumerate(self._keys_to_fill(group)):
            if number >= MAX_FILLED_ROWS:
                raise _too_much(f"makes more than {MAX_FILLED_ROWS:,} rows", "fill")
            if key is not None and key not in self._root.rows:
                self._root.rows[key] = _Row(key, label_of(group, key))
            if self._is_time_to_pause(1):
                yield

    def _keys_to_fill(self, group: GroupBy) -> Iterator[Key]:
        """The keys of all rows of time within the report, and None for each date that the calendar has skipped."""
        if group == "hour":
            yield from HOURS
            return
        key_of = key_of_day(group, week_start=self.plan.week_start)
        first, last = self.days.day_at(self.plan.since).date, self.days.day_at(self.plan.until - 1).date
        for day in days_for_keys(group, first, last):
            stretch = self.days.day(day)
            yield key_of(day) if group in PERIODS or stretch.begin < stretch.end else None

    def _is_time_to_pause(self, done: int = 0) -> bool:
        """Whether enough was done since the last pause, `done` pieces of work included that were not yet counted."""
        self._work += done
        if self._work - self._paused_at < PAUSE:
            return False
        self._paused_at = self._work
        return True


def read_amounts(added: Sum) -> list[AmountRead]:
    """The amounts as an answer shows them, by currency; never one sum of two."""
    return [{"currency": currency, "amount": amount} for currency, amount in sorted(added.amounts.items())]


def overlap(begin: int, end: int, plan: Plan) -> int:
    """How many seconds of [begin, end) are within the time of the report."""
    return max(0, min(end, plan.until) - max(begin, plan.since))


def at_once(work: InPieces[T]) -> T:
    """What the work answers, done without a pause."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            answer: T = done.value
            return answer


def _read_slice(begin: int, end: int, task_id: str, entry_id: str) -> ReportSlice:
    return {
        "task_id": task_id,
        "entry_id": entry_id,
        "from": rfc3339(datetime.fromtimestamp(begin, UTC)),
        "to": rfc3339(datetime.fromtimestamp(end, UTC)),
        "seconds": end - begin,
    }


def _too_much(what: str, parameter: str) -> ValidationError:
    return ValidationError(errors=(FieldError(f"{what}: ask for a shorter time", parameter=parameter),))
