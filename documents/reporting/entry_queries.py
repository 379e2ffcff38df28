"""The queries of the entries of a report. Their results are undecoded."""

from collections.abc import Collection
from dataclasses import dataclass

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.entry_filter import EntryFilter, tasks_in_range_stages
from documents.tracking.tasks import Task

ID_BATCH_SIZE = 1000


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

    async def find_task_ids(self) -> list[ObjectId]:
        """Return the ids of the tasks in the range."""
        stages: list[Row] = [*self._tasks_in_range(), {"$project": {"_id": 1}}]
        return [task["_id"] for task in await Task.aggregate_rows(stages, batchSize=ID_BATCH_SIZE)]

    async def find_tasks(self) -> list[RawBSONDocument]:
        """Return the tasks in the range with all their fields and hot entries (portable form: decision 10)."""
        return await Task.aggregate_undecoded(self._tasks_in_range())

    async def read_tasks(self, task_ids: list[ObjectId]) -> list[RawBSONDocument]:
        """Return those of the tasks that are still in the range."""
        _, in_range = self._tasks_in_range()
        tags = ("tags",) if self.entry_filter.tags else ()
        fields = dict.fromkeys((*self.task_fields, *tags, "version", "pages", "paged_until"), 1)
        return await Task.find_undecoded(
            {"_id": {"$in": task_ids}, "user_id": self.user_id, **in_range["$match"]},
            {**fields, **self._entry_projection("time_entries")},
        )

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

    def _tasks_in_range(self) -> list[Row]:
        return tasks_in_range_stages(self.user_id, self.entry_filter, self.entry_filter.since, self.entry_filter.until)

    def _entry_projection(self, array: str) -> Row:
        """Return the projection of the entries in this array to the fields that are needed."""
        fields = {"started_at", "ended_at", *self.entry_fields, *self.entry_filter.entry_fields()}
        if self.exclude_id is not None:
            fields.add("id")
        return {f"{array}.{field}": 1 for field in sorted(fields)}
