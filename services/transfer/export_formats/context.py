"""What all formats say of a time entry: the parts that do not stand in it."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.clock import aware_utc

Row = dict[str, Any]
"""An entry beside what is said of its task, as documents/transfer/export_queries.py reads it."""

Batches = AsyncGenerator[list[Row], None]
Chunks = AsyncGenerator[bytes, None]

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
"""Of a table, whatever its format."""

_SECOND = timedelta(seconds=1)
_IN_NEED_OF_QUOTES = frozenset(',;"\n\r')


@dataclass(frozen=True, slots=True)
class ExportContext:
    """What the entries do not say: the zone of their days, the projects by their ids, and what is now (stored)."""

    zone: ZoneInfo
    now: datetime
    projects: Mapping[ObjectId | None, Row]

    def local(self, instant: datetime) -> datetime:
        """A stored instant as the clocks there show it, with its offset."""
        return aware_utc(instant).astimezone(self.zone)

    def project_of(self, row: Row) -> tuple[str | None, str | None]:
        """The names of the project and of its client. A project that is being deleted is none."""
        project = self.projects.get(row["project_id"])
        return (None, None) if project is None else (project["name"], project["client_name"])

    def seconds_of(self, entry: Row) -> int:
        """How long the entry is; up to now while it runs."""
        seconds: int | None = entry["duration_seconds"]
        return max((self.now - entry["started_at"]) // _SECOND, 0) if seconds is None else seconds


def all_tags(row: Row) -> list[str]:
    """The entry's own tags and then its task's, each once."""
    return list(dict.fromkeys([*row["entry"]["tags"], *row["tags"]]))


def join_tags(row: Row) -> str:
    """All tags with commas between them, those quoted as in a CSV file that are not plain words."""
    return ", ".join(_quoted(tag) if _IN_NEED_OF_QUOTES & set(tag) else tag for tag in all_tags(row))


def _quoted(tag: str) -> str:
    doubled = '""'.join(tag.split('"'))
    return f'"{doubled}"'
