"""Imports: the file, its result, and the lease of the process that works on it."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel
from typing_extensions import TypeAliasType

from app.clock import naive_utc, utc_now
from documents.accounts.users import OverlapPolicy
from documents.common.base import DuplicateError, Row
from documents.common.outbox import BY_OUTBOX_SINCE, DescribeChanges, OutboxDocument, describe, no_changes, with_outbox

LEASE_DURATION = timedelta(seconds=10)
"""Another process may take over an import whose lease has not been renewed for this long."""

MAX_FINDINGS = 1_000
MAX_COLUMNS = 1_000
MAX_COLUMN_LENGTH = 200

ImportFormat = TypeAliasType(
    "ImportFormat", Literal["toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"]
)
ImportState = Literal["waiting", "under_way", "interrupted", "done", "failed", "being_undone", "undone"]

_OPTIONAL_FIELDS = ("holder", "left_out", "row_count", "rows_done", "background", "failure", "ignored_columns")

_FINAL_STATES = ("done", "failed", "undone")

LEASED: Row = {"holder": {"$type": "string"}}
"""The filter for imports with a lease, which may have expired."""

BACKGROUND: Row = {"background": {"$type": "object"}}
"""The filter for background imports that are waiting or in progress."""

BACKGROUND_INDEX = "in_background"

Count = Annotated[int, Field(ge=0)]


class Finding(BaseModel):
    """An error or a notice about a row of the file; row 0 is the whole file."""

    row: int
    column: str | None
    message: str


class LeftOutRow(BaseModel):
    """A row that was not imported because its entry exists, and the reason."""

    row: int
    reason: str


class CreatedCounts(BaseModel):
    """The numbers of projects, tasks and entries that an import created."""

    projects: Count = 0
    tasks: Count = 0
    entries: Count = 0


class Background(BaseModel):
    """What a background import needs to start: the form and the overlap policy of the request.

    `tries` counts how often a process has started it.
    """

    asked: dict[str, Any]
    policy: OverlapPolicy
    tries: Count = 0


class ImportBatch(OutboxDocument):
    """One imported file.

    `created` is updated in the same transaction that creates what it counts.

    `holder` is the lease: a random token, present while a process imports the file or undoes the import.
    Each write of that process has the token in its filter, so a process that has lost the lease writes nothing.

    `background` is present until a background import has ended. Its file is in import_files.
    """

    user_id: PydanticObjectId
    format: ImportFormat
    digest: str
    state: ImportState
    holder: str | None = None
    taken_at: datetime
    created: CreatedCounts
    duplicates: Count
    skipped: Count
    errors: Annotated[list[Finding], Field(max_length=MAX_FINDINGS)]
    error_count: Count
    notices: Annotated[list[Finding], Field(max_length=MAX_FINDINGS)]
    created_at: datetime
    finished_at: datetime | None
    left_out: Annotated[list[LeftOutRow], Field(max_length=MAX_FINDINGS)] | None = None
    """The first of the rows that `duplicates` counts. Set when the import ends."""
    row_count: Count | None = None
    rows_done: Count | None = None
    background: Background | None = None
    failure: str | None = None
    """Why the import failed."""
    ignored_columns: (
        Annotated[list[Annotated[str, Field(max_length=MAX_COLUMN_LENGTH)]], Field(max_length=MAX_COLUMNS)] | None
    ) = None
    """The headers of the columns that were not used."""

    class Settings:
        """The collection and its indexes: one lease per user, the list, the same file, background, outbox."""

        name = "import_batches"
        indexes: ClassVar = [
            IndexModel(
                [("user_id", ASCENDING)],
                name="one_import_at_a_time",
                unique=True,
                partialFilterExpression=LEASED,
            ),
            IndexModel([("user_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="by_created_at"),
            IndexModel([("user_id", ASCENDING), ("digest", ASCENDING)], name="by_digest"),
            IndexModel(
                [("user_id", ASCENDING), ("_id", ASCENDING)],
                name=BACKGROUND_INDEX,
                partialFilterExpression=BACKGROUND,
            ),
            BY_OUTBOX_SINCE,
        ]

    @classmethod
    def new(cls, user_id: ObjectId, *, format: ImportFormat, digest: str) -> Self:  # noqa: A002 -- the name of the field
        """Return a new import with a lease. It is not stored yet."""
        now = naive_utc(utc_now())
        return cls(
            id=ObjectId(),
            user_id=user_id,
            format=format,
            digest=digest,
            state="under_way",
            holder=secrets.token_hex(16),
            taken_at=now,
            created=CreatedCounts(),
            duplicates=0,
            skipped=0,
            errors=[],
            error_count=0,
            notices=[],
            created_at=now,
            finished_at=None,
        )

    @classmethod
    def new_background(
        cls,
        user_id: ObjectId,
        *,
        format: ImportFormat,  # noqa: A002 -- the name of the field
        digest: str,
        rows: int,
        background: Background,
    ) -> Self:
        """Return a new background import, without a lease. It is not stored yet."""
        new = cls.new(user_id, format=format, digest=digest)
        new.holder, new.state, new.background = None, "waiting", background
        new.row_count, new.rows_done = rows, 0
        return new

    def as_row(self) -> Row:
        """Return the import as it is stored: optional fields that are None are absent."""
        row = super().as_row()
        absent = {name for name in _OPTIONAL_FIELDS if row[name] is None}
        return {name: value for name, value in row.items() if name not in absent}

    @classmethod
    async def find(cls, user_id: ObjectId, import_id: ObjectId) -> Row | None:  # type: ignore[override]
        """Return the user's import, or None."""
        return await cls._find_by_id(import_id, {"user_id": user_id})

    @classmethod
    async def find_leased(cls, user_id: ObjectId) -> Row | None:
        """Return the import of the user that has a lease, which may have expired."""
        return await cls._find_one({"user_id": user_id, **LEASED}, hint="one_import_at_a_time")

    @classmethod
    async def find_all_leased(cls) -> list[Row]:
        """Return the imports of all users that have a lease, which may have expired."""
        return await cls.aggregate_rows([{"$match": LEASED}], hint="one_import_at_a_time")

    @classmethod
    async def find_unfinished(cls, user_id: ObjectId, digest: str) -> Row | None:
        """Return an interrupted import of the same file with the same options."""
        return await cls._find_one({"user_id": user_id, "digest": digest, "state": "interrupted"})

    @classmethod
    async def find_all_background(cls) -> list[Row]:
        """Return the background imports of all users that have not ended, oldest first."""
        fields = dict.fromkeys(("user_id", "state", "taken_at", "holder"), 1)
        rows = await cls.aggregate_rows([{"$match": BACKGROUND}, {"$project": fields}], hint=BACKGROUND_INDEX)
        return sorted(rows, key=lambda batch: batch["_id"])

    @classmethod
    async def find_next_background(cls, user_id: ObjectId) -> Row | None:
        """Return the oldest background import of the user that has not ended."""
        return await cls._find_one({"user_id": user_id, **BACKGROUND}, hint=BACKGROUND_INDEX, sort=[("_id", ASCENDING)])

    @classmethod
    async def has_written_since(cls, user_id: ObjectId, instant: datetime) -> bool:
        """Return whether an import, or the undo of one, may have written since then: each part renews the lease."""
        stages: list[Row] = [{"$match": {"user_id": user_id, "taken_at": {"$gte": instant}}}, {"$project": {"_id": 1}}]
        return bool(await cls.aggregate_rows(stages))

    @classmethod
    async def find_page(
        cls, user_id: ObjectId, *, after: tuple[datetime, ObjectId] | None, limit: int, max_messages: int
    ) -> list[Row]:
        """Return at most `limit` imports of the user, newest first, each list in them cut to `max_messages` items."""
        beyond: list[Row] = []
        if after is not None:
            created_at, last_id = after
            same_time = {"created_at": created_at, "_id": {"$lt": last_id}}
            beyond = [{"$match": {"$or": [{"created_at": {"$lt": created_at}}, same_time]}}]
        lists: Row = {"errors": "$errors", "notices": "$notices", "left_out": {"$ifNull": ["$left_out", []]}}
        lists["ignored_columns"] = {"$ifNull": ["$ignored_columns", []]}
        shown = {name: {"$slice": [expression, max_messages]} for name, expression in lists.items()}
        return await cls.aggregate_rows(
            [
                {"$match": {"user_id": user_id}},
                *beyond,
                {"$sort": {"created_at": -1, "_id": -1}},
                {"$limit": limit},
                {"$addFields": shown},
            ]
        )

    @classmethod
    def is_leased(cls, batch: Row) -> bool:
        """Return whether the import has a lease that has not expired."""
        return "holder" in batch and batch["taken_at"] > naive_utc(utc_now() - LEASE_DURATION)

    @classmethod
    def is_running(cls, batch: Row) -> bool:
        """Return whether the file is being imported, or will be without another upload."""
        return "background" in batch or (batch["state"] == "under_way" and cls.is_leased(batch))

    @classmethod
    async def acquire_lease(cls, batch: Row, state: ImportState) -> Row | None:
        """Give the caller the lease, unless the import has changed since it was read.

        Returns None if it has changed, or if another import of the user has the lease.
        """
        now, holder = naive_utc(utc_now()), secrets.token_hex(16)
        update: Row = {"$set": {"holder": holder, "taken_at": now, "state": state, "finished_at": None}}
        if "background" in batch:
            update["$inc"] = {"background.tries": 1}
        try:
            return await cls._update_and_read(_unchanged_filter(batch), update)
        except DuplicateError:
            return None

    @classmethod
    async def remove_expired_lease(cls, batch: Row, changes: DescribeChanges) -> bool:
        """Remove a lease that has expired. An import that was in progress is interrupted then."""
        state: ImportState = "interrupted" if batch["state"] == "under_way" else batch["state"]
        update: Row = {"$set": {"state": state}, "$unset": {"holder": ""}}
        updated = {name: value for name, value in {**batch, "state": state}.items() if name != "holder"}
        return await cls._update_one(_unchanged_filter(batch), with_outbox(update, describe(updated, changes)))

    @classmethod
    async def renew_lease(cls, batch: Row) -> bool:
        """Renew the lease. Return False if it is lost."""
        return await cls._update_one(_lease_filter(batch), {"$set": {"taken_at": naive_utc(utc_now())}})

    @classmethod
    async def set_fields(cls, batch: Row, fields: Row) -> bool:
        """Set these fields and renew the lease. Return False if the lease is lost."""
        return await cls._update_one(_lease_filter(batch), {"$set": {**fields, "taken_at": naive_utc(utc_now())}})

    @classmethod
    async def add_created(
        cls, batch: Row, created: dict[str, int], errors: list[Row], *, max_errors: int, rows: int = 0
    ) -> bool:
        """Add to the counters, and renew the lease. Return False if the lease is lost.

        Called in the transaction that creates what is counted. All errors are counted, and the first `max_errors`
        are stored. `rows` is the number of rows that are done.
        """
        update: Row = {
            "$set": {"taken_at": naive_utc(utc_now())},
            "$inc": {
                **{f"created.{name}": number for name, number in created.items()},
                "error_count": len(errors),
                "rows_done": rows,
            },
        }
        if errors[:max_errors]:
            update["$push"] = {"errors": {"$each": errors[:max_errors]}}
        return await cls._update_one(_lease_filter(batch), update)

    @classmethod
    async def release_lease(
        cls, batch: Row, state: ImportState, changes: DescribeChanges = no_changes, **fields: Any
    ) -> Row | None:
        """Set the final state and fields, and release the lease. Return the import, or None if the lease is lost."""
        batch_fields: Row = {"state": state, "finished_at": naive_utc(utc_now()) if state in _FINAL_STATES else None}
        removed = {"holder": ""} if state == "interrupted" else {"holder": "", "background": ""}
        update: Row = {"$set": {**batch_fields, **fields}, "$unset": removed}
        stored = await cls._find_by_id(batch["_id"], {"user_id": batch["user_id"]})
        if stored is None:
            return None
        updated = {name: value for name, value in {**stored, **update["$set"]}.items() if name not in removed}
        is_updated = await cls._update_one(_lease_filter(batch), with_outbox(update, describe(updated, changes)))
        return updated if is_updated else None


def _lease_filter(batch: Row) -> Row:
    return {field: batch[field] for field in ("_id", "user_id", "holder")}


def _unchanged_filter(batch: Row) -> Row:
    """Match the import only if its state and its lease are as they were read."""
    holder: Any = batch.get("holder", {"$exists": False})
    return {**{field: batch[field] for field in ("_id", "user_id", "state", "taken_at")}, "holder": holder}
