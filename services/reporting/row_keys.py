"""What the rows of a report are about: the key of each, and what a person reads instead. Pure."""

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

TIMES = ("hour", "day", "week", "month", "quarter", "year", "weekday")
"""Their rows ascend by key, and those without time can be filled in."""

PERIODS = ("week", "month", "quarter", "year")
"""Each is many days, so it has time even where a date was skipped."""

HOURS = tuple(f"{hour:02}" for hour in range(24))
"""The keys of the hours of a day, as clocks show them."""

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ONE_DAY = timedelta(days=1)
_WEEK_DAYS = 7
_TWO_WEEKS = 14
_MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}

Key = str | None


class TrackedTask(NamedTuple):
    """What a report says of a task."""

    id: str
    title: str = ""
    project_id: str | None = None
    project_name: str | None = None
    client_name: str | None = None
    status: str = "in_progress"
    tags: Sequence[str] = ()


class TrackedEntry(NamedTuple):
    """What a report adds up: [begin, end) in whole seconds since 1970.

    `amount` is what an hour costs, in minor units; without a currency it costs nothing. `id` is
    anything that has a text.
    """

    begin: int
    end: int
    billable: bool = False
    amount: int = 0
    currency: str | None = None
    tags: Sequence[str] = ()
    id: object = None


Keys = Callable[[TrackedTask, TrackedEntry, date, int], Sequence[Key]]
"""The keys of the rows that a slice of an entry is in, by its task, its entry, its day and its hour."""


def keys_by(group: GroupBy, *, week_start: int) -> Keys:
    """What tells the keys of the rows that a slice of an entry is in: one, or with tags any number."""
    if group == "hour":
        return lambda _task, _entry, _day, hour: (HOURS[hour],)
    if group in TIMES:
        time_key = key_of_day(group, week_start=week_start)

        @cache
        def of_day(day: date) -> tuple[Key]:
            return (time_key(day),)

        return lambda _task, _entry, day, _hour: of_day(day)
    return _KEYS[group]


def key_of_day(group: GroupBy, *, week_start: int) -> Callable[[date], str]:
    """What tells the key of a row of time that a day is in."""
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
    """The first day of the week that holds this day; 0 is Monday."""
    return day - timedelta(days=(day.weekday() - week_start) % _WEEK_DAYS)


def _by_tag(task: TrackedTask, entry: TrackedEntry, _day: date, _hour: int) -> Sequence[Key]:
    if not task.tags and not entry.tags:
        return (None,)
    return tuple(dict.fromkeys((*task.tags, *entry.tags)))


_KEYS: dict[str, Keys] = {
    "task": lambda task, _entry, _day, _hour: (task.id,),
    "project": lambda task, _entry, _day, _hour: (task.project_id,),
    "client": lambda task, _entry, _day, _hour: (task.client_name,),
    "tag": _by_tag,
    "status": lambda task, _entry, _day, _hour: (task.status,),
    "billable": lambda _task, entry, _day, _hour: ("true" if entry.billable else "false",),
}


def label_of(group: GroupBy, key: Key, task: TrackedTask | None = None) -> str:
    """What a person reads of a row: the title of its task, the name of its project or weekday, else the key."""
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
    """Days from the first to the last, among them one at least for each key: all of them for the keys of days."""
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
    """The first day of each stretch of so many months that shares a day with [first, last]."""
    begin = first.year * 12 + first.month - 1
    for number in range(begin - begin % months, last.year * 12 + last.month, months):
        yield date(number // 12, number % 12 + 1, 1)
