"""The keys and labels of the rows of a report. Pure functions."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Literal, NamedTuple

GroupBy = Literal[
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "weekday",
    "task",
    "project",
    "client",
    "tag",
    "status",
    "billable",
]

TIME_KEYS = ("hour", "day", "week", "month", "quarter", "year", "weekday")
"""Groups by time. Their rows are sorted by key, and empty rows can be filled in."""

PERIOD_KEYS = ("week", "month", "quarter", "year")
"""Groups by several days. Their rows are never empty ranges, even when a zone skipped a date."""

HOUR_KEYS = tuple(f"{hour:02}" for hour in range(24))
"""The keys of the hours of a day, in local time."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ONE_DAY = timedelta(days=1)
_WEEK_DAYS = 7
_TWO_WEEKS = 14
_MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}

Key = str | None


class TrackedTask(NamedTuple):
    """The fields of a task that a report uses."""

    id: str
    title: str = ""
    project_id: str | None = None
    project_name: str | None = None
    client_name: str | None = None
    status: str = "in_progress"
    tags: Sequence[str] = ()


class TrackedEntry(NamedTuple):
    """The fields of an entry that a report uses: the range [begin, end) in whole seconds since 1970.

    `amount` is the hourly rate in minor units; without a currency there is no rate. `id` can be any object that
    str() accepts.
    """

    begin: int
    end: int
    billable: bool = False
    amount: int = 0
    currency: str | None = None
    tags: Sequence[str] = ()
    id: object = None
    note: str | None = None


KeyFunction = Callable[[TrackedTask, TrackedEntry, date, int], Sequence[Key]]
"""Returns the keys of the rows that a slice of an entry belongs to, given its task, entry, day and hour."""


def row_key_function(group: GroupBy, *, week_start: int) -> KeyFunction:
    """Return the key function of a group. It returns one key, or with tags any number."""
    if group == "hour":
        return lambda _task, _entry, _day, hour: (HOUR_KEYS[hour],)
    if group in TIME_KEYS:
        time_key = day_key_function(group, week_start=week_start)

        @cache
        def of_day(day: date) -> tuple[Key]:
            return (time_key(day),)

        return lambda _task, _entry, day, _hour: of_day(day)
    return _KEY_FUNCTIONS[group]


def day_key_function(group: GroupBy, *, week_start: int) -> Callable[[date], str]:
    """Return the function that maps a day to its row key in a group by time."""
    if group == "week":
        return lambda day: first_of_week(day, week_start).isoformat()
    if group == "month":
        return lambda day: day.isoformat()[:7]
    if group == "quarter":
        return lambda day: f"{day.year}-Q{(day.month + 2) // 3}"
    if group == "year":
        return lambda day: str(day.year)
    if group == "weekday":
        return lambda day: str(day.weekday())
    return date.isoformat


def first_of_week(day: date, week_start: int) -> date:
    """Return the first day of the week that contains this day; 0 is Monday."""
    return day - timedelta(days=(day.weekday() - week_start) % _WEEK_DAYS)


def _by_tag(task: TrackedTask, entry: TrackedEntry, _day: date, _hour: int) -> Sequence[Key]:
    if not task.tags and not entry.tags:
        return (None,)
    return tuple(dict.fromkeys((*task.tags, *entry.tags)))


_KEY_FUNCTIONS: dict[str, KeyFunction] = {
    "task": lambda task, _entry, _day, _hour: (task.id,),
    "project": lambda task, _entry, _day, _hour: (task.project_id,),
    "client": lambda task, _entry, _day, _hour: (task.client_name,),
    "tag": _by_tag,
    "status": lambda task, _entry, _day, _hour: (task.status,),
    "billable": lambda _task, entry, _day, _hour: ("true" if entry.billable else "false",),
}


def row_label(group: GroupBy, key: Key, task: TrackedTask | None = None) -> str:
    """Return the label of a row: the task's title, the project's name, the weekday, or otherwise the key."""
    if key is None:
        return f"(no {group})"
    if group == "task" and task is not None:
        return task.title
    if group == "project" and task is not None:
        return task.project_name or key
    if group == "weekday":
        return _WEEKDAYS[int(key)]
    if group == "billable":
        return "billable" if key == "true" else "not billable"
    return " ".join(key.split("_")) if group == "status" else key


def days_for_keys(group: GroupBy, first: date, last: date) -> Iterator[date]:
    """Yield days from the first to the last, at least one for each row key of the group."""
    if group in _MONTHS_IN:
        yield from _first_days(_MONTHS_IN[group], first, last)
        return
    day = first
    while day <= last:
        yield day
        day += timedelta(days=_WEEK_DAYS) if group == "week" else _ONE_DAY
        if group == "weekday" and day - first >= timedelta(days=_TWO_WEEKS):
            return
    if group == "week":
        yield last


def _first_days(months: int, first: date, last: date) -> Iterator[date]:
    """Yield the first day of each period of that many months that overlaps [first, last]."""
    begin = first.year * 12 + first.month - 1
    for number in range(begin - begin % months, last.year * 12 + last.month, months):
        yield date(number // 12, number % 12 + 1, 1)
