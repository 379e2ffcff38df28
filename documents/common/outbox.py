"""The outbox of a document: its changes that the relay has not copied to the feed yet.

The update that changes a document also adds the changes to its outbox, so that both are stored or neither is. The
relay copies them to the collection `changes` and then removes them (transactional outbox pattern). `outbox_since`
exists while the outbox has items; the relay finds the documents by it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import ASCENDING, IndexModel

from app.clock import EPOCH, naive_utc, utc_now
from app.request_context import current_request_id
from documents.common.base import Row, StoredDocument
from documents.common.change_types import ChangeType

HAS_OUTBOX: Row = {"outbox_since": {"$gt": EPOCH}}
"""The filter of documents whose outbox has items (portable form: decision 10)."""

BY_OUTBOX_SINCE = IndexModel([("outbox_since", ASCENDING)], name="by_outbox_since", partialFilterExpression=HAS_OUTBOX)

OUTBOX_FIELDS = frozenset({"outbox", "outbox_since"})

DescribeChanges = Callable[[Row], Sequence[Row]]
"""Returns the outbox items of an update, given the document as it is after the update."""


class OutboxItem(BaseModel):
    """A change. `data` is the changed object as the API shows it, or None if it does not exist any more."""

    id: PydanticObjectId
    type: ChangeType
    occurred_at: datetime
    task_id: PydanticObjectId | None
    entry_id: PydanticObjectId | None
    project_id: PydanticObjectId | None
    import_id: PydanticObjectId | None
    version: Annotated[int, Field(ge=1)] | None
    request_id: str | None
    data: dict[str, Any] | None


class _Recording:
    """Whether changes are recorded: the setting CHANGES_ENABLED."""

    is_enabled = True


def enable_changes(enabled: bool) -> None:
    """Record the changes of this process from now on, or do not."""
    _Recording.is_enabled = enabled


def are_changes_recorded() -> bool:
    """Return whether this process records changes."""
    return _Recording.is_enabled


def no_changes(_document: Row) -> Sequence[Row]:
    """Return no items: the update changes nothing that the feed shows."""
    return ()


def outbox_item(
    type: ChangeType,  # noqa: A002 -- the name of the field
    data: Any,
    *,
    task_id: ObjectId | None = None,
    entry_id: ObjectId | None = None,
    project_id: ObjectId | None = None,
    import_id: ObjectId | None = None,
    version: int | None = None,
) -> Row:
    """Return the outbox item of a change that the current request makes."""
    return {
        "id": ObjectId(),
        "type": type,
        "occurred_at": naive_utc(utc_now()),
        "task_id": task_id,
        "entry_id": entry_id,
        "project_id": project_id,
        "import_id": import_id,
        "version": version,
        "request_id": current_request_id(),
        "data": data,
    }


def describe(document: Row, changes: DescribeChanges) -> list[Row]:
    """Return the items for the outbox of a document as it is after an update. Empty when no changes are recorded."""
    return [*changes(document)] if _Recording.is_enabled else []


def with_outbox(update: Row, items: Sequence[Row]) -> Row:
    """Return the update with the items added to the outbox of the document."""
    if not items:
        return update
    return {
        **update,
        "$push": {**update.get("$push", {}), "outbox": {"$each": [*items]}},
        "$min": {"outbox_since": items[0]["occurred_at"]},
    }


def outbox_stage(items: Sequence[Row]) -> list[Row]:
    """Return the aggregation stages that add the items to the outbox. Empty when there are no items."""
    if not items:
        return []
    outbox = {"$concatArrays": [{"$ifNull": ["$outbox", []]}, {"$literal": [*items]}]}
    since = {"$ifNull": ["$outbox_since", {"$literal": items[0]["occurred_at"]}]}
    return [{"$set": {"outbox": outbox, "outbox_since": since}}]


class OutboxDocument(StoredDocument):
    """A document with an outbox. Both fields are absent while the outbox is empty."""

    owner_field: ClassVar[str] = "user_id"

    outbox: list[OutboxItem] | None = None
    outbox_since: datetime | None = None

    def as_row(self) -> Row:
        """Return the row to store."""
        row = super().as_row()
        return row if self.outbox else {name: value for name, value in row.items() if name not in OUTBOX_FIELDS}

    async def add_with_changes(self, changes: DescribeChanges) -> Row:
        """Insert the document with these changes in its outbox. Return the row without the outbox.

        Raises DuplicateError when it violates a unique index.
        """
        row = self.as_row()
        items = describe(row, changes)
        await self._insert({**row, "outbox": items, "outbox_since": items[0]["occurred_at"]} if items else row)
        return row

    @classmethod
    async def move_outbox(cls, user_id: ObjectId, document_id: ObjectId, to: "type[OutboxDocument]") -> None:
        """Move the items of a document that is about to be deleted to the outbox of its user.

        Call it in the transaction that deletes the document. `to` is the class of users.
        """
        row = await cls._find_by_id(document_id, {"user_id": user_id, **HAS_OUTBOX}, {"outbox": 1})
        if row is not None:
            await to._update_one({"_id": user_id}, with_outbox({}, row["outbox"]))  # noqa: SLF001 -- the same base class
