"""The queries of the entries of a report. Their results are undecoded."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.entry_filter import EntryFilter, tasks_in_range_stages
from documents.tracking.queries.paged_rows import ONE_MILLISECOND
from documents.tracking.tasks import Task


@dataclass(frozen=True, slots=True)
class EntryQueries:
    """The queries of one report, with the fields that it needs.

    They read all entries of a task or page. `select` then selects those of the report: portable form, decision 10.
    """

    user_id: ObjectId
    entry_filter: EntryFilter
    exclude_id: ObjectId | None
    task_fields: tuple[str, ...]
    entry_fields: tuple[str, ...]

    async def find_tasks_in_window(self, low: datetime, high: datetime | None) -> list[RawBSONDocument]:
        """Return the tasks in the range whose last entry ends in [low, high). None as `high` is the end of all time."""
        if high is not None:
            return await self._find_tasks({"last_ended_at": {"$gte": low, "$lt": high}})
        stages = tasks_in_range_stages(self.user_id, self.entry_filter, low, self.entry_filter.until)
        return await Task.aggregate_undecoded([*stages, {"$project": self._task_projection()}])

    async def find_tasks_updated_since(self, instant: datetime) -> list[RawBSONDocument]:
        """Return the tasks in the range that were updated at this instant or later."""
        return await self._find_tasks({"updated_at": {"$gt": instant - ONE_MILLISECOND}})

    async def find_tasks(self) -> list[RawBSONDocument]:
        """Return the tasks in the range with all their fields and hot entries (portable form: decision 10)."""
        return await Task.aggregate_undecoded(self._tasks_in_range())

    async def read_tasks(self, task_ids: list[ObjectId]) -> list[RawBSONDocument]:
        """Return those of the tasks that are still in the range."""
        _, in_range = self._tasks_in_range()
        by_id: Row = {"_id": {"$in": task_ids}, "user_id": self.user_id}
        return await Task.find_undecoded({**by_id, **in_range["$match"]}, self._task_projection())

    async def read_pages(self, page_ids: list[ObjectId]) -> list[RawBSONDocument]:
        """Return these pages."""
        return await TaskPage.find_undecoded(
            {"_id": {"$in": page_ids}, "user_id": self.user_id}, {"task_id": 1, **self._entry_projection("entries")}
        )

    def select(self, entries: list[Row], task_tags: Collection[str]) -> list[Row]:
        """Return the entries of a task with these tags that the report contains."""
        return [
            entry
            for entry in entries
            if self.entry_filter.includes(entry, task_tags)
            and (self.exclude_id is None or entry["id"] != self.exclude_id)
        ]

    async def _find_tasks(self, indexed: Row) -> list[RawBSONDocument]:
        """Return the tasks in the range that meet a condition on one indexed field."""
        _, in_range = self._tasks_in_range()
        stages: list[Row] = [{"$match": {"user_id": self.user_id, **indexed}}, in_range]
        return await Task.aggregate_undecoded([*stages, {"$project": self._task_projection()}])

    def _tasks_in_range(self) -> list[Row]:
        return tasks_in_range_stages(self.user_id, self.entry_filter, self.entry_filter.since, self.entry_filter.until)

    def _task_projection(self) -> Row:
        """Return the projection of a task to the fields that are needed."""
        tags = ("tags",) if self.entry_filter.tags else ()
        fields = dict.fromkeys((*self.task_fields, *tags, "version", "pages", "paged_until"), 1)
        return {**fields, **self._entry_projection("time_entries")}

    def _entry_projection(self, array: str) -> Row:
        """Return the projection of the entries in this array to the fields that are needed."""
        fields = {"started_at", "ended_at", *self.entry_fields, *self.entry_filter.entry_fields()}
        if self.exclude_id is not None:
            fields.add("id")
        return {f"{array}.{field}": 1 for field in sorted(fields)}
