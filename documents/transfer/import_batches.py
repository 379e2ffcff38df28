"""Imports: which file was read in, what became of it, and who is at it just now."""

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
from documents.common.base import DuplicateError, Row, StoredDocument

LEASE = timedelta(seconds=10)
"""How long whoever is at an import may be silent before another takes it over."""

MAX_FINDINGS = 1_000
MAX_COLUMNS = 1_000
MAX_COLUMN_LENGTH = 200

ImportFormat = TypeAliasType(
    "ImportFormat", Literal["toggl", "clockify", "harvest", "timewarrior", "solidtime", "csv", "account"]
)
ImportState = Literal["waiting", "under_way", "interrupted", "done", "failed", "being_undone", "undone"]

_ABSENT_WITHOUT = ("holder", "left_out", "row_count", "rows_done", "background", "failure", "ignored_columns")

_ENDS = ("done", "failed", "undone")

HELD: Row = {"holder": {"$type": "string"}}
"""What tells an import that somebody is at."""

Count = Annotated[int, Field(ge=0)]


BACKGROUND: Row = {"background": {"$type": "object"}}
"""What tells an import that is to be read in, and that nobody waits for."""

IN_BACKGROUND = "in_background"


class Finding(BaseModel):
    """What there is to say of a row of the file; row 0 stands for all of it."""

    row: int
    column: str | None
    message: str


class LeftOutRow(BaseModel):
    """A row that has made no entry, and why not."""

    row: int
    reason: str


class Made(BaseModel):
    """How many things an import has made."""

    projects: Count = 0
    tasks: Count = 0
    entries: Count = 0


class Background(BaseModel):
    """What is needed to read a file in that nobody waits for: what was asked with it, and what came of it so far."""

    asked: dict[str, Any]
    policy: OverlapPolicy
    tries: Count = 0


class ImportBatch(StoredDocument):
    """One file that was read in. `created` is changed in the transaction that makes what it counts.

    `holder` is there while somebody is at it: reading it in, or taking it back. It is a secret of
    theirs, and every transaction of theirs has it in a filter: who has lost the import to another
    writes nothing more.

    `background` is there as long as the file is to be read in and nobody waits for it; the file is in import_files.
    """

    user_id: PydanticObjectId
    format: ImportFormat
    digest: str
    state: ImportState
    holder: str | None = None
    taken_at: datetime
    created: Made
    duplicates: Count
    skipped: Count
    errors: Annotated[list[Finding], Field(max_length=MAX_FINDINGS)]
    error_count: Count
    notices: Annotated[list[Finding], Field(max_length=MAX_FINDINGS)]
    created_at: datetime
    finished_at: datetime | None
    left_out: Annotated[list[LeftOutRow], Field(max_length=MAX_FINDINGS)] | None = None
    """The first of the rows that `duplicates` counts, from the end of the import on."""
    row_count: Count | None = None
    rows_done: Count | None = None
    background: Background | None = None
    failure: str | None = None
    """Why it has failed."""
    ignored_columns: (
        Annotated[list[Annotated[str, Field(max_length=MAX_COLUMN_LENGTH)]], Field(max_length=MAX_COLUMNS)] | None
    ) = None
    """The headers of the columns that were passed over, as soon as they are known."""

    class Settings:
        """The collection and its indexes: one import a user at a time, the list, and the same file again."""

        name = "import_batches"
        indexes: ClassVar = [
            IndexModel(
                [("user_id", ASCENDING)],
                name="one_import_at_a_time",
                unique=True,
                partialFilterExpression=HELD,
            ),
            IndexModel([("user_id", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)], name="by_created_at"),
            IndexModel([("user_id", ASCENDING), ("digest", ASCENDING)], name="by_digest"),
            IndexModel(
                [("user_id", ASCENDING), ("_id", ASCENDING)],
                name=IN_BACKGROUND,
                partialFilterExpression=BACKGROUND,
            ),
        ]

    @classmethod
    def new(cls, user_id: ObjectId, *, format: ImportFormat, digest: str) -> Self:  # noqa: A002 -- as a file calls it
        """The import of a file that begins now, in the hands of the caller, not stored yet."""
        now = naive_utc(utc_now())
        return cls(
            id=ObjectId(),
            user_id=user_id,
            format=format,
            digest=digest,
            state="under_way",
            holder=secrets.token_hex(16),
            taken_at=now,
            created=Made(),
            duplicates=0,
            skipped=0,
            errors=[],
            error_count=0,
            notices=[],
            created_at=now,
            finished_at=None,
        )

    @classmethod
    def waiting(
        cls,
        user_id: ObjectId,
        *,
        format: ImportFormat,  # noqa: A002 -- as a file calls it
        digest: str,
        rows: int,
        background: Background,
    ) -> Self:
        """The import of a file that is read in when its turn comes, in nobody's hands, not stored yet."""
        new = cls.new(user_id, format=format, digest=digest)
        new.holder, new.state, new.background = None, "waiting", background
        new.row_count, new.rows_done = rows, 0
        return new

    def as_row(self) -> Row:
        """The import as it is stored: what is not known of it yet, or is not so, is absent."""
        row = super().as_row()
        absent = {name for name in _ABSENT_WITHOUT if row[name] is None}
        return {name: value for name, value in row.items() if name not in absent}

    @classmethod
    async def find(cls, user_id: ObjectId, import_id: ObjectId) -> Row | None:  # type: ignore[override]
        """The user's import."""
        return await cls._find_one({"_id": import_id, "user_id": user_id})

    @classmethod
    async def find_held(cls, user_id: ObjectId) -> Row | None:
        """The import that somebody is at, or was when last heard of."""
        return await cls._find_one({"user_id": user_id, **HELD}, hint="one_import_at_a_time")

    @classmethod
    async def find_unfinished(cls, user_id: ObjectId, digest: str) -> Row | None:
        """The import of this very file that was interrupted."""
        return await cls._find_one({"user_id": user_id, "digest": digest, "state": "interrupted"})

    @classmethod
    async def all_in_background(cls) -> list[Row]:
        """Every import that is to be read in and that nobody waits for, whosever it is, the first made first."""
        fields = dict.fromkeys(("user_id", "state", "taken_at", "holder"), 1)
        found = await cls.aggregate_rows([{"$match": BACKGROUND}, {"$project": fields}], hint=IN_BACKGROUND)
        return sorted(found, key=lambda batch: batch["_id"])

    @classmethod
    async def next_in_background(cls, user_id: ObjectId) -> Row | None:
        """The first made of those of the user."""
        return await cls._find_one({"user_id": user_id, **BACKGROUND}, hint=IN_BACKGROUND, sort=[("_id", ASCENDING)])

    @classmethod
    async def page(
        cls, user_id: ObjectId, *, after: tuple[datetime, ObjectId] | None, limit: int, findings: int
    ) -> list[Row]:
        """At most `limit` of the user's imports, the newest first, each with as many errors and notices at most."""
        beyond: list[Row] = []
        if after is not None:
            created_at, last_id = after
            same_instant = {"created_at": created_at, "_id": {"$lt": last_id}}
            beyond = [{"$match": {"$or": [{"created_at": {"$lt": created_at}}, same_instant]}}]
        lists: Row = {"errors": "$errors", "notices": "$notices", "left_out": {"$ifNull": ["$left_out", []]}}
        lists["ignored_columns"] = {"$ifNull": ["$ignored_columns", []]}
        shown = {name: {"$slice": [found, findings]} for name, found in lists.items()}
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
    def is_held(cls, batch: Row) -> bool:
        """Whether somebody is at it, as far as can be told."""
        return "holder" in batch and batch["taken_at"] > naive_utc(utc_now() - LEASE)

    @classmethod
    def is_running(cls, batch: Row) -> bool:
        """Whether its file is being read in, or will be without anybody sending it again."""
        return "background" in batch or (batch["state"] == "under_way" and cls.is_held(batch))

    @classmethod
    async def take(cls, batch: Row, state: ImportState) -> Row | None:
        """The import in the hands of the caller; None when another was faster, or is at another one of the user."""
        now, holder = naive_utc(utc_now()), secrets.token_hex(16)
        update: Row = {"$set": {"holder": holder, "taken_at": now, "state": state, "finished_at": None}}
        if "background" in batch:
            update["$inc"] = {"background.tries": 1}
        try:
            return await cls._update_and_read(_as_read(batch), update)
        except DuplicateError:
            return None

    @classmethod
    async def interrupt(cls, batch: Row) -> bool:
        """Whether the import, of whose holder nothing has been heard for long, is nobody's now."""
        state: ImportState = "interrupted" if batch["state"] == "under_way" else batch["state"]
        return await cls._update_one(_as_read(batch), {"$set": {"state": state}, "$unset": {"holder": ""}})

    @classmethod
    async def keep_hold(cls, batch: Row) -> bool:
        """Says that somebody is at it still; False when another has taken it over."""
        return await cls._update_one(_hold_on(batch), {"$set": {"taken_at": naive_utc(utc_now())}})

    @classmethod
    async def note(cls, batch: Row, fields: Row) -> bool:
        """Sets what is known of the file; False when another has taken the import over."""
        return await cls._update_one(_hold_on(batch), {"$set": {**fields, "taken_at": naive_utc(utc_now())}})

    @classmethod
    async def add_made(cls, batch: Row, made: dict[str, int], errors: list[Row], *, room: int, rows: int = 0) -> bool:
        """Counts what the transaction has made that this is part of, and how many rows of the file are done with it.

        False when another has taken the import over. The first `room` of the errors are kept, all are counted.
        """
        update: Row = {
            "$set": {"taken_at": naive_utc(utc_now())},
            "$inc": {
                **{f"created.{name}": number for name, number in made.items()},
                "error_count": len(errors),
                "rows_done": rows,
            },
        }
        if errors[:room]:
            update["$push"] = {"errors": {"$each": errors[:room]}}
        return await cls._update_one(_hold_on(batch), update)

    @classmethod
    async def let_go(cls, batch: Row, state: ImportState, **fields: Any) -> Row | None:
        """The import as it stands in the end, with these fields, nobody's any more; None when another has it."""
        ended: Row = {"state": state, "finished_at": naive_utc(utc_now()) if state in _ENDS else None}
        gone = {"holder": ""} if state == "interrupted" else {"holder": "", "background": ""}
        return await cls._update_and_read(_hold_on(batch), {"$set": {**ended, **fields}, "$unset": gone})


def _hold_on(batch: Row) -> Row:
    return {field: batch[field] for field in ("_id", "user_id", "holder")}


def _as_read(batch: Row) -> Row:
    """What tells the import as it was read from what has happened to it since."""
    held: Any = batch.get("holder", {"$exists": False})
    return {**{field: batch[field] for field in ("_id", "user_id", "state", "taken_at")}, "holder": held}
