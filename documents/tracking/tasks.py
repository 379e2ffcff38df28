"""Tasks and their atomic operations. The filter of each update holds the owner and the precondition."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel
from typing_extensions import TypeAliasType

from app.clock import naive_utc, utc_now
from documents.common.base import Row, by_ids
from documents.common.outbox import (
    BY_OUTBOX_SINCE,
    OUTBOX_FIELDS,
    DescribeChanges,
    OutboxDocument,
    describe,
    outbox_stage,
    with_outbox,
)
from documents.tracking.entries import EndedEntry, RunningEntry, without_absent
from documents.tracking.task_updates import ENTRY_SORT, push_entries

TaskStatus = TypeAliasType("TaskStatus", Literal["pending", "in_progress", "completed"])

MAX_HOT_ENTRIES = 2000
"""The maximum of entries inside a task. It keeps the document well below the limit of 16 MB."""

NEWEST_ENTRIES = 100
"""How many ended entries the response of a single task contains."""

ONE_RUNNING_TIMER = "one_running_timer_per_user"
HAS_ACTIVE: Row = {"active": {"$type": "object"}}
RUNNING: Row = {"active.id": {"$gt": ObjectId("0" * 24)}}
"""The filter of tasks with a running timer, for queries. HAS_ACTIVE is the one of the unique index (decision 10)."""

HAS_ENTRY_TO_REVIEW: Row = {"time_entries.needs_review": True}
"""The filter of tasks with a hot entry that needs review."""

ALL_ENTRIES: Row = {
    "$concatArrays": ["$time_entries", {"$cond": [{"$eq": [{"$type": "$active"}, "object"]}, ["$active"], []]}]
}
"""An aggregation expression: the ended entries of a task, followed by the running one if there is one."""

_OPTIONAL_FIELDS = ("pages", "paged_until", "active", "import_id", "import_version", "import_name")

SORT_KEYS = ("created_at", "updated_at", "due_at", "title", "project_id", "tracked_seconds")


class ImportName(BaseModel):
    """The name of an imported task in the file: the name of its project, and its title."""

    project: str | None
    title: str


class Task(OutboxDocument):
    """A task with its embedded time entries.

    `time_entries` holds the newest ended entries, the hot ones, sorted by start. Older ones are in pages, whose ids
    are in `pages`: see documents/tracking/pages.py. `paged_until` is an instant after which no entry of a page ends;
    without it, that instant is unknown. `active` holds the running entry; the field exists only while a timer runs,
    because a unique index applies across documents and not inside an array.

    `tracked_seconds`, `entry_count`, `first_started_at` and `last_ended_at` are those of all ended entries, hot and
    paged. They change in the same update as the entries.

    A task that was created by an import has three more fields. `import_id` is the import. `import_name` is
    the name by which later imports recognize the task, even after it was renamed. `import_version` is the
    version that the last import wrote: another `version` means that the task was edited since.
    """

    user_id: PydanticObjectId
    project_id: PydanticObjectId | None
    title: str
    description: str | None
    status: TaskStatus
    tags: list[str]
    priority: Annotated[int, Field(ge=0, le=4)] | None
    due_at: datetime | None
    estimate_seconds: Annotated[int, Field(ge=0)] | None
    billable: bool
    time_entries: Annotated[list[EndedEntry], Field(max_length=MAX_HOT_ENTRIES)]
    pages: list[PydanticObjectId] | None = None
    paged_until: datetime | None = None
    active: RunningEntry | None = None
    tracked_seconds: Annotated[int, Field(ge=0)]
    entry_count: Annotated[int, Field(ge=0)]
    first_started_at: datetime | None
    last_ended_at: datetime | None
    version: Annotated[int, Field(ge=1)]
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    deleted_at: datetime | None
    import_id: PydanticObjectId | None = None
    import_version: Annotated[int, Field(ge=1)] | None = None
    import_name: ImportName | None = None

    hot_entries: ClassVar[int] = 200
    """How many hot entries make a page due. Tests lower it."""

    paged_at_once: ClassVar[int] = 100
    """How many of the oldest hot entries then move to a page. Tests lower it."""

    class Settings:
        """The collection and its indexes.

        They are: two for the running timer, one for each sort key, two for time ranges, one for the review, the outbox.
        """

        name = "tasks"
        indexes: ClassVar = [
            IndexModel(
                [("user_id", ASCENDING)],
                name=ONE_RUNNING_TIMER,
                unique=True,
                partialFilterExpression=HAS_ACTIVE,
            ),
            IndexModel(
                [("user_id", ASCENDING), ("active.id", ASCENDING)],
                name="by_running_entry",
                partialFilterExpression=RUNNING,
            ),
            *(
                IndexModel([("user_id", ASCENDING), (key, ASCENDING), ("_id", ASCENDING)], name=f"by_{key}")
                for key in SORT_KEYS
            ),
            IndexModel([("user_id", ASCENDING), ("last_ended_at", DESCENDING)], name="by_last_ended_at"),
            IndexModel(
                [("user_id", ASCENDING), ("first_started_at", ASCENDING), ("last_ended_at", ASCENDING)],
                name="by_first_started_at",
            ),
            IndexModel(
                [("user_id", ASCENDING), ("_id", ASCENDING)],
                name="by_review",
                partialFilterExpression=HAS_ENTRY_TO_REVIEW,
            ),
            BY_OUTBOX_SINCE,
        ]

    @classmethod
    def new(cls, user_id: ObjectId, task_id: ObjectId, fields: dict[str, Any]) -> Self:
        """Build a new task without storing it. `fields` are the model's fields from `title` to `billable`."""
        now = naive_utc(utc_now())
        return cls(
            **fields,
            id=task_id,
            user_id=user_id,
            time_entries=[],
            tracked_seconds=0,
            entry_count=0,
            first_started_at=None,
            last_ended_at=None,
            version=1,
            created_at=now,
            updated_at=now,
            completed_at=now if fields["status"] == "completed" else None,
            deleted_at=None,
        )

    def as_row(self) -> Row:
        """Return the row to store. Optional fields are absent where they are None."""
        row = super().as_row()
        if row["active"] is not None:
            row["active"] = without_absent(row["active"])
        absent = {name for name in _OPTIONAL_FIELDS if row[name] is None}
        return {name: value for name, value in row.items() if name not in absent}

    @classmethod
    async def find_live(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """Return the user's task without its ended entries but with `hot_count`, or None when it is in the trash."""
        return await cls._find_by_id(task_id, {"user_id": user_id, "deleted_at": None}, cls.read_projection)

    @classmethod
    async def find_any(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """Return the user's task without its ended entries, in the trash or not."""
        return await cls._find_by_id(task_id, {"user_id": user_id}, cls.read_projection)

    @classmethod
    async def find_live_with_entries(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """Return the user's task with its newest hot entries, oldest first, or None when it is in the trash."""
        newest = {"$slice": ["$time_entries", -NEWEST_ENTRIES]}
        projection = {**_WITHOUT_ENTRIES, "pages": 1, "time_entries": newest}
        return await cls._find_by_id(task_id, {"user_id": user_id, "deleted_at": None}, projection)

    @classmethod
    async def find_any_with_entries(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """Return the user's task with all its entries, in the trash or not."""
        return await cls._find_by_id(task_id, {"user_id": user_id})

    @classmethod
    async def sizes_in_bytes(cls, user_id: ObjectId, task_ids: list[ObjectId]) -> dict[ObjectId, int]:
        """Return the BSON size of each of these tasks of the user, in bytes. The trash is included."""
        if not task_ids:
            return {}
        size: Row = {"size": {"$bsonSize": "$$ROOT"}}
        rows = await cls.aggregate_rows([*by_ids(task_ids, {"user_id": user_id}), {"$project": size}])
        return {task["_id"]: task["size"] for task in rows}

    @classmethod
    async def find_ids_in_project(cls, user_id: ObjectId, project_id: ObjectId) -> list[ObjectId]:
        """Return the ids of the user's tasks in a project. The trash is included."""
        condition = {"user_id": user_id, "project_id": project_id}
        return [task["_id"] for task in await cls.aggregate_rows([{"$match": condition}, {"$project": {"_id": 1}}])]

    @classmethod
    async def find_running(cls, user_id: ObjectId) -> Row | None:
        """Return the task with the user's running timer, without its ended entries, or None."""
        return await cls._find_one({"user_id": user_id, **RUNNING}, cls.read_projection)

    @classmethod
    async def find_by_hot_entry(cls, user_id: ObjectId, entry_id: ObjectId, condition: Row | None = None) -> Row | None:
        """Return the task with this hot entry, and of its entries only that one, or None.

        Without a condition on `_id` it scans the user's tasks, the most recently tracked first.
        """
        one_entry = _one_entry(entry_id)
        return await cls._find_one(
            {"user_id": user_id, **(condition or {}), **one_entry},
            {**cls.read_projection, "pages": 1, **one_entry},
            sort=[("last_ended_at", DESCENDING)],
        )

    @classmethod
    async def find_listing(
        cls, user_id: ObjectId, task_id: ObjectId, page_id: ObjectId, condition: Row | None = None
    ) -> Row | None:
        """Return the task if it lists this page, without its entries, or None."""
        lists_page = {"user_id": user_id, "pages": page_id, **(condition or {})}
        return await cls._find_by_id(task_id, lists_page, {**cls.read_projection, "pages": 1})

    @classmethod
    async def find_with_entry(cls, user_id: ObjectId, task_id: ObjectId, entry_id: ObjectId) -> Row | None:
        """Return the user's live task with this hot entry only, or with an empty list when it has no such entry."""
        projection = {**cls.read_projection, "pages": 1, **_one_entry(entry_id)}
        task = await cls._find_one({"_id": task_id, "user_id": user_id, "deleted_at": None}, projection)
        return None if task is None else {"time_entries": [], **task}

    @classmethod
    async def find_last_entry(cls, user_id: ObjectId, task_id: ObjectId, ended_at: datetime) -> Row | None:
        """Return the live task if its last entry ends then, with only that entry if it is hot, or None."""
        return await cls._find_one(
            {"_id": task_id, "user_id": user_id, "deleted_at": None, "last_ended_at": ended_at},
            {**cls.read_projection, "pages": 1, "time_entries": {"$elemMatch": {"ended_at": ended_at}}},
        )

    @classmethod
    async def find_hot_entries(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """Return the task with all its hot entries and the ids of its pages, in the trash or not."""
        projection = {**cls.read_projection, "pages": 1, "time_entries": 1}
        return await cls._find_by_id(task_id, {"user_id": user_id}, projection)

    @classmethod
    async def find_hot_bounds(cls, task: Row, *, without: ObjectId) -> tuple[datetime | None, datetime | None]:
        """Return the first start and the last end of the hot entries other than `without`."""
        others = {"$filter": {"input": "$time_entries", "cond": {"$ne": ["$$this.id", without]}}}
        bounds = {
            "first": {"$min": {"$map": {"input": others, "in": "$$this.started_at"}}},
            "last": {"$max": {"$map": {"input": others, "in": "$$this.ended_at"}}},
        }
        found = await cls._find_by_id(task["_id"], {"user_id": task["user_id"]}, bounds)
        return (found["first"], found["last"]) if found else (None, None)

    @classmethod
    async def are_unchanged(cls, tasks: list[Row]) -> bool:
        """Return whether these tasks of one user still have the versions that were read."""
        versions = {task["_id"]: task["version"] for task in tasks}
        owned = by_ids(versions, {"user_id": tasks[0]["user_id"]})
        rows = await cls.aggregate_rows([*owned, {"$project": {"version": 1}}])
        return {task["_id"]: task["version"] for task in rows} == versions

    @classmethod
    async def update_at_version(cls, task: Row, fields: Row, changes: DescribeChanges) -> Row | None:
        """Set these fields if the task is unchanged. Return the task, or None when its version differs."""
        return await cls.change_at_version(task, {"$set": fields}, changes)

    @classmethod
    async def start_timer(cls, task: Row, entry: Row, changes: DescribeChanges) -> Row | None:
        """Start a timer if the task is unchanged. Return the task, or None when its version differs.

        Raises DuplicateError when another timer of the user is running: the unique index refuses it.
        """
        return await cls.change_at_version(
            task, {"$set": {"active": entry, "status": "in_progress", "completed_at": None}}, changes
        )

    @classmethod
    async def update_timer(cls, task: Row, entry: Row, changes: DescribeChanges) -> Row | None:
        """Replace the running entry with `entry`, which has the same id. Return None when the version differs."""
        return await cls.change_at_version(task, {"$set": {"active": entry}}, changes, {"active.id": entry["id"]})

    @classmethod
    async def stop_timer(cls, task: Row, entry: Row, fields: Row, changes: DescribeChanges) -> Row | None:
        """Move the running entry to the ended ones, as `entry`, and set `fields` in the same update.

        Returns None when the version differs, so that a concurrent update of the timer is not lost.
        """
        pushed = push_entries(task, [entry])
        return await cls.change_at_version(
            task,
            {**pushed, "$set": {**fields, **pushed["$set"]}, "$unset": {"active": ""}},
            changes,
            {"active.id": entry["id"]},
        )

    @classmethod
    async def discard_timer(cls, task: Row, changes: DescribeChanges) -> Row | None:
        """Remove the running entry. Return the task, or None when its version differs."""
        update: Row = {"$unset": {"active": ""}}
        return await cls.change_at_version(task, update, changes, {"active.id": task["active"]["id"]})

    @classmethod
    async def add_entry(cls, task: Row, entry: Row, changes: DescribeChanges) -> Row | None:
        """Add an ended entry. Return the task, or None when its version differs."""
        return await cls.change_at_version(task, push_entries(task, [entry]), changes)

    @classmethod
    async def replace_hot_entry(
        cls, task: Row, old_id: ObjectId, new: list[Row], counters: Row, changes: DescribeChanges
    ) -> bool:
        """Replace one hot entry with `new`, and set the counters. Return False when the version differs."""
        others = {"$filter": {"input": "$time_entries", "cond": {"$ne": ["$$this.id", {"$literal": old_id}]}}}
        entries = {"$concatArrays": [others, {"$literal": new}]}
        in_order = {"$sortArray": {"input": entries, "sortBy": ENTRY_SORT}}
        items = describe({**task, "version": task["version"] + 1}, changes)
        stages = [{"$set": {"time_entries": in_order}}, {"$set": counters}, *outbox_stage(items)]
        return await cls._update_one({**version_filter(task), **_one_entry(old_id)}, stages)

    @classmethod
    async def delete_at_version(cls, task: Row, condition: Row) -> bool:
        """Delete the task if it is unchanged and meets the condition. Return whether it was deleted."""
        return await cls._delete_one({**version_filter(task), **condition})

    @classmethod
    async def delete_all_at_version(cls, tasks: list[Row]) -> bool:
        """Delete these tasks. Return whether none had changed. Call it in a transaction, to be aborted if one had."""
        return await cls.delete_each([version_filter(task) for task in tasks]) == len(tasks)

    @classmethod
    async def find_page(
        cls, user_id: ObjectId, condition: Row, then: Row, *, sort: list[tuple[str, int]], limit: int
    ) -> list[Row]:
        """Return at most `limit` of the user's tasks, without their ended entries and pages.

        `condition` can use an index. `then` is a second stage and may contain $or (portable form: decision 10).
        """
        stages: list[Row] = [{"$match": {"user_id": user_id, **condition}}]
        if then:
            stages.append({"$match": then})
        stages += [{"$sort": dict(sort)}, {"$limit": limit}, {"$project": _WITHOUT_ENTRIES}]
        return await cls.aggregate_rows(stages)

    @classmethod
    async def change_at_version(
        cls, task: Row, update: Row, changes: DescribeChanges, condition: Row | None = None
    ) -> Row | None:
        """Update the task if its version is still the one that was read; return None when it is not.

        Returns the updated task, computed from the update instead of a second read.
        """
        fields = {**update.get("$set", {}), "updated_at": naive_utc(utc_now())}
        increments = {**update.get("$inc", {}), "version": 1}
        unset = update.get("$unset", {})
        counters = {field: task[field] + amount for field, amount in increments.items()}
        updated = {name: value for name, value in {**task, **fields, **counters}.items() if name not in unset}
        command = with_outbox({**update, "$set": fields, "$inc": increments}, describe(updated, changes))
        is_updated = await cls._update_one({**version_filter(task), **(condition or {})}, command)
        return updated if is_updated else None


_WITHOUT_ENTRIES: Row = dict.fromkeys(Task.model_fields.keys() - {"id", "time_entries", "pages"} - OUTBOX_FIELDS, 1)
"""A projection to all fields but the entries, the ids of the pages and the outbox."""

Task.read_projection = {**_WITHOUT_ENTRIES, "hot_count": {"$size": "$time_entries"}}


def _one_entry(entry_id: ObjectId) -> Row:
    """As a filter: the task that contains this ended entry. As a projection: that entry only."""
    return {"time_entries": {"$elemMatch": {"id": entry_id}}}


def version_filter(task: Row) -> Row:
    """Return the filter of the task at the version that was read. Each change of a task increments its version."""
    return {field: task[field] for field in ("_id", "user_id", "version")}
