"""Write time entries as a calendar (RFC 5545), with one event for each entry.

icalendar is imported when the first calendar is written, in a thread. It takes 3 MiB in each process.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from app.clock import aware_utc
from services.common.offload import run_in_thread
from services.transfer.export_formats.context import Batches, Chunks, ExportContext, Row, all_tags

if TYPE_CHECKING:
    from icalendar import Event

_END = b"END:VCALENDAR\r\n"
_SECOND = timedelta(seconds=1)

_WITHOUT_CONTROLS = dict.fromkeys({*range(0x20), 0x7F} - set(map(ord, "\t\r\n")))
"""Removes the control characters that a calendar must not contain (RFC 5545 section 3.1)."""


async def write_ics(
    batches: Batches, context: ExportContext, *, name: str = "Task Timer", refresh_after: timedelta | None = None
) -> Chunks:
    """Write a calendar. Entries have stable UIDs, so that a second import updates the events of the first.

    `refresh_after` is how often a program that subscribes to the calendar should read it.
    """
    header = await run_in_thread(partial(_header, name, refresh_after))
    async for batch in batches:
        yield header + await run_in_thread(partial(_events, batch, context))
        header = b""
    yield _END


def _header(name: str, refresh_after: timedelta | None) -> bytes:
    from icalendar import Calendar, vDuration, vText  # noqa: PLC0415 - see above

    calendar = Calendar()
    calendar.add("prodid", "-//Task Timer//Task Timer//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    # Given as vText, because icalendar escapes only the properties of RFC 5545, and NAME is one of RFC 7986.
    calendar.add("name", vText(name))
    calendar.add("x-wr-calname", vText(name))  # most programs read this instead of NAME
    if refresh_after is not None:
        calendar.add("refresh-interval", vDuration(refresh_after), parameters={"VALUE": "DURATION"})  # RFC 7986
        calendar.add("x-published-ttl", vDuration(refresh_after))  # what Outlook reads instead
    content: bytes = calendar.to_ical()
    return content.removesuffix(_END)


def _events(batch: list[Row], context: ExportContext) -> bytes:
    return b"".join([_event(row, context).to_ical() for row in batch])


def _event(row: Row, context: ExportContext) -> "Event":
    from icalendar import Event  # noqa: PLC0415 - see above

    entry, event = row["entry"], Event()
    started_at, ended_at = entry["started_at"], entry["ended_at"] or context.now
    event.add("uid", f"{entry['id']}{_part_suffix(entry)}@task-timer")
    event.add("dtstart", aware_utc(started_at))
    # The end must be later than the start (RFC 5545 section 3.8.2.2); programs ignore events without an end.
    event.add("dtend", aware_utc(max(ended_at, started_at + _SECOND)))
    event.add("summary", _clean(row["title"]))
    if entry["note"]:
        event.add("description", _clean(entry["note"]))
    project, _ = context.project_of(row)
    categories = [*all_tags(row), *([project] if project else [])]
    if categories:
        event.add("categories", [_clean(category) for category in categories])
    _add_history(event, entry["created_at"], entry["updated_at"])
    return event


def _part_suffix(entry: Row) -> str:
    """Return the part of the UID that distinguishes a cut entry from its other parts, in other files."""
    return f"-{entry['started_at']:%Y%m%dT%H%M%SZ}" if entry.get("is_cut") else ""


def _clean(text: str) -> str:
    return text.translate(_WITHOUT_CONTROLS)


def _add_history(event: "Event", created_at: datetime, updated_at: datetime) -> None:
    event.add("created", aware_utc(created_at))
    event.add("last-modified", aware_utc(updated_at))
    event.add("dtstamp", aware_utc(updated_at))  # the same as last-modified in a file (section 3.8.7.2)
