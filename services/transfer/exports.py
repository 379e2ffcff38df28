"""Exports: files that are created while they are sent, or a worksheet on disk before, so that memory use stays low."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.clock import naive_utc, rfc3339, truncate_to_seconds, utc_now
from app.errors import AuthenticationError
from documents.accounts.users import User
from documents.transfer.entry_stream import stream_entries
from documents.transfer.export_queries import stream_deleted_entries, stream_projects
from documents.transfer.task_export import stream_tasks
from services.accounts.audit import audit_service
from services.common.acting_user import ActingUser
from services.tracking.rules.ranges import TimeRange, build_entry_filter, parse_time_range
from services.transfer.export_formats.context import Batches, Chunks, ExportContext, Row
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
    """A file to send. Iterating over `contents` runs the queries."""

    name: str
    media_type: str
    contents: AsyncGenerator[bytes, None]


class ExportService:
    """Files of the acting user's data. If an error occurs, the iteration over their contents raises it."""

    def export_entries(
        self,
        user: ActingUser,
        *,
        query: ExportQuery,
        format: EntryFormat,  # noqa: A002 -- the name that users know
        dialect: CsvDialect | None = None,
    ) -> ExportFile:
        """Export the entries that overlap [from, to), oldest start first. Raises ValidationError."""
        time_range = parse_time_range(user, query)
        write = _WRITERS[format] if dialect is None else partial(write_csv, dialect=dialect)
        contents = _export_entries(user, time_range, query, write, format)
        return ExportFile(f"task-timer-{_dates(time_range)}.{format}", MEDIA_TYPES[format], contents)

    def export_account(self, user: ActingUser) -> ExportFile:
        """Export the whole account. services/transfer/schemas/account_file.py describes the file."""
        now = utc_now()
        name = f"task-timer-account-{now.astimezone(ZoneInfo(user.timezone)).date().isoformat()}.ndjson.gz"
        return ExportFile(name, "application/gzip", _export_account(user, now))


async def read_projects(user_id: ObjectId) -> dict[ObjectId | None, Row]:
    """Return the user's projects by id, for an ExportContext."""
    async with aclosing(stream_projects(user_id)) as batches:
        return {project["_id"]: project async for batch in batches for project in batch}


async def _export_account(user: ActingUser, now: datetime) -> Chunks:
    # The schemas of account files take memory in each process that has imported them.
    from services.transfer.export_formats.account_file import write_account_file  # noqa: PLC0415

    row = await User.find_by_id(user.id)
    if row is None:
        raise AuthenticationError
    await audit_service.record(user.id, "exported", format="account")
    projects, tasks, deleted_entries = stream_projects(user.id), stream_tasks(user.id), stream_deleted_entries(user.id)
    file = write_account_file(row, projects=projects, tasks=tasks, deleted_entries=deleted_entries, now=now)
    async with aclosing(file) as chunks:
        async for chunk in chunks:
            yield chunk


async def _export_entries(
    user: ActingUser, time_range: TimeRange, query: ExportQuery, write: Writer, file_format: EntryFormat
) -> Chunks:
    detail = {"from": rfc3339(time_range.since), "to": rfc3339(time_range.until)}
    await audit_service.record(user.id, "exported", format=file_format, **detail)
    entry_filter = build_entry_filter(query, time_range)
    now = naive_utc(truncate_to_seconds(utc_now()))
    projects = await read_projects(user.id)
    entries = stream_entries(user.id, entry_filter, now=now, running=query.include_running)
    if query.cut:
        entries = cut_to_range(
            entries,
            since=naive_utc(truncate_to_seconds(time_range.since)),
            until=naive_utc(truncate_to_seconds(time_range.until)),
            now=now,
        )
    async with (
        aclosing(entries),
        aclosing(write(entries, ExportContext(time_range.zone, now, projects))) as chunks,
    ):
        async for chunk in chunks:
            yield chunk


def _dates(time_range: TimeRange) -> str:
    return "--".join(
        instant.astimezone(time_range.zone).date().isoformat() for instant in (time_range.since, time_range.until)
    )


export_service = ExportService()
