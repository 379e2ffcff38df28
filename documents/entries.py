"""Time entries: embedded in their task, the running one beside the ended ones."""

from datetime import datetime
from typing import Annotated, Literal

from beanie import PydanticObjectId
from pydantic import BaseModel, Field

from app.clock import stored, utc_now
from documents.base import Row


class HourlyRate(BaseModel):
    """What an hour costs: `amount` in minor units of `currency` (ISO 4217)."""

    amount: Annotated[int, Field(ge=0)]
    currency: str


class TimeEntry(BaseModel):
    """A stretch of tracked time, [started_at, ended_at) in whole seconds. While it runs it has no end."""

    id: PydanticObjectId
    started_at: datetime
    ended_at: datetime | None
    duration_seconds: Annotated[int, Field(ge=0)] | None
    note: str | None
    tags: list[str]
    billable: bool
    source: Literal["timer", "manual", "import"]
    timezone: str
    needs_review: bool
    hourly_rate: HourlyRate | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def running(
        cls,
        *,
        started_at: datetime,
        note: str | None,
        tags: list[str],
        billable: bool,
        timezone: str,
    ) -> Row:
        """A timer's entry as it is stored from its start on."""
        now = stored(utc_now())
        return cls(
            id=PydanticObjectId(),
            started_at=stored(started_at),
            ended_at=None,
            duration_seconds=None,
            note=note,
            tags=tags,
            billable=billable,
            source="timer",
            timezone=timezone,
            needs_review=False,
            hourly_rate=None,
            created_at=now,
            updated_at=now,
        ).model_dump()


class EndedEntry(TimeEntry):
    """One of the entries that have ended."""

    ended_at: datetime
    duration_seconds: Annotated[int, Field(ge=0)]


class RunningEntry(TimeEntry):
    """The one that has not."""

    ended_at: None
    duration_seconds: None
