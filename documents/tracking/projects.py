"""Projects: groups of tasks, with the hourly rate of their billable time."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, by_ids
from documents.common.outbox import (
    BY_OUTBOX_SINCE,
    DescribeChanges,
    OutboxDocument,
    describe,
    with_outbox,
)
from documents.common.transactions import current_session
from documents.tracking.entries import HourlyRate

_UNCHANGED_FIELDS = (
    *("_id", "user_id", "deleted_at", "updated_at"),
    *("name", "client_name", "color", "billable", "hourly_rate", "archived_at"),
)
"""The filter of an update has all of them: two updates within a millisecond have the same `updated_at`."""

BEING_DELETED: Row = {"deleted_at": {"$type": "date"}}
"""The filter of projects whose deletion has begun: no request finds them, but tasks may still refer to them."""


class Project(OutboxDocument):
    """A project. Its deletion takes several steps. The first step sets `deleted_at` and hides the project.

    A project that was created by an import has `import_id`, and `import_name`, its name in the file.
    """

    user_id: PydanticObjectId
    name: str
    client_name: str | None
    color: str | None
    billable: bool
    hourly_rate: HourlyRate | None
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    tasks_version: Annotated[int, Field(ge=0)]
    import_id: PydanticObjectId | None = None
    import_name: str | None = None

    class Settings:
        """The collection and its indexes.

        The first index makes names unique and sorts lists. The name of a project that is being deleted is free.
        """

        name = "projects"
        indexes: ClassVar = [
            IndexModel(
                [("user_id", ASCENDING), ("deleted_at", ASCENDING), ("name", ASCENDING)],
                name="one_project_per_name",
                unique=True,
            ),
            IndexModel([("deleted_at", ASCENDING)], name="being_deleted", partialFilterExpression=BEING_DELETED),
            BY_OUTBOX_SINCE,
        ]

    @classmethod
    def new(cls, user_id: ObjectId, project_id: ObjectId, fields: dict[str, Any]) -> Self:
        """Build a new project without storing it. `fields` are the model's fields from `name` to `hourly_rate`."""
        now = naive_utc(utc_now())
        return cls(
            **fields,
            id=project_id,
            user_id=user_id,
            archived_at=None,
            created_at=now,
            updated_at=now,
            deleted_at=None,
            tasks_version=0,
        )

    def as_row(self) -> Row:
        """Return the row to store. The import fields are absent where they are None."""
        row = super().as_row()
        absent = {name for name in ("import_id", "import_name") if row[name] is None}
        return {name: value for name, value in row.items() if name not in absent}

    @classmethod
    async def find_live(cls, user_id: ObjectId, project_id: ObjectId) -> Row | None:
        """Return the user's project, archived or not, or None when it is missing or being deleted."""
        return await cls._find_by_id(project_id, {"user_id": user_id, "deleted_at": None})

    @classmethod
    async def confirm_live(cls, user_id: ObjectId, project_id: ObjectId) -> bool:
        """Return whether the project is still live after a task was assigned to it.

        A deletion that begins later finds the task. In a transaction, a read would not see a concurrent
        deletion. The transaction therefore updates the project, so that the two writes conflict.
        """
        if current_session() is None:
            return await cls.find_live(user_id, project_id) is not None
        condition = {"_id": project_id, "user_id": user_id, "deleted_at": None}
        return await cls._update_one(condition, {"$inc": {"tasks_version": 1}})

    @classmethod
    async def find_labels(cls, user_id: ObjectId, project_ids: Collection[ObjectId]) -> dict[ObjectId, Row]:
        """Return the name and color of those of these projects that exist, by their ids."""
        if not project_ids:
            return {}
        live = by_ids(project_ids, {"user_id": user_id, "deleted_at": None})
        projects = await cls.aggregate_rows([*live, {"$project": {"name": 1, "color": 1}}])
        return {project["_id"]: project for project in projects}

    @classmethod
    async def find_page(cls, user_id: ObjectId, condition: Row, *, after: str | None, limit: int) -> list[Row]:
        """Return at most `limit` of the user's projects in order of name, those that follow the name `after`."""
        following: Row = {} if after is None else {"name": {"$gt": after}}
        match = {"user_id": user_id, "deleted_at": None, **condition, **following}
        return await cls.aggregate_rows([{"$match": match}, {"$sort": {"name": 1}}, {"$limit": limit}])

    @classmethod
    async def update_if_unchanged(cls, project: Row, fields: Row, changes: DescribeChanges) -> Row | None:
        """Set these fields. Return the project, or None when it was changed or deleted since it was read.

        Raises DuplicateError when another project has the name.
        """
        values: Row = {**fields, "updated_at": naive_utc(utc_now())}
        updated = {**project, **values}
        is_updated = await cls._update_one(
            {field: project[field] for field in _UNCHANGED_FIELDS},
            with_outbox({"$set": values}, describe(updated, changes)),
        )
        return updated if is_updated else None

    @classmethod
    async def record_if_unchanged(cls, project: Row, changes: DescribeChanges) -> bool:
        """Add changes to the outbox of the project. Return False when it was changed or deleted since it was read."""
        unchanged: Row = {field: project[field] for field in _UNCHANGED_FIELDS}
        items = describe(project, changes)
        return not items or await cls._update_one(unchanged, with_outbox({}, items))

    @classmethod
    async def begin_deletion(cls, user_id: ObjectId, project_id: ObjectId, changes: DescribeChanges) -> bool:
        """Begin the deletion of a project, or find one that was interrupted. Return False when it does not exist."""
        owned: Row = {"_id": project_id, "user_id": user_id}
        now = naive_utc(utc_now())
        update = with_outbox({"$set": {"deleted_at": now, "updated_at": now}}, describe(owned, changes))
        is_begun = await cls._update_one({**owned, "deleted_at": None}, update)
        return is_begun or await cls._find_by_id(project_id, {"user_id": user_id}, {"_id": 1}) is not None

    @classmethod
    async def begin_deletion_if_unchanged(cls, project: Row) -> bool:
        """Begin the deletion of a project. Return False when it was updated since it was read.

        It records no change, because the undo of the import does.
        """
        unchanged: Row = {field: project[field] for field in ("_id", "user_id", "updated_at")}
        return await cls._update_one({**unchanged, "deleted_at": None}, {"$set": {"deleted_at": naive_utc(utc_now())}})

    @classmethod
    async def cancel_deletion(cls, project: Row) -> bool:
        """Undo begin_deletion_if_unchanged. Raises DuplicateError when the name has been taken since."""
        condition = {"_id": project["_id"], "user_id": project["user_id"], **BEING_DELETED}
        return await cls._update_one(condition, {"$set": {"deleted_at": None}})

    @classmethod
    async def end_deletion(cls, user_id: ObjectId, project_id: ObjectId) -> None:
        """Delete a project whose deletion has begun. No task may refer to it any more.

        Call it in a transaction, after moving the outbox.
        """
        await cls._delete_one({"_id": project_id, "user_id": user_id, **BEING_DELETED})

    @classmethod
    async def find_being_deleted(cls) -> list[Row]:
        """Return the id and the user of each project, of all users, whose deletion was not completed."""
        return await cls.aggregate_rows([{"$match": BEING_DELETED}, {"$project": {"user_id": 1}}])
