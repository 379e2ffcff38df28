"""Time entries, which are embedded in their task: the ended ones in an array, the running one in its own field."""

from datetime import datetime
from typing import Annotated, Any, Literal

from beanie import PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from app.clock import naive_utc, utc_now
from documents.common.base import Row

EntrySource = TypeAliasType("EntrySource", Literal["timer", "manual", "import"])


class HourlyRate(BaseModel):
    """The price of an hour: `amount` in minor units of `currency` (ISO 4217)."""

    amount: Annotated[int, Field(ge=0)]
    currency: str


class TimeEntry(BaseModel):
    """A range of tracked time, [started_at, ended_at) in whole seconds. A running entry has no end.

    Only an imported entry has `import_id`, the import that created it, and `import_key`, by which a
    later import recognizes its row.
    """

    id: PydanticObjectId
    started_at: datetime
    ended_at: datetime | None
    duration_seconds: Annotated[int, Field(ge=0)] | None
    note: str | None
    tags: list[str]
    billable: bool
    source: EntrySource
    timezone: str
    needs_review: bool
    hourly_rate: HourlyRate | None
    created_at: datetime
    updated_at: datetime
    import_id: PydanticObjectId | None = None
    import_key: str | None = None

    @classmethod
    def running(cls, entry_id: ObjectId, *, started_at: datetime, **fields: Any) -> Row:
        """Build the row of a running entry. `fields` are the model's fields from `note` to `timezone`."""
        return cls._new(
            entry_id,
            **fields,
            started_at=naive_utc(started_at),
            ended_at=None,
            duration_seconds=None,
            source="timer",
            hourly_rate=None,
        )

    @classmethod
    def ended(
        cls, entry_id: ObjectId, *, started_at: datetime, ended_at: datetime, duration_seconds: int, **fields: Any
    ) -> Row:
        """Build the row of an entry that no timer tracked. `fields` are the model's other fields."""
        return cls._new(
            entry_id,
            **fields,
            started_at=naive_utc(started_at),
            ended_at=naive_utc(ended_at),
            duration_seconds=duration_seconds,
        )

    @classmethod
    def _new(cls, entry_id: ObjectId, **fields: Any) -> Row:
        """Build the row from its fields. It is not validated here: the collection has a validator."""
        now = naive_utc(utc_now())
        entry = {"id": entry_id, "needs_review": False, "created_at": now, "updated_at": now, **fields}
        return {name: entry[name] for name in _ENTRY_FIELDS if name in entry}


_ENTRY_FIELDS = tuple(TimeEntry.model_fields)


def entry_order(entry: Row) -> tuple[datetime, ObjectId]:
    """Return the sort key of an entry: its start, then its id. For queries it is ENTRY_SORT."""
    return entry["started_at"], entry["id"]


def without_absent(entry: Row) -> Row:
    """Return the entry as it is stored: an entry that was not imported has no import fields, not null ones."""
    absent = {name for name in ("import_id", "import_key") if entry[name] is None}
    return {name: value for name, value in entry.items() if name not in absent}


class EndedEntry(TimeEntry):
    """An ended entry."""

    ended_at: datetime
    duration_seconds: Annotated[int, Field(ge=0)]


class RunningEntry(TimeEntry):
    """The running entry."""

    ended_at: None
    duration_seconds: None
