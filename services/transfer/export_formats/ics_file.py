"""Time entries as a calendar (RFC 5545), one event an entry."""

from datetime import datetime, timedelta
from functools import partial

from icalendar import Calendar, Event

from app.clock import aware_utc
from services.common.offload import run_in_thread
from services.transfer.export_formats.context import Batches, Chunks, ExportContext, Row, all_tags

_END = b"END:VCALENDAR\r\n"
_SECOND = timedelta(seconds=1)

_CONTROLS = dict.fromkeys({*range(0x20), 0x7F} - set(map(ord, "\t\r\n")))
"""What no line of a calendar may hold (RFC 5545 section 3.1), each as nothing; line breaks are escaped."""


async def write_ics(batches: Batches, about: ExportContext, *, name: str = "Task Timer") -> Chunks:
    """A calendar that may be taken in again and again: an entry keeps its UID."""
    head = _head(name)
    async for batch in batches:
        yield head + await run_in_thread(partial(_events, batch, about))
        head = b""
    yield _END


def _head(name: str) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Task Timer//Task Timer//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)  # what most programs look for in place of NAME
    empty: bytes = calendar.to_ical()
    return empty.removesuffix(_END)


def _events(batch: list[Row], about: ExportContext) -> bytes:
    return b"".join([_event(row, about).to_ical() for row in batch])


def _event(row: Row, about: ExportContext) -> Event:
    entry, event = row["entry"], Event()
    started_at, ended_at = entry["started_at"], entry["ended_at"] or about.now
    event.add("uid", f"{entry['id']}{_part(entry)}@task-timer")
    event.add("dtstart", aware_utc(started_at))
    # An end must be later than the start (RFC 5545 section 3.8.2.2), and programs leave out what has none.
    event.add("dtend", aware_utc(max(ended_at, started_at + _SECOND)))
    event.add("summary", _text(row["title"]))
    if entry["note"]:
        event.add("description", _text(entry["note"]))
    project, _ = about.project_of(row)
    categories = [*all_tags(row), *([project] if project else [])]
    if categories:
        event.add("categories", [_text(category) for category in categories])
    _add_history(event, entry["created_at"], entry["updated_at"])
    return event


def _part(entry: Row) -> str:
    """What tells the part of an entry that was cut from its other parts, in other files."""
    return f"-{entry['started_at']:%Y%m%dT%H%M%SZ}" if entry.get("is_cut") else ""


def _text(text: str) -> str:
    return text.translate(_CONTROLS)


def _add_history(event: Event, created_at: datetime, updated_at: datetime) -> None:
    event.add("created", aware_utc(created_at))
    event.add("last-modified", aware_utc(updated_at))
    event.add("dtstamp", aware_utc(updated_at))  # it says the same in a file that is no message (section 3.8.7.2)
