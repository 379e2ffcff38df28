"""Calendar feeds: create, list and revoke them, and write their calendars."""

import asyncio
import hashlib
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.clock import naive_utc, truncate_to_seconds, utc_now
from app.errors import ConflictError, NotFoundError
from app.security.bearer_secrets import sha256_of, to_path_secret
from documents.common.base import Row, require_object_id
from documents.sharing.calendar_feeds import CalendarFeed
from documents.sharing.task_versions import find_task_versions
from documents.tracking.queries.entry_filter import EntryFilter
from documents.tracking.queries.timeline import find_running_entry
from documents.transfer.entry_stream import stream_entries
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser
from services.common.calendar_days import start_of_day
from services.common.idempotency import Attempt, RequestKey, run_once_with_secret
from services.common.maximums import add_up_to
from services.common.pagination import newest_first_page
from services.common.values.fields import PageQuery
from services.common.values.versions import Versioned
from services.sharing.calendar_cache import CalendarCache
from services.sharing.schemas.calendar_feeds import (
    CalendarFeedCreate,
    CalendarFeedCreated,
    CalendarFeedPage,
    CalendarFeedRead,
    read_calendar_feed,
)
from services.sharing.secrets import find_public
from services.tracking.projects import require_referenced_project
from services.transfer.export_formats.context import Chunks, ExportContext
from services.transfer.export_formats.ics_file import write_ics
from services.transfer.exports import MEDIA_TYPES, read_projects

MAX_FEEDS = 20
"""How many calendar feeds a user may have."""

REFRESH_AFTER = timedelta(minutes=5)
"""How often a program should read a calendar."""

_VERSION_LENGTH = 32


class CalendarFeedNotFoundError(NotFoundError):
    """The calendar feed does not exist, was revoked, or belongs to another user."""

    code = "calendar_feed_not_found"
    detail = "The calendar feed does not exist."


class TooManyCalendarFeedsError(ConflictError):
    """The user has as many calendar feeds as are allowed."""

    code = "too_many_calendar_feeds"
    detail = f"There are {MAX_FEEDS} calendar feeds already: revoke one first."


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """A calendar to send.

    `version` is that of the entries before `contents` are read, so `contents` may be newer, but never older.
    """

    version: str
    media_type: str
    contents: Chunks


class CalendarFeedService:
    """The calendar feeds of the acting user, and their calendars for anybody who has a secret."""

    def __init__(self) -> None:
        self._cache = CalendarCache()

    async def create(
        self, user: ActingUser, *, new: CalendarFeedCreate, api_url: str, request_key: RequestKey | None
    ) -> Versioned:
        """Create a feed. Return it with its URL, which begins with `api_url` and cannot be read again.

        Raises ValidationError or TooManyCalendarFeedsError.
        """

        async def run_attempt(attempt: Attempt) -> Versioned:
            if new.project_id not in {None, "none"}:
                await require_referenced_project(user, str(new.project_id))
            secret_hash = sha256_of(to_path_secret(attempt.secret))
            feed = CalendarFeed.new(user.id, attempt.new_id(), secret_hash=secret_hash, **new.model_dump())
            row = await add_up_to(MAX_FEEDS, feed, user.id, error=TooManyCalendarFeedsError)
            await audit_service.record(user.id, "calendar_feed_created", id=str(row["_id"]), name=new.name)
            return Versioned(read_calendar_feed(row), None, created=True)

        def add_secret(feed: CalendarFeedRead, secret: bytes) -> CalendarFeedCreated:
            return {**feed, "url": f"{api_url}/calendar/{to_path_secret(secret)}.ics"}

        return await run_once_with_secret(user, request_key, run_attempt, add_secret=add_secret)

    async def list_feeds(self, user: ActingUser, *, query: PageQuery) -> CalendarFeedPage:
        """Return a page of the user's feeds, newest first. Raises InvalidCursorError."""
        feeds, next_cursor = await newest_first_page(CalendarFeed, user.id, query, list_name="calendar feeds")
        return {"items": [read_calendar_feed(feed) for feed in feeds], "next_cursor": next_cursor}

    async def revoke(self, user: ActingUser, *, feed_id: str) -> None:
        """Delete the feed, so that its calendar cannot be read any more. Raises CalendarFeedNotFoundError."""
        if not await CalendarFeed.delete_by_id(user.id, require_object_id(feed_id, CalendarFeedNotFoundError)):
            raise CalendarFeedNotFoundError
        await audit_service.record(user.id, "calendar_feed_revoked", id=feed_id)

    async def read(self, *, secret: str) -> CalendarFile:
        """Return the calendar of the feed with this secret.

        Raises CalendarFeedNotFoundError also when the user is disabled or being deleted.
        """
        found = await find_public(CalendarFeed, secret)
        if found is None:
            raise CalendarFeedNotFoundError
        feed, owner = found
        calendar = await _Calendar.open(feed, ZoneInfo(owner["timezone"]))
        version = await calendar.read_version()
        contents = self._cache.read(feed["_id"], version) or self._cache.store(feed["_id"], version, calendar.write())
        return CalendarFile(version, MEDIA_TYPES["ics"], contents)


@dataclass(frozen=True, slots=True)
class _Calendar:
    """The calendar of a feed at a time."""

    feed: Row
    user_id: ObjectId
    entry_filter: EntryFilter
    context: ExportContext

    @classmethod
    async def open(cls, feed: Row, zone: ZoneInfo) -> "_Calendar":
        """Read what the version and the contents of a calendar need."""
        now = truncate_to_seconds(utc_now())
        entry_filter = _entry_filter(feed, now, zone)
        projects = await read_projects(feed["user_id"])
        return cls(feed, feed["user_id"], entry_filter, ExportContext(zone, naive_utc(now), projects))

    async def read_version(self) -> str:
        """Return a hash that changes with each change of the contents, without reading the entries.

        While a timer runs in the feed, it also changes every minute.
        """
        versions, running = await asyncio.gather(
            find_task_versions(self.user_id, self.entry_filter), self._read_running()
        )
        projects = sorted((str(row["_id"]), row["name"]) for row in self.context.projects.values())
        return _hash([repr((self.entry_filter.since, projects, running)).encode(), *versions])

    async def _read_running(self) -> str | None:
        """Return the running timer with the current minute, if the feed includes one now."""
        if not self.feed["include_running"]:
            return None
        row = await find_running_entry(self.user_id, self.entry_filter, now=self.context.now)
        return None if row is None else f"{row} {self.context.now:%Y-%m-%dT%H:%M}"

    async def write(self) -> Chunks:
        """Yield the parts of the calendar."""
        running: bool = self.feed["include_running"]
        entries = stream_entries(self.user_id, self.entry_filter, now=self.context.now, running=running)
        file = write_ics(entries, self.context, name=self.feed["name"], refresh_after=REFRESH_AFTER)
        async with aclosing(entries), aclosing(file) as chunks:
            async for chunk in chunks:
                yield chunk


def first_instant(now: datetime, days_back: int, zone: ZoneInfo) -> datetime:
    """Return the first instant of the local day that is this many days before today; aware, in UTC."""
    return start_of_day(now.astimezone(zone).date() - timedelta(days=days_back), zone)


def _entry_filter(feed: Row, now: datetime, zone: ZoneInfo) -> EntryFilter:
    """Return the filter of the feed's entries. The range has no end: entries can lie up to 24 hours ahead.

    Raises CalendarFeedNotFoundError if the stored project_id is invalid: without it, other entries would be selected.
    """
    project_id = feed["project_id"]
    is_id = project_id not in {None, "none"}
    return EntryFilter(
        since=naive_utc(first_instant(now, feed["days_back"], zone)),
        project_id=require_object_id(project_id, CalendarFeedNotFoundError) if is_id else project_id,
        tags=() if feed["tag"] is None else (feed["tag"],),
        billable=feed["billable"],
    )


def _hash(parts: Iterable[bytes]) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.hexdigest()[:_VERSION_LENGTH]


calendar_feed_service = CalendarFeedService()
