"""The totals of a report: pure arithmetic on whole seconds, without clock, database or event loop.

Long computations are generators. They yield at regular intervals, so that the caller can run other tasks.
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
    HOUR_KEYS,
    PERIOD_KEYS,
    TIME_KEYS,
    GroupBy,
    Key,
    TrackedEntry,
    TrackedTask,
    day_key_function,
    days_for_keys,
    row_key_function,
    row_label,
)
from services.reporting.schemas import AmountRead, ReportSlice, SummaryRow

MAX_ROWS = 50_000
MAX_SLICES = 20_000
MAX_FILLED_ROWS = 5_000
PAUSE_INTERVAL = 250
"""Slices or rows to process between two pauses: one or two milliseconds of work."""

T = TypeVar("T")
PausableWork = Generator[None, None, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parameters of a report. The range [since, until) is in whole seconds since 1970.

    `include_notes` needs `explain`.
    """

    since: int
    until: int
    zone: ZoneInfo
    groups: tuple[GroupBy, ...]
    week_start: int = 0
    rounding: Rounding | None = None
    scope: RoundingScope = "entry"
    fill: bool = False
    explain: bool = False
    include_notes: bool = False


@dataclass(frozen=True, slots=True)
class Total:
    """A total of time in seconds, raw and rounded, and of amounts by currency in minor units."""

    seconds: int
    rounded: int
    amounts: dict[str, int]


ZERO = Total(0, 0, {})


class Slice(NamedTuple):
    """A part [begin, end) of an entry within one day, and within one local hour when grouped by hour."""

    day: date
    hour: int
    begin: int
    end: int


class _Part:
    """Time that is rounded as a unit.

    `weight` is the sum of its slices in seconds, each rounded when the scope is 'entry'. Amounts follow the weight.
    """

    __slots__ = ("money", "seconds", "weight")

    def __init__(self) -> None:
        self.seconds = 0
        self.weight = 0
        self.money: dict[str, int] = {}

    def add_money(self, currency: str, rate_seconds: int) -> None:
        """Add an amount, given as weight times hourly rate."""
        self.money[currency] = self.money.get(currency, 0) + rate_seconds


class _Row:
    """A row during the computation. Its parts are exact, so its total does not depend on its subgroups."""

    __slots__ = ("entries", "key", "label", "last_entry", "parts", "rows", "slices", "total")

    def __init__(self, key: Key, label: str) -> None:
        self.key = key
        self.label = label
        self.entries = 0
        self.last_entry = 0
        self.parts: dict[date | None, _Part] = {}
        self.rows: dict[Key, _Row] = {}
        self.slices: list[tuple[int, int, str, str]] = []
        self.total = ZERO


class ReportTotals:
    """Adds up entries, task by task. Memory grows with the number of rows, not of entries.

    `tasks` are the tasks of the rows, by id, when a report is grouped by task. `notes` are the notes of the entries
    whose slices are listed, by the id of the entry, if the plan includes them.
    """

    def __init__(self, plan: Plan, days: LocalDays | None = None) -> None:
        self.plan = plan
        self.notes: dict[str, str] = {}
        self.days = days or LocalDays(plan.zone)
        self.tasks: dict[str, TrackedTask] = {}
        self._hours = LocalHours(self.days)
        self._keys = [row_key_function(group, week_start=plan.week_start) for group in plan.groups]
        self._round_slice = plan.rounding.apply if plan.rounding is not None and plan.scope == "entry" else None
        self._rounds_days = plan.scope == "day"
        # Whether a row is the sum of its subgroups. Tags overlap, and hours split slices that are rounded as a whole.
        self._merges = [group not in {"tag", "hour"} for group in plan.groups] + [False]
        self._root = _Row(None, "")
        self._entries = self._rows = self._slices = self._work = self._paused_at = 0

    def add(self, task: TrackedTask, entries: Iterable[TrackedEntry]) -> PausableWork[None]:
        """Add the entries of a task, each clipped to the range of the report and split at midnight.

        Raises ValidationError when the report has too many rows or listed slices.
        """
        since, until = self.plan.since, self.plan.until
        for entry in entries:
            begin = max(since, entry.begin)
            end = min(until, entry.end)
            if begin >= end and (begin > end or begin == until or entry.begin < entry.end):
                continue
            self._entries += 1
            for day, part_begin, part_end in self.days.split_at_midnight(begin, end):
                self._add_slice(self._root, 0, task, entry, Slice(day, 0, part_begin, part_end))
                if self._is_time_to_pause():
                    yield

    def result(self) -> PausableWork[tuple[Total, list[SummaryRow]]]:
        """Return the grand total and the rows. Call it once, after all entries were added.

        The grand total is computed from exact parts, not from the rounded rows, so it does not depend on the
        grouping. The same holds for the total of a row with subgroups.
        """
        if self.plan.fill and self.plan.groups[0] in TIME_KEYS:
            yield from self._fill()
        total = yield from self._compute_total(self._root, 0)
        two_levels = len(self.plan.groups) > 1
        rows: list[SummaryRow] = []
        for row in self._sorted_rows(self._root, 0):
            read = yield from self._read(row, innermost=not two_levels)
            if two_levels:
                read["rows"] = []
                for inner in self._sorted_rows(row, 1):
                    read["rows"].append((yield from self._read(inner, innermost=True)))
            rows.append(read)
        return total, rows

    def _add_slice(self, row: _Row, level: int, task: TrackedTask, entry: TrackedEntry, part: Slice) -> None:
        """Add a slice of an entry to a row, and to its subgroups, which are at this level."""
        self._work += 1
        if row.last_entry != self._entries:
            row.last_entry = self._entries
            row.entries += 1
        if not self._merges[level]:
            self._add_to_part(row, entry, part)
        if level == len(self._keys):
            if self.plan.explain:
                self._list_slice(row, (part.begin, part.end, task.id, str(entry.id)))
                if self.plan.include_notes:
                    self.notes[str(entry.id)] = entry.note or ""
            return
        by_hour = self.plan.groups[level] == "hour"
        for piece in self._split_at_hours(part) if by_hour else (part,):
            for key in self._keys[level](task, entry, piece.day, piece.hour):
                inner = row.rows.get(key) or self._new_row(row, key, level, task)
                self._add_slice(inner, level + 1, task, entry, piece)

    def _split_at_hours(self, part: Slice) -> Iterator[Slice]:
        for hour, begin, end in self._hours.split_at_hours(part.day, part.begin, part.end):
            yield Slice(part.day, hour, begin, end)

    def _new_row(self, parent: _Row, key: Key, level: int, task: TrackedTask) -> _Row:
        self._rows += 1
        if self._rows > MAX_ROWS:
            raise _too_large(f"results in more than {MAX_ROWS:,} rows", "group_by")
        if self.plan.groups[level] == "task":
            self.tasks[task.id] = task
        row = parent.rows[key] = _Row(key, row_label(self.plan.groups[level], key, task))
        return row

    def _add_to_part(self, row: _Row, entry: TrackedEntry, piece: Slice) -> None:
        rounding_key = piece.day if self._rounds_days else None
        part = row.parts.get(rounding_key)
        if part is None:
            part = row.parts[rounding_key] = _Part()
        seconds = piece.end - piece.begin
        weight = seconds if self._round_slice is None else self._round_slice(seconds)
        part.seconds += seconds
        part.weight += weight
        if entry.currency is not None:
            part.add_money(entry.currency, weight * entry.amount)

    def _list_slice(self, row: _Row, piece: tuple[int, int, str, str]) -> None:
        self._slices += 1
        if self._slices > MAX_SLICES:
            raise _too_large(f"results in more than {MAX_SLICES:,} slices", "explain")
        row.slices.append(piece)

    def _compute_total(self, row: _Row, level: int) -> PausableWork[Total]:
        """Compute the totals of the row and its subgroups. Amounts are rounded here, once per row."""
        for inner in row.rows.values():
            yield from self._compute_total(inner, level + 1)
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
        row.total = Total(
            seconds,
            rounded,
            {currency: amount_from_rate_seconds(rate_seconds) for currency, rate_seconds in money.items()},
        )
        return row.total

    def _merge(self, row: _Row, inner: _Row) -> PausableWork[None]:
        """Add the exact parts of a subgroup to those of its row."""
        for rounding_key, part in inner.parts.items():
            merged = row.parts.get(rounding_key)
            if merged is None:
                merged = row.parts[rounding_key] = _Part()
            merged.seconds += part.seconds
            merged.weight += part.weight
            for currency, amount in part.money.items():
                merged.add_money(currency, amount)
            if self._is_time_to_pause(1):
                yield

    def _read(self, row: _Row, *, innermost: bool) -> PausableWork[SummaryRow]:
        read: SummaryRow = {
            "key": row.key,
            "label": row.label,
            "seconds": row.total.seconds,
            "rounded_seconds": row.total.rounded,
            "entry_count": row.entries,
            "amounts": read_amounts(row.total),
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

    def _sorted_rows(self, parent: _Row, level: int) -> list[_Row]:
        """Sort groups by time by key, all others by descending seconds, then by label and key."""
        if self.plan.groups[level] in TIME_KEYS:
            return sorted(parent.rows.values(), key=lambda row: row.key or "")
        return sorted(parent.rows.values(), key=lambda row: (-row.total.seconds, row.label, row.key or ""))

    def _fill(self) -> PausableWork[None]:
        """Add the rows of periods without tracked time. Raises ValidationError when there are too many."""
        group = self.plan.groups[0]
        for number, key in enumerate(self._keys_to_fill(group)):
            if number >= MAX_FILLED_ROWS:
                raise _too_large(f"results in more than {MAX_FILLED_ROWS:,} rows", "fill")
            if key is not None and key not in self._root.rows:
                self._root.rows[key] = _Row(key, row_label(group, key))
            if self._is_time_to_pause(1):
                yield

    def _keys_to_fill(self, group: GroupBy) -> Iterator[Key]:
        """Yield the keys of all periods in the report, and None for each date that the zone skipped."""
        if group == "hour":
            yield from HOUR_KEYS
            return
        key_of = day_key_function(group, week_start=self.plan.week_start)
        first, last = self.days.day_at(self.plan.since).date, self.days.day_at(self.plan.until - 1).date
        for day in days_for_keys(group, first, last):
            local_day = self.days.day(day)
            yield key_of(day) if group in PERIOD_KEYS or local_day.begin < local_day.end else None

    def _is_time_to_pause(self, done: int = 0) -> bool:
        """Count `done` more pieces of work, and return whether it is time for a pause."""
        self._work += done
        if self._work - self._paused_at < PAUSE_INTERVAL:
            return False
        self._paused_at = self._work
        return True


def read_amounts(total: Total) -> list[AmountRead]:
    """Return the response models of the amounts, one per currency."""
    return [{"currency": currency, "amount": amount} for currency, amount in sorted(total.amounts.items())]


def overlap_seconds(begin: int, end: int, plan: Plan) -> int:
    """Return how many seconds of [begin, end) are within the range of the report."""
    return max(0, min(end, plan.until) - max(begin, plan.since))


def run_without_pauses(work: PausableWork[T]) -> T:
    """Run the work to its end, and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            result: T = stop.value
            return result


def _read_slice(begin: int, end: int, task_id: str, entry_id: str) -> ReportSlice:
    return {
        "task_id": task_id,
        "entry_id": entry_id,
        "from": rfc3339(datetime.fromtimestamp(begin, UTC)),
        "to": rfc3339(datetime.fromtimestamp(end, UTC)),
        "seconds": end - begin,
    }


def _too_large(problem: str, parameter: str) -> ValidationError:
    return ValidationError(errors=(FieldError(f"{problem}: choose a shorter time range", parameter=parameter),))
