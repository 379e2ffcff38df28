"""Pages of a user's tasks, read in windows of their sort key.

MongoDB needs no windows: it finds a page by an index. The embedded store reads all tasks that match the first stage
(portable form: decision 10), so a window should have hardly more tasks than the page.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.queries.sort_keys import TASKS_PER_BOUND, KeyBounds, SortKey, cached_bounds, read_bounds
from documents.tracking.tasks import Task

MAX_SINGLE_WINDOW_TASKS = 200
"""All tasks of a user with at most this number of tasks are one window."""

FIRST_WINDOW_LENGTH = timedelta(days=8)
"""The length of the window that is tried before the bounds are read, if the newest tasks are first."""

_TIMES_IN_THE_PAST = {"created_at", "updated_at"}
_MAX_GROWTH = 8
_MAX_WINDOW_TASKS = 800
"""Other requests wait for the embedded store while it reads a window."""

_MARGIN = 1.25
"""How many more tasks than necessary a window has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOrder:
    """The order of a list: by the sort key, then by id. Tasks without a value of the key are last.

    `after` is the value and the id of the last task of the previous page. With `since` and `before`, only the tasks
    with a value in [since, before) are listed.
    """

    key: SortKey
    descending: bool
    after: tuple[Any, ObjectId | None] | None = None
    since: Any | None = None
    before: Any | None = None

    @property
    def sort(self) -> list[tuple[str, int]]:
        """The sort of a query."""
        direction = -1 if self.descending else 1
        return [(self.key.field, direction), ("_id", direction)]

    @property
    def is_at_nulls(self) -> bool:
        """Whether only tasks without a value follow."""
        return self.after is not None and self.after[0] is None

    @property
    def has_nulls(self) -> bool:
        """Whether the list can have tasks without a value."""
        return self.key.bson_type is not None and self.since is None and self.before is None

    def has_value(self) -> Row:
        """Return the condition on the tasks with a value."""
        return {} if self.key.bson_type is None else {self.key.field: {"$type": self.key.bson_type}}

    def following(self) -> Row:
        """Return the condition on the tasks that follow `after`, other than their value being null or not."""
        if self.after is None:
            return {}
        value, task_id = self.after
        operator = "$lt" if self.descending else "$gt"
        if value is None:
            return {"_id": {operator: task_id}}
        same_value = {self.key.field: value, "_id": {operator: task_id}}
        return {"$or": [{self.key.field: {operator: value}}, same_value]}


async def find_tasks(
    user_id: ObjectId, conditions: list[Row], order: TaskOrder, *, limit: int, few: Row | None = None
) -> list[Row]:
    """Return at most `limit` of the user's tasks that meet the conditions, without their ended entries and pages.

    `few` is a condition that an index finds and that few tasks meet. With it there are no windows.
    """
    rows: list[Row] = []
    if not order.is_at_nulls and few is not None:
        rows = await _find(user_id, few, [*conditions, order.has_value(), order.following()], order, limit)
    elif not order.is_at_nulls:
        rows = await _find_in_windows(user_id, conditions, order, limit)
    if len(rows) < limit and order.has_nulls:
        is_null: Row = {order.key.field: None}
        following = order.following() if order.is_at_nulls else {}
        rows += await _find(user_id, few or is_null, [*conditions, is_null, following], order, limit - len(rows))
    return rows


async def _find_in_windows(user_id: ObjectId, conditions: list[Row], order: TaskOrder, limit: int) -> list[Row]:
    """Return the tasks that have a value of the sort key, window by window until the page is full."""
    windows = _Windows(order, cached_bounds(user_id, order.key))
    rows: list[Row] = []
    while len(rows) < limit and not windows.is_exhausted:
        if windows.needs_bounds:
            windows.bounds = await read_bounds(user_id, order.key)
        first, exact = windows.take(limit - len(rows))
        then = [*conditions, exact, order.following()]
        batch = await _find(user_id, first, then, order, limit - len(rows))
        windows.add_yield(len(batch))
        # A task that has changed since the last window can have moved to this one.
        moved = {task["_id"] for task in batch}
        rows = [*(task for task in rows if task["_id"] not in moved), *batch]
    return rows


async def _find(user_id: ObjectId, first: Row, then: list[Row], order: TaskOrder, limit: int) -> list[Row]:
    conditions = [part for part in then if part]
    return await Task.find_page(
        user_id, first, {"$and": conditions} if conditions else {}, sort=order.sort, limit=limit
    )


class _Windows:
    """The windows [low, high) of a list, from its beginning to its end. They grow while few tasks meet the conditions.

    `bounds` are those of the sort key, or None while they are not known.
    """

    def __init__(self, order: TaskOrder, bounds: KeyBounds | None) -> None:
        self.bounds = bounds
        self.is_exhausted = False
        self._order = order
        self._low, self._high = order.since, order.before
        self._is_first_tried = order.key.field not in _TIMES_IN_THE_PAST or not order.descending
        self._number = 0
        self._read = self._found = 0
        if order.after is not None and order.descending:
            self._high = order.key.next_higher(order.after[0])
        elif order.after is not None:
            self._low = order.after[0]

    @property
    def needs_bounds(self) -> bool:
        """Whether the next window depends on bounds that are not known."""
        return self.bounds is None and self._is_first_tried

    def take(self, wanted: int) -> tuple[Row, Row]:
        """Return the next window as two conditions: for the first stage, which an index finds, and the exact one."""
        low, high, edge = self._low, self._high, self._next_edge(wanted)
        if self._order.descending:
            self.is_exhausted = edge is None or (low is not None and edge <= low)
            self._high = low = low if self.is_exhausted else edge
        else:
            self.is_exhausted = edge is None or (high is not None and edge >= high)
            self._low = high = high if self.is_exhausted else edge
        key = self._order.key
        lower = None if low is None else key.next_lower(low)
        # Not $gte: portable form, decision 10.
        bounds = {"$gt": key.minimum if lower is None else lower, **({} if high is None else {"$lt": high})}
        return {key.field: bounds}, {} if low is None else {key.field: {"$gte": low}}

    def add_yield(self, count: int) -> None:
        """Set how many tasks of the last window met the conditions."""
        if self._number:
            self._read += self._number * TASKS_PER_BOUND
            self._found += count

    def _next_edge(self, wanted: int) -> Any | None:
        """Return the other bound of the next window, or None for the end of the list."""
        if self.bounds is None:
            self._is_first_tried = True
            begin = self._high or naive_utc(utc_now())
            return begin - FIRST_WINDOW_LENGTH if begin - self._order.key.minimum > FIRST_WINDOW_LENGTH else None
        if self.bounds.count <= MAX_SINGLE_WINDOW_TASKS:
            return None
        self._number = self._next_number(wanted)
        if self._order.descending:
            return self.bounds.lower(self._high, self._number)
        return self.bounds.higher(self._low, self._number)

    def _next_number(self, wanted: int) -> int:
        """Return the number of bounds that the next window extends over."""
        if self._read == 0:
            return ceil(wanted * _MARGIN / TASKS_PER_BOUND) + 1
        most = max(self._number, min(self._number * _MAX_GROWTH, _MAX_WINDOW_TASKS // TASKS_PER_BOUND))
        if self._found == 0:
            return most
        return min(most, ceil(wanted * _MARGIN * self._read / self._found / TASKS_PER_BOUND) + 1)
