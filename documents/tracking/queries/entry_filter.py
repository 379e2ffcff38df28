"""The filter of time entries, and the aggregation stages that find the entries in their tasks."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.queries.paged_rows import MAX_INSTANT, MIN_INSTANT, OLD_RANGE_AGE, ONE_MILLISECOND, EntryRows
from documents.tracking.tasks import RUNNING, TaskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Selects entries of live tasks that intersect [since, until), entries of 0 seconds included.

    `since` and `until` are stored instants (naive UTC). `project_id` is an id, or "none" for tasks
    without a project. `tags` matches any of the tags, of the entry or of its task. `text` is a part of
    the entry's note or of its task's title, case-insensitive. None and empty values select everything.
    """

    since: datetime = MIN_INSTANT
    until: datetime = MAX_INSTANT
    task_id: ObjectId | None = None
    project_id: ObjectId | str | None = None
    statuses: tuple[TaskStatus, ...] = ()
    tags: tuple[str, ...] = ()
    text: str | None = None
    billable: bool | None = None
    needs_review: bool | None = None

    def task_conditions(self) -> Row:
        """Return the condition on the task, without the time range."""
        condition: Row = {"deleted_at": None}
        if self.task_id is not None:
            condition["_id"] = self.task_id
        if self.project_id is not None:
            condition["project_id"] = None if self.project_id == "none" else self.project_id
        if self.statuses:
            condition["status"] = {"$in": list(self.statuses)}
        return condition

    def entry_conditions(self) -> list[Row]:
        """Return the conditions on a row of an `entry` with the `title` and `tags` of its task, without the time."""
        conditions: list[Row] = []
        if self.billable is not None:
            conditions.append({"entry.billable": self.billable})
        if self.needs_review is not None:
            conditions.append({"entry.needs_review": self.needs_review})
        if self.tags:
            any_tag = {"$in": list(self.tags)}
            conditions.append({"$or": [{"entry.tags": any_tag}, {"tags": any_tag}]})
        if self.text is not None:
            contains = self._contains_text()
            conditions.append({"$or": [{"entry.note": contains}, {"title": contains}]})
        return conditions

    def task_filters(self) -> list[Row]:
        """Return conditions on tasks that no task fails which has an ended entry that meets entry_conditions.

        A task with pages meets them, because they are read later.
        """
        conditions: list[list[Row]] = []
        if self.billable is not None:
            conditions.append([{"time_entries.billable": self.billable}])
        if self.needs_review is not None:
            conditions.append([{"time_entries.needs_review": self.needs_review}])
        if self.tags:
            any_tag = {"$in": list(self.tags)}
            conditions.append([{"tags": any_tag}, {"time_entries": {"$elemMatch": {"tags": any_tag}}}])
        if self.text is not None:
            contains = self._contains_text()
            conditions.append([{"title": contains}, {"time_entries": {"$elemMatch": {"note": contains}}}])
        return [{"$or": [{"pages.0": {"$exists": True}}, *either]} for either in conditions]

    def entry_expressions(self) -> list[Row]:
        """Return entry_conditions as expressions on the entry `$$this`, with the `tags` of its task; without `text`."""
        conditions: list[Row] = []
        if self.billable is not None:
            conditions.append({"$eq": ["$$this.billable", self.billable]})
        if self.needs_review is not None:
            conditions.append({"$eq": ["$$this.needs_review", self.needs_review]})
        if self.tags:
            all_tags = {"$setUnion": ["$$this.tags", "$tags"]}
            conditions.append({"$or": [{"$in": [{"$literal": tag}, all_tags]} for tag in self.tags]})
        return conditions

    def entry_fields(self) -> set[str]:
        """Return the fields of an entry that `includes` reads, besides its start and end."""
        used = {"billable": self.billable is not None, "needs_review": self.needs_review is not None}
        return {name for name, is_used in {**used, "tags": bool(self.tags)}.items() if is_used}

    def includes_task(self, task: Row) -> bool:
        """Return whether a live task meets the conditions on its id and its project."""
        project_id = None if self.project_id == "none" else self.project_id
        return self.task_id in {None, task["_id"]} and (self.project_id is None or task["project_id"] == project_id)

    def includes(self, entry: Row, task_tags: Collection[str]) -> bool:
        """Return whether an ended entry of a task with these tags meets the filter; without `text`."""
        started_at = entry["started_at"]
        if started_at >= self.until or (started_at < self.since and entry["ended_at"] <= self.since):
            return False
        return self._meets_fields(entry, task_tags)

    def entry_predicate(self) -> Callable[[Row, Row], bool]:
        """Return the function that returns whether an entry and its task, with `title` and `tags`, meet the filter.

        It is entry_conditions in Python (portable form: decision 10).
        """
        text = None if self.text is None else re.compile(re.escape(self.text), re.IGNORECASE)

        def meets(task: Row, entry: Row) -> bool:
            if not self._meets_fields(entry, task["tags"]):
                return False
            return text is None or bool(text.search(task["title"]) or text.search(entry["note"] or ""))

        return meets

    def _meets_fields(self, entry: Row, task_tags: Collection[str]) -> bool:
        if self.billable is not None and entry["billable"] != self.billable:
            return False
        if self.needs_review is not None and entry["needs_review"] != self.needs_review:
            return False
        return not self.tags or any(tag in entry["tags"] or tag in task_tags for tag in self.tags)

    def _contains_text(self) -> Row:
        return {"$regex": re.escape(self.text or ""), "$options": "i"}

    def start_bounds(self, **bounds: datetime) -> Row:
        """Return the condition on the start of an entry: before `until`, and within `bounds`."""
        return {"$lt": self.until, **bounds}


def ended_entry_rows(
    user_id: ObjectId, entry_filter: EntryFilter, task_fields: Row, then: list[Row], **bounds: datetime
) -> EntryRows:
    """Return the query for the ended entries in the range. `bounds` limit their starts further.

    `then` must apply EntryFilter.entry_conditions.
    """
    starts: dict[str, Any] = entry_filter.start_bounds(**bounds)
    before = _end_of(starts)
    since = max(entry_filter.since, starts.get("$gte", entry_filter.since))
    return EntryRows(
        user_id=user_id,
        tasks=[
            *tasks_in_range_stages(user_id, entry_filter, since, before),
            *({"$match": condition} for condition in entry_filter.task_filters()),
        ],
        select=lambda array: _entries_in_range(array, entry_filter.since, starts),
        since=since,
        before=before,
        task_fields=task_fields,
        then=then,
    )


def _entries_in_range(array: str, since: datetime, starts: Row) -> Row:
    """Return an aggregation expression: the entries of the array with these starts that reach past `since`.

    All entries are filtered by the cheap conditions first, the rest by the exact one (portable form: decision 10).
    """
    conditions: list[Row] = [{operator: ["$$this.started_at", bound]} for operator, bound in starts.items()]
    if starts.get("$gte", MIN_INSTANT) >= since:
        return {"$filter": {"input": array, "cond": {"$and": conditions}}}
    conditions.append({"$gte": ["$$this.ended_at", since]})
    candidates = {"$filter": {"input": array, "cond": {"$and": conditions}}}
    exact = {"$or": [{"$gt": ["$$this.ended_at", since]}, {"$gte": ["$$this.started_at", since]}]}
    return {"$filter": {"input": candidates, "cond": exact}}


def entry_range_condition(entry_filter: EntryFilter, **bounds: datetime) -> Callable[[Row], bool]:
    """Return the function that returns whether `ended_entry_rows` selects an entry."""
    starts = entry_filter.start_bounds(**bounds)
    since, low, before = entry_filter.since, starts.get("$gte", MIN_INSTANT), _end_of(starts)

    def is_in_range(entry: Row) -> bool:
        started_at: datetime = entry["started_at"]
        return low <= started_at < before and (started_at >= since or bool(entry["ended_at"] > since))

    return is_in_range


def _end_of(starts: dict[str, Any]) -> datetime:
    """Return the instant before which entries with these bounds start."""
    ends: list[datetime] = [
        bound + ONE_MILLISECOND if operator == "$lte" else bound
        for operator, bound in starts.items()
        if operator != "$gte"
    ]
    return min(ends)


def tasks_in_range_stages(user_id: ObjectId, entry_filter: EntryFilter, since: datetime, before: datetime) -> list[Row]:
    """Return the stages that find the user's tasks with a last end at `since` or later and a first start `before`.

    The first stage has only the more selective bound, or only the id of the task (portable form: decision 10).
    """
    both: Row = {"last_ended_at": {"$gte": since}, "first_started_at": {"$lt": before}}
    if entry_filter.task_id is not None:
        in_range = {"user_id": user_id, **entry_filter.task_conditions(), **both}
        return [{"$match": {"_id": entry_filter.task_id}}, {"$match": in_range}]
    bound = "first_started_at" if before < naive_utc(utc_now()) - OLD_RANGE_AGE else "last_ended_at"
    return [
        {"$match": {"user_id": user_id, bound: both[bound]}},
        {"$match": {**entry_filter.task_conditions(), **both}},
    ]


def running_entry_stages(
    user_id: ObjectId, entry_filter: EntryFilter, task_fields: Row, *, now: datetime, **bounds: datetime
) -> list[Row]:
    """Return the stages that find the user's running `entry` with `task_fields`, if it intersects the range.

    It counts as [started_at, now); `now` is a stored instant. The stages do not apply
    EntryFilter.entry_conditions.
    """
    starts: dict[str, Any] = entry_filter.start_bounds(**bounds)
    if now <= entry_filter.since:
        starts["$gte"] = max(entry_filter.since, starts.get("$gte", entry_filter.since))
    return [
        {"$match": {"user_id": user_id, **RUNNING}},
        {"$match": entry_filter.task_conditions()},
        {"$project": {**task_fields, "entry": "$active"}},
        {"$match": {"entry.started_at": starts}},
    ]
