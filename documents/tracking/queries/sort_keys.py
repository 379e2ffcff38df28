"""The sort keys of tasks as ranges of an index: their values, and how many tasks lie between two of them."""

import time
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from bson import ObjectId

from app.clock import EPOCH, naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.queries.paged_rows import MAX_INSTANT, MIN_INSTANT, ONE_MILLISECOND
from documents.tracking.queries.read_windows import read_in_windows
from documents.tracking.tasks import Task

TASKS_PER_BOUND = 32
TASKS_PER_WINDOW = 96
TASKS_PER_QUERY = 400
"""The number of tasks whose sort key one query should read."""

MAX_BOUNDS_AGE_SECONDS = 3600
_MAX_CACHED = 500

_MAX_CHARACTER = chr(0x10FFFF)
_SURROGATES = range(0xD800, 0xE000)
_MAX_INTEGER = 2**63 - 1

_FIRST_CREATION = EPOCH
"""Tasks with an earlier time of creation are in one window with those of the first years."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field by which tasks are sorted, with the type of its values. It can be null if `bson_type` is not None.

    `minimum` is lower than all values. `next_lower` and `next_higher` return a value just below and just above
    another one; None if there is none.
    """

    field: str
    type: type
    minimum: Any
    next_lower: Callable[[Any], Any]
    next_higher: Callable[[Any], Any]
    bson_type: str | None = None


def _shifted(offset: timedelta) -> Callable[[datetime], datetime | None]:
    def shift(instant: datetime) -> datetime | None:
        try:
            return instant + offset
        except OverflowError:
            return None

    return shift


def _lower_text(text: str) -> str | None:
    """Return a text that is lower than this one and higher than nearly all that are."""
    if not text:
        return None
    code = ord(text[-1]) - 1
    if code in _SURROGATES:
        code = _SURROGATES.start - 1
    return text[:-1] + (chr(code) + _MAX_CHARACTER if code >= 0 else "")


def _neighbouring_id(offset: int) -> Callable[[ObjectId], ObjectId | None]:
    def neighbour(value: ObjectId) -> ObjectId | None:
        number = int.from_bytes(value.binary) + offset
        return ObjectId(number.to_bytes(12)) if 0 <= number < 2**96 else None

    return neighbour


def _date_key(field: str, bson_type: str | None = None) -> SortKey:
    return SortKey(field, datetime, MIN_INSTANT, _shifted(-ONE_MILLISECOND), _shifted(ONE_MILLISECOND), bson_type)


TASK_SORT_KEYS = {
    key.field: key
    for key in (
        _date_key("created_at"),
        _date_key("updated_at"),
        _date_key("due_at", "date"),
        SortKey("title", str, "", _lower_text, lambda text: text + "\0"),
        SortKey(
            "project_id", ObjectId, ObjectId("0" * 24), _neighbouring_id(-1), _neighbouring_id(1), bson_type="objectId"
        ),
        SortKey(
            "tracked_seconds",
            int,
            -1,
            lambda number: number - 1 if number > -_MAX_INTEGER else None,
            lambda number: number + 1 if number < _MAX_INTEGER else None,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class KeyBounds:
    """Values of a sort key of a user's tasks in ascending order: there are TASKS_PER_BOUND tasks between two of them.

    They are an estimate, because tasks change. A list is right with any of them.
    """

    values: tuple[Any, ...]
    count: int

    def lower(self, high: Any | None, number: int) -> Any | None:
        """Return the bound that is `number` of them below `high`; None if there is none. None as `high` is the end."""
        place = (len(self.values) if high is None else bisect_left(self.values, high)) - number
        return self.values[place] if place >= 0 else None

    def higher(self, low: Any | None, number: int) -> Any | None:
        """Return the bound that is `number` of them above `low`; None if there is none. None as `low` is the start."""
        place = (0 if low is None else bisect_right(self.values, low)) + number - 1
        return self.values[place] if place < len(self.values) else None


_cache: OrderedDict[tuple[ObjectId, str], tuple[float, KeyBounds]] = OrderedDict()
"""The bounds by user and field, and when they were read. The oldest are removed first."""


def cached_bounds(user_id: ObjectId, key: SortKey) -> KeyBounds | None:
    """Return the bounds if they were read in the last hour."""
    read_at, bounds = _cache.get((user_id, key.field), (0.0, None))
    return bounds if bounds is not None and time.monotonic() - read_at < MAX_BOUNDS_AGE_SECONDS else None


async def read_bounds(user_id: ObjectId, key: SortKey) -> KeyBounds:
    """Read the sort key of all tasks of the user, and return its bounds. They are cached.

    The tasks are read in windows of their creation, so that no query takes long (portable form: decision 10).
    """

    async def read(low: datetime, high: datetime | None) -> list[Row]:
        begin = {} if low == _FIRST_CREATION else {"$gt": low - ONE_MILLISECOND}
        end = {} if high is None else {"$lt": high}
        return await Task.find_rows({"user_id": user_id, "created_at": begin | end}, {key.field: 1})

    values: list[Any] = []
    count = 0
    now = naive_utc(utc_now())
    async with aclosing(read_in_windows(read, _FIRST_CREATION, now, size=TASKS_PER_QUERY)) as windows:
        async for rows in windows:
            values += [row[key.field] for row in rows if row[key.field] is not None]
            count += len(rows)
    values.sort()
    bounds = KeyBounds(tuple(dict.fromkeys(values[TASKS_PER_BOUND::TASKS_PER_BOUND])), count)
    _cache[user_id, key.field] = time.monotonic(), bounds
    _cache.move_to_end((user_id, key.field))
    if len(_cache) > _MAX_CACHED:
        _cache.popitem(last=False)
    return bounds


async def find_creation_windows(user_id: ObjectId) -> list[Row]:
    """Return conditions on the time of creation, each of which about TASKS_PER_WINDOW tasks of the user meet.

    Each task meets exactly one of them.
    """
    key = TASK_SORT_KEYS["created_at"]
    bounds = cached_bounds(user_id, key) or await read_bounds(user_id, key)
    step = TASKS_PER_WINDOW // TASKS_PER_BOUND
    edges = [MIN_INSTANT, *bounds.values[step - 1 :: step], MAX_INSTANT]
    # $gt instead of $gte: portable form, decision 10.
    return [{key.field: {"$gt": low - ONE_MILLISECOND, "$lt": high}} for low, high in pairwise(edges)]


async def aggregate_in_windows(user_id: ObjectId, stages: list[Row]) -> list[Row]:
    """Return the results of these stages for all tasks of the user, in no order.

    They read the tasks in windows of their creation, so that no query takes long (portable form: decision 10).
    """
    rows: list[Row] = []
    for created in await find_creation_windows(user_id):
        rows += await Task.aggregate_rows([{"$match": {"user_id": user_id, **created}}, *stages])
    return rows
