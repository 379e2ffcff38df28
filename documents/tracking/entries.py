"""Time entries: embedded in their task, the running one beside the ended ones."""

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
    """What an hour costs: `amount` in minor units of `currency` (ISO 4217)."""

    amount: Annotated[int, Field(ge=0)]
    currency: str


class TimeEntry(BaseModel):
    """A stretch of tracked time, [started_at, ended_at) in whole seconds. While it runs it has no end.

    Only an imported one has `import_id`, the import that made it, and `import_key`, by which its
    row is known again.
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
        """A timer's entry as it is stored from its start on; `fields` are its note to its timezone."""
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
        """An entry as it is stored that was not timed; `fields` are its source and its note to its import_key."""
        return cls._new(
            entry_id,
            **fields,
            started_at=naive_utc(started_at),
            ended_at=naive_utc(ended_at),
            duration_seconds=duration_seconds,
        )

    @classmethod
    def _new(cls, entry_id: ObjectId, **fields: Any) -> Row:
        now = naive_utc(utc_now())
        made = cls(
            id=PydanticObjectId(entry_id),
            created_at=now,
            updated_at=now,
            **{"needs_review": False, **fields},
        )
        return without_absent(made.model_dump())


def without_absent(entry: Row) -> Row:
    """The entry as it is stored: what only an imported one has is absent from others, never null."""
    absent = {name for name in ("import_id", "import_key") if entry[name] is None}
    return {name: value for name, value in entry.items() if name not in absent}


class EndedEntry(TimeEntry):
    """One of the entries that have ended."""

    ended_at: datetime
    duration_seconds: Annotated[int, Field(ge=0)]


class RunningEntry(TimeEntry):
    """The one that has not."""

    ended_at: None
    duration_seconds: None
