"""The time range and the entry filter of a report or an export."""

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
    """The range [since, until), aware and in UTC, and the time zone of its calendar days."""

    since: datetime
    until: datetime
    zone: ZoneInfo


def to_instant(moment: datetime | date, zone: ZoneInfo) -> datetime:
    """Return the instant itself, or the first instant of a date in the time zone."""
    return moment if isinstance(moment, datetime) else start_of_day(moment, zone)


def parse_time_range(user: ActingUser, query: RangeQuery) -> TimeRange:
    """Return the time range of the query. Raises ValidationError when `from` is not before `to`."""
    zone = ZoneInfo(query.timezone or user.timezone)
    time_range = TimeRange(to_instant(query.from_, zone), to_instant(query.to, zone), zone)
    if time_range.since >= time_range.until:
        raise ValidationError(errors=(FieldError("must be before 'to'", parameter="from"),))
    return time_range


def build_entry_filter(query: FilterQuery, time_range: TimeRange) -> EntryFilter:
    """Return the entry filter of the query for this time range."""
    return EntryFilter(
        since=naive_utc(time_range.since),
        until=naive_utc(time_range.until),
        task_id=None if query.task_id is None else object_id(query.task_id),
        project_id=query.project_id if query.project_id in {None, "none"} else object_id(query.project_id),
        statuses=tuple(query.status),
        tags=tuple(query.tag),
        billable=query.billable,
    )
