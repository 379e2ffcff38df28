"""Exports: files that are made while they are sent, and never held as a whole."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal
from zoneinfo import ZoneInfo

from app.clock import naive_utc, rfc3339, truncate_to_seconds, utc_now
from app.errors import AuthenticationError
from documents.accounts.users import User
from documents.transfer.export_queries import deleted_entries_of, entries_in_order, projects_of, tasks_of
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser
from services.tracking.rules.ranges import TimeRange, build_entry_filter, parse_time_range
from services.transfer.export_formats.account_file import write_account_file
from services.transfer.export_formats.context import Batches, Chunks, ExportContext
from services.transfer.export_formats.csv_file import CsvDialect, write_csv
from services.transfer.export_formats.cut import cut_to_range
from services.transfer.export_formats.ics_file import write_ics
from services.transfer.export_formats.ndjson_file import write_ndjson
from services.transfer.export_formats.xlsx_file import write_xlsx
from services.transfer.schemas.exports import ExportQuery

EntryFormat = Literal["csv", "xlsx", "ndjson", "ics"]
Writer = Callable[[Batches, ExportContext], Chunks]

MEDIA_TYPES: dict[EntryFormat, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ndjson": "application/x-ndjson",
    "ics": "text/calendar; charset=utf-8",
}
_WRITERS: dict[EntryFormat, Writer] = {"csv": write_csv, "xlsx": write_xlsx, "ndjson": write_ndjson, "ics": write_ics}


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file: its name, what it is, and its contents, which nothing is read for before they are asked for."""

    name: str
    media_type: str
    contents: AsyncGenerator[bytes, None]


class ExportService:
    """The acting user's own data as files. Their contents end early by raising, never as if they were whole."""

    def entries(
        self, user: ActingUser, *, query: ExportQuery, form: EntryFormat, csv_form: CsvDialect | None = None
    ) -> ExportFile:
        """The entries that share a part of [from, to), whole or cut, oldest start first. Raises ValidationError."""
        asked = parse_time_range(user, query)
        write = _WRITERS[form] if csv_form is None else partial(write_csv, dialect=csv_form)
        contents = _contents(user, asked, query, write, form)
        return ExportFile(f"task-timer-{_days(asked)}.{form}", MEDIA_TYPES[form], contents)

    def account(self, user: ActingUser) -> ExportFile:
        """All that is the user's and can be read in again: services/transfer/schemas/account_file.py has its lines."""
        now = utc_now()
        name = f"task-timer-account-{now.astimezone(ZoneInfo(user.timezone)).date().isoformat()}.ndjson.gz"
        return ExportFile(name, "application/gzip", _whole_account(user, now))


async def _whole_account(user: ActingUser, now: datetime) -> Chunks:
    row = await User.find_by_id(user.id)
    if row is None:
        raise AuthenticationError
    await audit_service.record(user.id, "exported", format="account")
    projects, tasks, deleted_entries = projects_of(user.id), tasks_of(user.id), deleted_entries_of(user.id)
    file = write_account_file(row, projects=projects, tasks=tasks, deleted_entries=deleted_entries, now=now)
    async with aclosing(file) as pieces:
        async for piece in pieces:
            yield piece


async def _contents(user: ActingUser, asked: TimeRange, query: ExportQuery, write: Writer, form: EntryFormat) -> Chunks:
    said = {"from": rfc3339(asked.since), "to": rfc3339(asked.until)}
    await audit_service.record(user.id, "exported", format=form, **said)
    wanted, running = build_entry_filter(query, asked), query.include_running
    now = naive_utc(truncate_to_seconds(utc_now()))
    async with aclosing(projects_of(user.id)) as batches:
        projects = {project["_id"]: project async for batch in batches for project in batch}
    found = entries_in_order(user.id, wanted, now=now, running=running)
    if query.cut:
        found = cut_to_range(
            found,
            since=naive_utc(truncate_to_seconds(asked.since)),
            until=naive_utc(truncate_to_seconds(asked.until)),
            now=now,
        )
    async with aclosing(found), aclosing(write(found, ExportContext(asked.zone, now, projects))) as pieces:
        async for piece in pieces:
            yield piece


def _days(asked: TimeRange) -> str:
    return "--".join(_day(instant, asked) for instant in (asked.since, asked.until))


def _day(instant: datetime, asked: TimeRange) -> str:
    return instant.astimezone(asked.zone).date().isoformat()


export_service = ExportService()
