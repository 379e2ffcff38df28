"""What all export formats share: their types, the columns, and the data that is not in the entry itself."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.clock import aware_utc

Row = dict[str, Any]
"""An entry with the fields of its task, as documents/transfer/entry_stream.py reads it."""

Batches = AsyncGenerator[list[Row], None]
Chunks = AsyncGenerator[bytes, None]
"""The parts of a file, as they are sent."""

COLUMNS = (
    "entry_id",
    "task_id",
    "project",
    "client",
    "task",
    "note",
    "tags",
    "billable",
    "start",
    "end",
    "timezone",
    "duration_seconds",
    "duration_hours",
    "hourly_rate",
    "currency",
    "source",
    "status",
)
"""The columns of the CSV export."""

_SECOND = timedelta(seconds=1)
_QUOTED_CHARACTERS = frozenset(',;"\n\r')


@dataclass(frozen=True, slots=True)
class ExportContext:
    """What an export needs besides the entries.

    Attributes:
        zone: The time zone of local times.
        now: The current time as a stored instant (naive UTC).
        projects: The user's projects by id.
    """

    zone: ZoneInfo
    now: datetime
    projects: Mapping[ObjectId | None, Row]

    def local(self, instant: datetime) -> datetime:
        """Return a stored instant as aware local time."""
        return aware_utc(instant).astimezone(self.zone)

    def project_of(self, row: Row) -> tuple[str | None, str | None]:
        """Return the names of the project and of its client; both None without a project, or if it is being deleted."""
        project = self.projects.get(row["project_id"])
        return (None, None) if project is None else (project["name"], project["client_name"])

    def seconds_of(self, entry: Row) -> int:
        """Return the duration of the entry; until now for a running one."""
        seconds: int | None = entry["duration_seconds"]
        return max((self.now - entry["started_at"]) // _SECOND, 0) if seconds is None else seconds


def all_tags(row: Row) -> list[str]:
    """Return the tags of the entry and then those of its task, without repeats."""
    return list(dict.fromkeys([*row["entry"]["tags"], *row["tags"]]))


def join_tags(row: Row) -> str:
    """Return all tags in one cell, separated by commas. Tags with a separator or a quotation mark are quoted."""
    return ", ".join(_quote(tag) if _QUOTED_CHARACTERS & set(tag) else tag for tag in all_tags(row))


def _quote(tag: str) -> str:
    doubled = '""'.join(tag.split('"'))
    return f'"{doubled}"'
