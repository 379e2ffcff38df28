"""The queries of the entries of a report. Their results are undecoded."""

from dataclasses import dataclass

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.entry_filter import EntryFilter, ended_entry_rows
from documents.tracking.queries.paged_rows import EntryRows, pages_after
from documents.tracking.tasks import Task

ID_BATCH_SIZE = 1000

_NOT_EMPTY: Row = {"$ne": []}


@dataclass(frozen=True, slots=True)
class EntryQueries:
    """The queries of one report, with the fields that it needs."""

    user_id: ObjectId
    entry_filter: EntryFilter
    exclude_id: ObjectId | None
    task_fields: tuple[str, ...]
    entry_fields: tuple[str, ...]

    @property
    def range(self) -> EntryRows:
        """The query for all entries in the range."""
        return ended_entry_rows(self.user_id, self.entry_filter, {}, [])

    async def find_task_ids(self) -> list[ObjectId]:
        """Return the ids of the tasks in the range."""
        stages: list[Row] = [*self.range.tasks, {"$project": {"_id": 1}}]
        return [task["_id"] for task in await Task.aggregate_rows(stages, batchSize=ID_BATCH_SIZE)]

    async def read_tasks(self, task_ids: list[ObjectId]) -> list[RawBSONDocument]:
        """Return the tasks that have hot `entries` or `pages` in the range."""
        tags = ("tags",) if self.entry_filter.tags else ()
        fields: Row = dict.fromkeys((*self.task_fields, *tags, "version"), 1)
        _, in_range = self.range.tasks
        hot = {"entries": self.range.select("$time_entries"), "pages": pages_after(self.entry_filter.since)}
        stages: list[Row] = [
            {"$match": {"_id": {"$in": task_ids}, "user_id": self.user_id}},
            in_range,
            {"$project": {**fields, **hot}},
            {"$project": {**fields, "pages": 1, "entries": self._projected_entries()}},
            {"$match": {"$or": [{"entries": _NOT_EMPTY}, {"pages": _NOT_EMPTY}]}},
        ]
        return await Task.aggregate_undecoded(stages)

    async def read_pages(self, tasks: list[Row], page_ids: list[ObjectId], *, inside: bool) -> list[RawBSONDocument]:
        """Return the pages that have `entries` in the range, each with its task_id.

        `tasks` are their tasks. With `inside`, the time of the entries is not compared.
        """
        tags = set(self.entry_filter.tags)
        tagged = [task["_id"] for task in tasks if tags and tags.intersection(task["tags"])]
        task_tags = {"$cond": [{"$in": ["$task_id", tagged]}, {"$literal": list(tags)}, []]}
        entries = "$entries" if inside else self.range.select("$entries")
        stages: list[Row] = [
            {"$match": {"_id": {"$in": page_ids}, "user_id": self.user_id}},
            {"$project": {"task_id": 1, "tags": task_tags, "entries": entries}},
            {"$project": {"task_id": 1, "entries": self._projected_entries()}},
            {"$match": {"entries": _NOT_EMPTY}},
        ]
        return await TaskPage.aggregate_undecoded(stages)

    def _projected_entries(self) -> Row:
        """Return an aggregation expression: the `entries` that meet the filter, with the fields that are needed."""
        conditions = self.entry_filter.entry_expressions()
        if self.exclude_id is not None:
            conditions.append({"$ne": ["$$this.id", self.exclude_id]})
        filtered = {"$filter": {"input": "$entries", "cond": {"$and": conditions}}}
        fields: Row = {field: f"$$this.{field}" for field in self.entry_fields}
        fields |= {"begin": {"$toLong": "$$this.started_at"}, "end": {"$toLong": "$$this.ended_at"}}
        return {"$map": {"input": filtered if conditions else "$entries", "in": fields}}
