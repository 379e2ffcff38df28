"""Adding up time by rows: pure arithmetic on whole seconds, without a clock, a database or a loop of events.

The longer pieces of work are generators that pause now and then, so that whoever runs them can do
something else in between.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import TypeVar
from zoneinfo import ZoneInfo

from app.clock import rfc3339
from app.errors import FieldError, ValidationError
from services.local_days import LocalDays
from services.report_keys import (
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
from services.rounding import Rounding, RoundingScope, amount_of
from services.schemas.reports import AmountRead, ReportSlice, SummaryRow

MOST_ROWS = 50_000
MOST_SLICES = 20_000
MOST_FILLED_ROWS = 5_000
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


class _Part:
    """Time that is rounded as one. `weight` is its seconds, or those of its slices, each rounded; money goes by it."""

    __slots__ = ("money", "seconds", "weight")

    def __init__(self) -> None:
        self.seconds = 0
        self.weight = 0
        self.money: dict[str, int] = {}


class _Row:
    """A row under way. It has parts of its own unless it is the sum of rows that do not overlap."""

    __slots__ = ("added", "entries", "key", "label", "last_entry", "parts", "rows", "slices")

    def __init__(self, key: Key, label: str, *, has_parts: bool) -> None:
        self.key = key
        self.label = label
        self.entries = 0
        self.last_entry = 0
        self.parts: dict[date | None, _Part] | None = {} if has_parts else None
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
        self._keys = [keys_by(group, week_start=plan.week_start) for group in plan.groups]
        self._lens = plan.rounding.of if plan.rounding is not None and plan.scope == "entry" else None
        self._day_by_day = plan.scope == "day"
        self._root = _Row(None, "", has_parts=plan.groups[0] == "tag")
        self._entries = self._rows = self._slices = self._work = 0

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
            for day, part_begin, part_end in self.days.cut(begin, end):
                self._add_slice(task, entry, day, part_begin, part_end)
                self._work += 1
                if self._work % PAUSE == 0:
                    yield

    def result(self) -> InPieces[tuple[Sum, list[SummaryRow]]]:
        """What everything adds up to, counted once, and the rows; for when all is added.

        The whole is the sum of the rows as they are shown, unless they overlap.
        """
        if self.plan.fill and self.plan.groups[0] in TIMES:
            yield from self._fill()
        added = yield from self._reckon(self._root)
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

    def _add_slice(self, task: TrackedTask, entry: TrackedEntry, day: date, begin: int, end: int) -> None:
        seconds = end - begin
        weight = seconds if self._lens is None else self._lens(seconds)
        if self._root.parts is not None:
            self._put(self._root, entry, day, seconds, weight)
        for key in self._keys[0](task, entry, day):
            row = self._root.rows.get(key) or self._new_row(self._root, key, 0, task)
            self._put(row, entry, day, seconds, weight)
            innermost = [row] if len(self._keys) == 1 else self._put_inside(row, task, entry, day, seconds, weight)
            if self.plan.explain:
                self._show(innermost, (begin, end, task.id, str(entry.id)))

    def _put_inside(
        self, above: _Row, task: TrackedTask, entry: TrackedEntry, day: date, seconds: int, weight: int
    ) -> list[_Row]:
        rows = []
        for key in self._keys[1](task, entry, day):
            row = above.rows.get(key) or self._new_row(above, key, 1, task)
            self._put(row, entry, day, seconds, weight)
            rows.append(row)
        return rows

    def _new_row(self, above: _Row, key: Key, level: int, task: TrackedTask) -> _Row:
        self._rows += 1
        if self._rows > MOST_ROWS:
            raise _too_much(f"makes more than {MOST_ROWS:,} rows", "group_by")
        if self.plan.groups[level] == "task":
            self.tasks[task.id] = task
        label = label_of(self.plan.groups[level], key, task)
        row = above.rows[key] = _Row(key, label, has_parts=self._has_parts(level))
        return row

    def _has_parts(self, level: int) -> bool:
        """Whether rows of this level are reckoned by themselves: those that hold no others, or overlapping ones."""
        return level + 1 == len(self.plan.groups) or self.plan.groups[level + 1] == "tag"

    def _put(self, row: _Row, entry: TrackedEntry, day: date, seconds: int, weight: int) -> None:
        if row.last_entry != self._entries:
            row.last_entry = self._entries
            row.entries += 1
        if row.parts is None:
            return
        together = day if self._day_by_day else None
        part = row.parts.get(together)
        if part is None:
            part = row.parts[together] = _Part()
        part.seconds += seconds
        part.weight += weight
        if entry.currency is not None:
            part.money[entry.currency] = part.money.get(entry.currency, 0) + weight * entry.amount

    def _show(self, rows: list[_Row], piece: tuple[int, int, str, str]) -> None:
        self._slices += len(rows)
        if self._slices > MOST_SLICES:
            raise _too_much(f"shows more than {MOST_SLICES:,} slices", "explain")
        for row in rows:
            row.slices.append(piece)

    def _reckon(self, row: _Row) -> InPieces[Sum]:
        """What the row adds up to, and each row in it: of parts of its own, or of its rows as they are shown."""
        sums: list[Sum] = []
        for inner in row.rows.values():
            sums.append((yield from self._reckon(inner)))
            if self._is_time_to_pause():
                yield
        row.added = _sum_of(sums) if row.parts is None else self._sum_of_parts(row.parts)
        return row.added

    def _sum_of_parts(self, parts: dict[date | None, _Part]) -> Sum:
        seconds = rounded = 0
        money: dict[str, int | Fraction] = {}
        for part in parts.values():
            part_rounded = part.weight if self.plan.rounding is None else self.plan.rounding.of(part.weight)
            seconds += part.seconds
            rounded += part_rounded
            for currency, amount in part.money.items():
                share = amount if part_rounded == part.weight else Fraction(amount * part_rounded, part.weight)
                money[currency] = money.get(currency, 0) + share
        return Sum(seconds, rounded, {currency: amount_of(rate_seconds) for currency, rate_seconds in money.items()})

    def _read(self, row: _Row, *, innermost: bool) -> InPieces[SummaryRow]:
        read: SummaryRow = {
            "key": row.key,
            "label": row.label,
            "seconds": row.added.seconds,
            "rounded_seconds": row.added.rounded,
            "entry_count": row.entries,
            "amounts": read_amounts(row.added),
        }
        if self._is_time_to_pause():
            yield
        if self.plan.explain and innermost:
            read["slices"] = []
            for piece in sorted(row.slices):
                read["slices"].append(_read_slice(*piece))
                if self._is_time_to_pause():
                    yield
        return read

    def _in_order(self, above: _Row, level: int) -> list[_Row]:
        """Times ascend by key; all else descends by seconds, equal ones by label and key."""
        if self.plan.groups[level] in TIMES:
            return sorted(above.rows.values(), key=lambda row: row.key or "")
        return sorted(above.rows.values(), key=lambda row: (-row.added.seconds, row.label, row.key or ""))

    def _fill(self) -> InPieces[None]:
        """Makes the rows of the times in which nothing was tracked. Raises ValidationError for too many."""
        group, groups = self.plan.groups[0], self.plan.groups
        key_of = key_of_day(group, week_start=self.plan.week_start)
        first, last = self.days.at(self.plan.since).date, self.days.at(self.plan.until - 1).date
        for number, day in enumerate(days_for_keys(group, first, last)):
            if number >= MOST_FILLED_ROWS:
                raise _too_much(f"makes more than {MOST_FILLED_ROWS:,} rows", "fill")
            stretch = self.days.day(day)
            if stretch.begin < stretch.end or group in {"week", "month"}:
                key = key_of(day)
                if key not in self._root.rows:
                    label = label_of(group, key)
                    self._root.rows[key] = _Row(key, label, has_parts=len(groups) == 1 or groups[1] == "tag")
            if self._is_time_to_pause():
                yield

    def _is_time_to_pause(self) -> bool:
        self._work += 1
        return self._work % PAUSE == 0


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


def _sum_of(sums: list[Sum]) -> Sum:
    amounts: dict[str, int] = {}
    for added in sums:
        for currency, amount in added.amounts.items():
            amounts[currency] = amounts.get(currency, 0) + amount
    return Sum(sum(added.seconds for added in sums), sum(added.rounded for added in sums), amounts)


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
