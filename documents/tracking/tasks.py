"""Tasks and what can happen to them. Every promise about time stands in the filter of an update here."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel
from typing_extensions import TypeAliasType

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument
from documents.tracking.entries import EndedEntry, RunningEntry
from documents.tracking.task_updates import (
    ENTRY_SORT,
    import_version_update,
    push_entries,
    recomputed_counters,
    unmodified_import,
)

TaskStatus = TypeAliasType("TaskStatus", Literal["pending", "in_progress", "completed"])

MAX_ENTRIES = 2000
"""So that most tasks stay well under the 16 MB that a document may have; services.room minds long notes."""

NEWEST_ENTRIES = 100
"""How many of its entries a task shows when it is read."""

ONE_RUNNING_TIMER = "one_running_timer_per_user"
RUNNING: Row = {"active": {"$type": "object"}}
"""What tells a task whose timer runs."""

ALL_ENTRIES: Row = {
    "$concatArrays": ["$time_entries", {"$cond": [{"$eq": [{"$type": "$active"}, "object"]}, ["$active"], []]}]
}
"""In an aggregation: the ended entries of a task, and the running one if there is one."""

_OF_AN_IMPORT = ("import_id", "import_version", "import_name")

SORT_KEYS = ("created_at", "updated_at", "due_at", "title", "project_id", "tracked_seconds")


class ImportName(BaseModel):
    """What the file calls a task that an import has made: the name of its project, and its title."""

    project: str | None
    title: str


class Task(StoredDocument):
    """A task with its time entries.

    `time_entries` holds the ended entries in the order of their start; the running one stands in
    `active`, a field that exists only while a timer runs: a unique index works across documents,
    not inside an array. The counters are changed in the same update as the entries.

    A task that an import has made has `import_id`, `import_name`, by which later imports know it however it is
    called by then, and `import_version`: the version that an import has left it at. When the task is of another
    version, somebody has changed it since.
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
    time_entries: Annotated[list[EndedEntry], Field(max_length=MAX_ENTRIES)]
    active: RunningEntry | None = None
    tracked_seconds: Annotated[int, Field(ge=0)]
    entry_count: Annotated[int, Field(ge=0, le=MAX_ENTRIES)]
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

    read_projection: ClassVar[Row] = {"time_entries": 0}

    class Settings:
        """The collection and its indexes: one a promise, one a sort key, two for walking through time."""

        name = "tasks"
        indexes: ClassVar = [
            IndexModel(
                [("user_id", ASCENDING)],
                name=ONE_RUNNING_TIMER,
                unique=True,
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
        ]

    @classmethod
    def new(cls, user_id: ObjectId, task_id: ObjectId, fields: dict[str, Any]) -> Self:
        """A task that has just been made, not stored yet; `fields` are its title to its billable."""
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
        """The task as it is stored: `active` is there only while a timer runs, what tells of an import in its tasks."""
        row = super().as_row()
        absent = {name for name in ("active", *_OF_AN_IMPORT) if row[name] is None}
        return {name: value for name, value in row.items() if name not in absent}

    @classmethod
    async def find_live(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """The user's task without its entries, unless it is in the trash."""
        return await cls._find_one({"_id": task_id, "user_id": user_id, "deleted_at": None}, cls.read_projection)

    @classmethod
    async def find_any(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """The user's task without its entries, in the trash or not."""
        return await cls._find_one({"_id": task_id, "user_id": user_id}, cls.read_projection)

    @classmethod
    async def find_live_with_entries(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """The user's task with the newest of its ended entries, oldest first, unless it is in the trash."""
        return await cls._find_one(
            {"_id": task_id, "user_id": user_id, "deleted_at": None}, {"time_entries": {"$slice": -NEWEST_ENTRIES}}
        )

    @classmethod
    async def find_any_with_entries(cls, user_id: ObjectId, task_id: ObjectId) -> Row | None:
        """The user's task with all its entries, in the trash or not."""
        return await cls._find_one({"_id": task_id, "user_id": user_id})

    @classmethod
    async def sizes_in_bytes(cls, user_id: ObjectId, task_ids: list[ObjectId]) -> dict[ObjectId, int]:
        """How many bytes each of these tasks of the user takes, those in the trash too."""
        if not task_ids:
            return {}
        mine: Row = {"_id": {"$in": task_ids}, "user_id": user_id}
        size: Row = {"size": {"$bsonSize": "$$ROOT"}}
        return {task["_id"]: task["size"] for task in await cls.aggregate_rows([{"$match": mine}, {"$project": size}])}

    @classmethod
    async def find_ids_in_project(cls, user_id: ObjectId, project_id: ObjectId) -> list[ObjectId]:
        """The user's tasks of a project, those in the trash included."""
        of_project = {"user_id": user_id, "project_id": project_id}
        return [task["_id"] for task in await cls.aggregate_rows([{"$match": of_project}, {"$project": {"_id": 1}}])]

    @classmethod
    async def find_running(cls, user_id: ObjectId) -> Row | None:
        """The task whose timer runs. The hint is for the embedded store, which would read all the user's tasks."""
        return await cls._find_one({"user_id": user_id, **RUNNING}, cls.read_projection, hint=ONE_RUNNING_TIMER)

    @classmethod
    async def find_with_ended_entry(
        cls, user_id: ObjectId, entry_id: ObjectId, *, task_id: ObjectId | None
    ) -> Row | None:
        """The task that holds this ended entry, with that entry alone.

        Without `task_id` it walks the user's tasks, the last tracked first.
        """
        one_entry = _one_entry(entry_id)
        condition: Row = {"user_id": user_id, "deleted_at": None, **one_entry}
        if task_id is not None:
            condition["_id"] = task_id
        shown = {"title": 1, "tracked_seconds": 1, "version": 1, **one_entry}
        return await cls._find_one(condition, shown, sort=[("last_ended_at", DESCENDING)])

    @classmethod
    async def find_by_ended_entry(cls, user_id: ObjectId, entry_id: ObjectId) -> Row | None:
        """The task that holds this ended entry, in the trash or not, with that entry alone."""
        one_entry = _one_entry(entry_id)
        return await cls._find_one({"user_id": user_id, **one_entry}, {**_ALL_BUT_ENTRIES, **one_entry})

    @classmethod
    async def find_with_entry(cls, user_id: ObjectId, task_id: ObjectId, entry_id: ObjectId) -> Row | None:
        """The user's task with this one of its ended entries, or with none; None when it is in the trash."""
        shown = {**_ALL_BUT_ENTRIES, **_one_entry(entry_id)}
        task = await cls._find_one({"_id": task_id, "user_id": user_id, "deleted_at": None}, shown)
        return None if task is None else {"time_entries": [], **task}

    @classmethod
    async def find_last_tracked(cls, user_id: ObjectId) -> Row | None:
        """The task whose entry ended last, with that entry as its only one."""
        condition = {"user_id": user_id, "deleted_at": None, "last_ended_at": {"$type": "date"}}
        last = await cls._find_one(condition, {"last_ended_at": 1}, sort=[("last_ended_at", DESCENDING)])
        if last is None:
            return None
        ended_then = {"time_entries": {"$elemMatch": {"ended_at": last["last_ended_at"]}}}
        return await cls._find_one({"_id": last["_id"], "user_id": user_id}, ended_then)

    @classmethod
    async def find_recently_tracked(cls, user_id: ObjectId, *, limit: int) -> list[Row]:
        """The live tasks whose entries ended last, the latest first, each with what tells it from others."""
        return await cls.aggregate_rows(
            [
                {"$match": {"user_id": user_id, "last_ended_at": {"$type": "date"}}},
                {"$match": {"deleted_at": None}},
                {"$sort": {"last_ended_at": DESCENDING}},
                {"$limit": limit},
                {"$project": {"title": 1, "project_id": 1, "status": 1, "tracked_seconds": 1, "last_ended_at": 1}},
            ]
        )

    @classmethod
    async def update_fields(cls, user_id: ObjectId, task_id: ObjectId, fields: Row) -> Row | None:
        """Sets these fields and no other, whatever else has changed; None when there is no such live task."""
        return await cls._update_and_read(
            {"_id": task_id, "user_id": user_id, "deleted_at": None},
            {"$set": {**fields, "updated_at": naive_utc(utc_now())}, "$inc": {"version": 1}},
        )

    @classmethod
    async def remove_from_project(cls, user_id: ObjectId, task_id: ObjectId, project_id: ObjectId) -> Row | None:
        """Takes the task out of this project, in the trash or not; None when it is not in it."""
        return await cls._update_and_read(
            {"_id": task_id, "user_id": user_id, "project_id": project_id},
            {"$set": {"project_id": None, "updated_at": naive_utc(utc_now())}, "$inc": {"version": 1}},
        )

    @classmethod
    async def update_at_version(cls, task: Row, fields: Row) -> Row | None:
        """Sets these fields on exactly the version that was read; None when it has moved on."""
        return await cls._at_version(task, {"$set": fields})

    @classmethod
    async def start_timer(cls, task: Row, entry: Row) -> Row | None:
        """Starts a timer on exactly the version that was read; None when it has moved on.

        Raises DuplicateError when another of the user's timers runs: the index says so.
        """
        begun = {"active": entry, "status": "in_progress", "completed_at": None}
        return await cls._at_version(task, {"$set": begun})

    @classmethod
    async def update_timer(cls, task: Row, entry: Row) -> Row | None:
        """Puts `entry` in the place of the running one it corrects; None when the task has moved on."""
        return await cls._at_version(task, {"$set": {"active": entry}}, {"active.id": entry["id"]})

    @classmethod
    async def stop_timer(cls, task: Row, entry: Row, fields: Row) -> Row | None:
        """Moves the running entry among the ended ones, as `entry` with its end, and sets `fields` with it.

        On exactly the version that was read, so that a correction made since is never lost;
        None when it has moved on.
        """
        added = push_entries(task, [entry])
        return await cls._at_version(
            task,
            {**added, "$set": {**fields, **added["$set"]}, "$unset": {"active": ""}},
            {"active.id": entry["id"]},
        )

    @classmethod
    async def discard_timer(cls, task: Row) -> Row | None:
        """Takes the running entry away, on exactly the version that was read; None when it has moved on."""
        return await cls._at_version(task, {"$unset": {"active": ""}}, {"active.id": task["active"]["id"]})

    @classmethod
    async def add_entry(cls, task: Row, entry: Row) -> Row | None:
        """Puts an ended entry among the others, on exactly the version that was read; None when it has moved on."""
        return await cls._at_version(task, push_entries(task, [entry]))

    @classmethod
    async def add_imported_entries(cls, task: Row, entries: list[Row]) -> Row | None:
        """Puts these ended entries among the others, on exactly the version that was read; None when it has moved on.

        Imports change nothing of what they made: a task that nobody else has changed stays such a one.
        """
        added = push_entries(task, entries)
        return await cls._at_version(task, {**added, "$set": {**added["$set"], **import_version_update(task)}})

    @classmethod
    async def remove_imported_entries(cls, task: Row, import_id: ObjectId, before: datetime) -> bool:
        """Takes away the ended entries of this import that nobody has changed; False when the task has moved on."""
        stay = {"$filter": {"input": "$time_entries", "cond": {"$not": [unmodified_import(import_id, before)]}}}
        return await cls._update_one(
            _this_version(task),
            [{"$set": {"time_entries": stay}}, {"$set": recomputed_counters(**import_version_update(task))}],
        )

    @classmethod
    async def remove_imported_task(cls, task: Row) -> bool:
        """Whether a task was removed that an import made, that holds nothing, and that nobody has changed."""
        bare = {"entry_count": 0, "import_version": task["version"], "active": {"$exists": False}}
        return await cls._delete_one({**_this_version(task), **bare})

    @classmethod
    async def replace_entry(cls, task: Row, entry: Row) -> bool:
        """Puts the ended entry in the place of the one with its id; False when the task has moved on."""
        return await cls._replace_entries(task, entry["id"], [entry])

    @classmethod
    async def split_entry(cls, task: Row, first: Row, second: Row) -> bool:
        """Puts two entries in the place of the one that has the id of the first; False when the task has moved on."""
        return await cls._replace_entries(task, first["id"], [first, second])

    @classmethod
    async def remove_entry(cls, task: Row, entry_id: ObjectId) -> bool:
        """Takes an ended entry away; False when the task has moved on."""
        return await cls._replace_entries(task, entry_id, [])

    @classmethod
    async def find_page(
        cls, user_id: ObjectId, narrow: Row, then: Row, *, sort: list[tuple[str, int]], limit: int
    ) -> list[Row]:
        """At most `limit` of the user's tasks without their entries.

        `narrow` is answered by an index; `then` may hold $or. MongoDB joins the two, the embedded
        store would scan the collection for a $or at the top of one.
        """
        stages: list[Row] = [{"$match": {"user_id": user_id, **narrow}}]
        if then:
            stages.append({"$match": then})
        stages += [{"$sort": dict(sort)}, {"$limit": limit}, {"$project": cls.read_projection}]
        return await cls.aggregate_rows(stages)

    @classmethod
    async def _replace_entries(cls, task: Row, gone: ObjectId, come: list[Row]) -> bool:
        """Whether these entries now stand in the place of the one that goes, on exactly the version that was read.

        The counters are reckoned anew from the entries, in the same update.
        """
        stay = {"$filter": {"input": "$time_entries", "cond": {"$ne": ["$$this.id", {"$literal": gone}]}}}
        entries = {"$concatArrays": [stay, {"$literal": come}]}
        return await cls._update_one(
            {**_this_version(task), **_one_entry(gone)},
            [
                {"$set": {"time_entries": {"$sortArray": {"input": entries, "sortBy": ENTRY_SORT}}}},
                {"$set": recomputed_counters()},
            ],
        )

    @classmethod
    async def _at_version(cls, task: Row, update: Row, condition: Row | None = None) -> Row | None:
        """The task after an update of exactly the version that was read, reckoned without reading it again."""
        changes = {**update.get("$set", {}), "updated_at": naive_utc(utc_now())}
        counts = {**update.get("$inc", {}), "version": 1}
        found = await cls._update_one(
            {**_this_version(task), **(condition or {})}, {**update, "$set": changes, "$inc": counts}
        )
        if not found:
            return None
        dropped = update.get("$unset", {})
        counted = {field: task[field] + amount for field, amount in counts.items()}
        return {field: value for field, value in {**task, **changes, **counted}.items() if field not in dropped}


_ALL_BUT_ENTRIES: Row = {field: 1 for field in Task.model_fields if field not in {"id", "time_entries"}}


def _one_entry(entry_id: ObjectId) -> Row:
    """What tells the task that holds this ended entry, and shows that entry alone of it."""
    return {"time_entries": {"$elemMatch": {"id": entry_id}}}


def _this_version(task: Row) -> Row:
    """What tells exactly the version that was read from every other."""
    return {field: task[field] for field in ("_id", "user_id", "deleted_at", "version")}
