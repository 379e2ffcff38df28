"""How many tasks and entries of a user have each tag.

The counts of an account with many tasks are kept in memory, because to count everything reads every task. A later count
reads only the windows of creation in which a task was updated since.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from time import monotonic
from typing import Any

from bson import ObjectId
from cachetools import TLRUCache

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.paged_rows import ONE_MILLISECOND, listed_pages_stages, read_unchanged
from documents.tracking.queries.sort_keys import TASKS_PER_QUERY, find_creation_windows
from documents.tracking.tasks import Task

MAX_WRITE_DURATION = timedelta(seconds=90)
"""How long after its `updated_at` an update can become visible at most, the difference of two clocks included.

MongoDB aborts a transaction after 60 seconds (transactionLifetimeLimitSeconds).
"""

MAX_CACHE_AGE_SECONDS = 3600
"""How long a change by another program, which does not set `updated_at`, can be missed."""

MAX_CACHED_COUNTS = 50_000
"""The number of counts of all users in memory: about 100 bytes each."""

IsRewritten = Callable[[ObjectId, datetime], Awaitable[bool]]
"""Returns whether tasks of the user may have been inserted with an earlier `updated_at`, or deleted, since then."""

PAGED_TASKS: list[Row] = [
    {"$match": {"pages.0": {"$exists": True}}},
    {"$project": {"user_id": 1, "version": 1, "pages": 1}},
]
"""The stages that find the tasks with pages."""


@dataclass(frozen=True, slots=True)
class TagCounts:
    """The number of live tasks by tag, and that of their entries, hot and paged, and the running one."""

    tasks: Counter[str] = field(default_factory=Counter)
    entries: Counter[str] = field(default_factory=Counter)

    def add(self, other: "TagCounts") -> None:
        """Add the other counts to these."""
        self.tasks.update(other.tasks)
        self.entries.update(other.entries)

    def add_rows(self, rows: list[Row]) -> None:
        """Add the results of _count_by."""
        for row in rows:
            tags, count = row["_id"], row["count"]
            for tag in tags.get("tasks", ()):
                self.tasks[tag] += count
            for tag in chain(*tags["entries"], tags.get("running", ())):
                self.entries[tag] += count


@dataclass(frozen=True, slots=True)
class _CountedWindows:
    """Windows of creation, which contain all tasks of a user, with the counts of each as they were at `read_at`.

    All windows were counted MAX_CACHE_AGE_SECONDS before `expires_at`, and those with an updated task since.
    """

    read_at: datetime
    expires_at: float
    windows: list[Row]
    counts: list[TagCounts]

    def total(self) -> TagCounts:
        total = TagCounts()
        for counts in self.counts:
            total.add(counts)
        return total

    def size(self) -> int:
        return sum(len(counts.tasks) + len(counts.entries) for counts in self.counts)

    async def find_changed(self, user_id: ObjectId, is_rewritten: IsRewritten) -> list[int] | None:
        """Return the places of the windows with a task that was updated since. None if everything must be counted."""
        since = self.read_at - MAX_WRITE_DURATION
        if await is_rewritten(user_id, since):
            return None
        is_updated: Row = {"user_id": user_id, "updated_at": {"$gt": since - ONE_MILLISECOND}}
        updated = await Task.find_rows(is_updated, {"created_at": 1})
        if len(updated) > TASKS_PER_QUERY:
            return None
        ends = [window["created_at"]["$lt"] for window in self.windows]
        return sorted({bisect_right(ends, task["created_at"]) for task in updated})


def _new_cache(max_counts: int, timer: Callable[[], float] = monotonic) -> TLRUCache[ObjectId, _CountedWindows]:
    return TLRUCache(
        max_counts,
        ttu=lambda _user_id, counted, _now: counted.expires_at,
        timer=timer,
        getsizeof=_CountedWindows.size,
    )


_cache = _new_cache(MAX_CACHED_COUNTS)


async def count_by_tag(user_id: ObjectId, is_rewritten: IsRewritten) -> TagCounts:
    """Return the counts of the user's tags.

    Tasks are read in windows, and pages in batches (portable form: decision 10).
    """
    read_at = naive_utc(utc_now())
    cached = _cache.get(user_id)
    changed = await cached.find_changed(user_id, is_rewritten) if cached is not None else None
    if cached is not None and changed is not None:
        windows, counts, expires_at = cached.windows, [*cached.counts], cached.expires_at
    else:
        expires_at = _cache.timer() + MAX_CACHE_AGE_SECONDS
        windows = await find_creation_windows(user_id)
        counts = [TagCounts()] * len(windows)
        changed = [*range(len(windows))]
    counted = await read_unchanged(partial(_count_windows, user_id, [windows[place] for place in changed]))
    for place, window_counts in zip(changed, counted, strict=True):
        counts[place] = window_counts
    result = _CountedWindows(read_at, expires_at, windows, counts)
    if len(windows) > 1 and result.size() <= MAX_CACHED_COUNTS:
        _cache[user_id] = result
    return result.total()


async def _count_windows(user_id: ObjectId, windows: list[Row]) -> tuple[list[TagCounts], list[Row]]:
    """Return the counts of each of these windows, and their tasks with pages."""
    counted: list[TagCounts] = []
    paged: list[Row] = []
    for created in windows:
        stages: list[Row] = [{"$match": {"user_id": user_id, **created}}, {"$match": {"deleted_at": None}}]
        (window,) = await Task.aggregate_rows([*stages, {"$facet": _COUNTS}])
        counts = TagCounts()
        counts.add_rows(window["counts"])
        for by_id in listed_pages_stages(user_id, window["paged"]):
            counts.add_rows(await TaskPage.aggregate_rows([by_id, _count_by(entries=_tags_of("$entries"))]))
        counted.append(counts)
        paged += window["paged"]
    return counted, paged


def _tags_of(entries: str) -> Row:
    """Return the list of the tags of each entry of an array. Portable form: decision 10."""
    return {"$map": {"input": entries, "in": "$$this.tags"}}


def _count_by(**tags: Any) -> Row:
    """Return the stage that counts documents by their tags. An $unwind of the entries would take a third longer."""
    return {"$group": {"_id": tags, "count": {"$sum": 1}}}


_COUNTS: Row = {
    "counts": [_count_by(tasks="$tags", entries=_tags_of("$time_entries"), running="$active.tags")],
    "paged": PAGED_TASKS,
}
"""Pipelines that count tasks by their tags and those of their entries, and find the tasks with pages."""
