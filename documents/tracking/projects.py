"""Projects: what tasks belong to, and what an hour of their billable time costs."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.clock import naive_utc, utc_now
from documents.common.base import Row, StoredDocument
from documents.common.transactions import current_session
from documents.tracking.entries import HourlyRate

BEING_DELETED: Row = {"deleted_at": {"$type": "date"}}
"""What tells a project that is gone for everybody but for its tasks, which have yet to leave it."""


class Project(StoredDocument):
    """A project. Its deletion takes several steps: from the first on, which sets `deleted_at`, it is not found.

    One that an import has made has `import_id`, and `import_name`: what the file called it, whatever its name is now.
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

        The first keeps names unique, and lists by them; the name of a project that is being deleted is free.
        """

        name = "projects"
        indexes: ClassVar = [
            IndexModel(
                [("user_id", ASCENDING), ("deleted_at", ASCENDING), ("name", ASCENDING)],
                name="one_project_per_name",
                unique=True,
            ),
            IndexModel([("deleted_at", ASCENDING)], name="being_deleted", partialFilterExpression=BEING_DELETED),
        ]

    @classmethod
    def new(cls, user_id: ObjectId, project_id: ObjectId, fields: dict[str, Any]) -> Self:
        """A project that has just been made, not stored yet; `fields` are its name to its hourly rate."""
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
        """The project as it is stored: what tells of an import is there only in what one has made."""
        row = super().as_row()
        absent = {name for name in ("import_id", "import_name") if row[name] is None}
        return {name: value for name, value in row.items() if name not in absent}

    @classmethod
    async def find_live(cls, user_id: ObjectId, project_id: ObjectId) -> Row | None:
        """The user's project, archived or not, unless it is being deleted."""
        return await cls._find_one({"_id": project_id, "user_id": user_id, "deleted_at": None})

    @classmethod
    async def confirm_live(cls, user_id: ObjectId, project_id: ObjectId) -> bool:
        """Whether the project is there now that a task was put into it: a deletion that begins later finds the task.

        A transaction does not see what has begun beside it. So it changes the project as well: the
        database lets that and the beginning of a deletion happen one after the other.
        """
        if current_session() is None:
            return await cls.find_live(user_id, project_id) is not None
        mine = {"_id": project_id, "user_id": user_id, "deleted_at": None}
        return await cls._update_one(mine, {"$inc": {"tasks_version": 1}})

    @classmethod
    async def find_page(cls, user_id: ObjectId, narrow: Row, *, after: str | None, limit: int) -> list[Row]:
        """At most `limit` of the user's projects by name, which are unique: those after this one."""
        beyond: Row = {} if after is None else {"name": {"$gt": after}}
        mine = {"user_id": user_id, "deleted_at": None, **narrow, **beyond}
        return await cls.aggregate_rows([{"$match": mine}, {"$sort": {"name": 1}}, {"$limit": limit}])

    @classmethod
    async def update_fields(cls, user_id: ObjectId, project_id: ObjectId, fields: Row, *, provided: Row) -> Row | None:
        """Sets these fields and no other; None when there is no such project, or `provided` is not so any more.

        Dotted names reach into the hourly rate. Raises DuplicateError when another project has the name.
        """
        return await cls._update_and_read(
            {"_id": project_id, "user_id": user_id, "deleted_at": None, **provided},
            {"$set": {**fields, "updated_at": naive_utc(utc_now())}},
        )

    @classmethod
    async def begin_deletion(cls, user_id: ObjectId, project_id: ObjectId) -> bool:
        """Whether the project is there and is being deleted: from now on, or since a deletion that was interrupted."""
        now = naive_utc(utc_now())
        mine: Row = {"_id": project_id, "user_id": user_id}
        begun = await cls._update_one({**mine, "deleted_at": None}, {"$set": {"deleted_at": now, "updated_at": now}})
        return begun or await cls._find_one(mine, {"_id": 1}) is not None

    @classmethod
    async def begin_deletion_if_unchanged(cls, project: Row) -> bool:
        """Whether a project is being deleted from now on, which has not been changed since it was read."""
        as_read: Row = {field: project[field] for field in ("_id", "user_id", "updated_at")}
        return await cls._update_one({**as_read, "deleted_at": None}, {"$set": {"deleted_at": naive_utc(utc_now())}})

    @classmethod
    async def cancel_deletion(cls, project: Row) -> bool:
        """Whether a project is there again whose taking back has begun. Raises DuplicateError: its name is taken."""
        mine = {"_id": project["_id"], "user_id": project["user_id"], **BEING_DELETED}
        return await cls._update_one(mine, {"$set": {"deleted_at": None}})

    @classmethod
    async def end_deletion(cls, user_id: ObjectId, project_id: ObjectId) -> None:
        """Removes a project that is being deleted, once no task is in it."""
        await cls._delete_one({"_id": project_id, "user_id": user_id, **BEING_DELETED})

    @classmethod
    async def find_being_deleted(cls) -> list[Row]:
        """The id and the user of every project whose deletion has begun and not ended, whosever it is."""
        return await cls.aggregate_rows([{"$match": BEING_DELETED}, {"$project": {"user_id": 1}}])
