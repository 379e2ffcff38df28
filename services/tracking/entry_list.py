"""Pages of time entries. A cursor stays valid while entries are added."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import FieldError, ValidationError
from documents.common.base import Row, object_id
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.queries.timeline import EntryOrder, find_entries
from services.common.acting_user import ActingUser
from services.common.cursors import InvalidCursorError, Position, cursor_scope, decode_cursor, page_of
from services.common.values.fields import PageQuery
from services.tracking.rules.instants import MAX_FUTURE
from services.tracking.rules.ranges import to_instant
from services.tracking.schemas.entries import (
    EntryPage,
    EntryQuery,
    EntryWithTaskPage,
    read_entry,
    read_entry_with_task,
)

_MIN_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
"""No entry starts earlier: requests accept the years 1970 to 9998."""


async def list_entries(user: ActingUser, query: EntryQuery) -> EntryWithTaskPage:
    """Return a page of the entries of all live tasks. Raises ValidationError or InvalidCursorError."""
    now = utc_now()
    since, until = _parse_range(user, query, now)
    entry_filter = EntryFilter(
        since=naive_utc(since),
        until=naive_utc(until),
        task_id=object_id(query.task_id) if query.task_id else None,
        project_id=query.project_id if query.project_id in {None, "none"} else object_id(query.project_id),
        tags=tuple(query.tag),
        text=query.q,
        needs_review=query.needs_review,
    )
    order = EntryOrder(descending=query.sort == "-started_at")
    scope = cursor_scope("time entries", user.id, query)
    rows, next_cursor = await _read_page(user, entry_filter, order, query, scope=scope, now=now)
    return {"items": [read_entry_with_task(row) for row in rows], "next_cursor": next_cursor}


async def list_task_entries(user: ActingUser, task_id: ObjectId, query: PageQuery) -> EntryPage:
    """Return a page of the entries of one live task, newest first. Raises InvalidCursorError."""
    scope = cursor_scope(f"time entries of {task_id}", user.id, query)
    entry_filter = EntryFilter(task_id=task_id)
    rows, next_cursor = await _read_page(user, entry_filter, EntryOrder(), query, scope=scope, now=utc_now())
    return {"items": [read_entry(str(task_id), row["entry"]) for row in rows], "next_cursor": next_cursor}


async def _read_page(
    user: ActingUser,
    entry_filter: EntryFilter,
    order: EntryOrder,
    query: EntryQuery | PageQuery,
    *,
    scope: bytes,
    now: datetime,
) -> tuple[list[Row], str | None]:
    """Return the rows of a page, and the cursor of the next one."""
    if query.cursor is not None:
        after = decode_cursor(query.cursor, scope=scope)
        if not isinstance(after.value, datetime):
            raise InvalidCursorError
        order = replace(order, after=(after.value, after.id))
    rows = await find_entries(user.id, entry_filter, order, limit=query.limit + 1, now=naive_utc(now))
    return page_of(rows, limit=query.limit, position=_position, scope=scope)


def _parse_range(user: ActingUser, query: EntryQuery, now: datetime) -> tuple[datetime, datetime]:
    """Return the range [since, until) of the query, with the defaults of the bounds that are missing."""
    zone = ZoneInfo(query.timezone or user.timezone)
    until = now + MAX_FUTURE if query.to is None else to_instant(query.to, zone)
    since = _MIN_INSTANT if query.from_ is None else to_instant(query.from_, zone)
    if since >= until:
        default = "" if query.to else ", which defaults to 24 hours from now"
        raise ValidationError(errors=(FieldError(f"must be before 'to'{default}", parameter="from"),))
    return since, until


def _position(row: Row) -> Position:
    return Position(row["entry"]["started_at"], row["entry"]["id"])
