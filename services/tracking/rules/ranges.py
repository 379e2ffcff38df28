"""The stretch of time that a report or an export is about."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from app.clock import naive_utc
from app.errors import FieldError, ValidationError
from documents.common.base import object_id
from documents.tracking.queries.entry_filter import EntryFilter
from services.common.acting_user import ActingUser
from services.common.calendar_days import start_of_day
from services.tracking.schemas.ranges import FilterQuery, RangeQuery


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The instants in [since, until), aware, in UTC, and whose days they are."""

    since: datetime
    until: datetime
    zone: ZoneInfo


def to_instant(moment: datetime | date, zone: ZoneInfo) -> datetime:
    """The instant that was sent; of a day, its first one there."""
    return moment if isinstance(moment, datetime) else start_of_day(moment, zone)


def parse_time_range(user: ActingUser, query: RangeQuery) -> TimeRange:
    """The time that is asked for. Raises ValidationError when there is none between from and to."""
    zone = ZoneInfo(query.timezone or user.timezone)
    asked = TimeRange(to_instant(query.from_, zone), to_instant(query.to, zone), zone)
    if asked.since >= asked.until:
        raise ValidationError(errors=(FieldError("is not before to", parameter="from"),))
    return asked


def build_entry_filter(query: FilterQuery, asked: TimeRange) -> EntryFilter:
    """Which entries are asked for."""
    return EntryFilter(
        since=naive_utc(asked.since),
        until=naive_utc(asked.until),
        task_id=None if query.task_id is None else object_id(query.task_id),
        project_id=query.project_id if query.project_id in {None, "none"} else object_id(query.project_id),
        statuses=tuple(query.status),
        tags=tuple(query.tag),
        billable=query.billable,
    )
