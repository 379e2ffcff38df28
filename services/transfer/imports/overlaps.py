"""The rows of a file beside the time that is tracked already, and beside each other."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from bson import ObjectId

from app.clock import naive_utc, rfc3339, truncate_to_seconds, utc_now
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row
from documents.tracking.queries.overlap import MAX_OVERLAPS
from documents.tracking.tasks import Task
from documents.transfer.import_queries import time_within
from services.common.acting_user import ActingUser
from services.common.intervals import Interval
from services.common.offload import run_in_thread
from services.tracking.schemas.overlaps import OverlapRead, read_overlap
from services.transfer.import_formats.results import ImportedRow, RowMessage
from services.transfer.imports.plan import PlannedEntry


@dataclass(frozen=True, slots=True)
class Latest:
    """The row of the file, of those before, whose time ends last."""

    ended_at: datetime
    number: int


@dataclass(slots=True)
class Checked:
    """What is to be written of a part of the rows, once their time has been looked at."""

    entries: list[PlannedEntry] = field(default_factory=list)
    doubtful: set[int] = field(default_factory=set)
    """The numbers of the rows that overlap others."""
    errors: list[RowMessage] = field(default_factory=list)
    overlaps: list[OverlapRead] = field(default_factory=list)
    latest: Latest | None = None


async def checked(
    user: ActingUser,
    planned: list[PlannedEntry],
    policy: OverlapPolicy,
    *,
    import_id: ObjectId | None,
    latest: Latest | None,
) -> Checked:
    """What may be written of these rows, which come by their start, and what is to be said of the others.

    `latest` is of the rows before them. What this import has written itself is known from there; what
    an earlier try of it has written is time like any other, but is not listed.
    """
    if policy == "allow":
        return Checked(entries=planned)
    rows = [entry.row for entry in planned]
    since, until = min(row.started_at for row in rows), max(row.ended_at for row in rows)
    standing = await time_within(user.id, naive_utc(since), naive_utc(until))
    running = await Task.find_running(user.id)
    if running is not None:
        standing.append({**running["active"], "task_id": running["_id"], "running": True})
    looked = _Looking(standing, import_id)
    found = Checked(latest=latest)

    def judge() -> None:
        for entry in planned:
            _judge(entry, looked.beside(entry.row), policy, found)

    await run_in_thread(judge)
    return found


def _judge(entry: PlannedEntry, beside: tuple[list[Row], list[Row]], policy: OverlapPolicy, found: Checked) -> None:
    """Lets a row through, or not."""
    row, (others, own) = entry.row, beside
    before = found.latest if _shares(row, found.latest) else None
    if policy == "forbid" and (others or own or before):
        found.errors.append(RowMessage(row.number, None, _says(others or own, before)))
        return
    if others or own or before:
        found.doubtful.add(row.number)
        span = Interval(row.started_at, row.ended_at)
        listed = others[: MAX_OVERLAPS - len(found.overlaps)]
        found.overlaps += [read_overlap(str(other["task_id"]), other, span) for other in listed]
    found.entries.append(entry)
    if row.ended_at > row.started_at and (found.latest is None or row.ended_at > found.latest.ended_at):
        found.latest = Latest(row.ended_at, row.number)


def _shares(row: ImportedRow, latest: Latest | None) -> bool:
    return latest is not None and row.started_at < latest.ended_at and row.started_at < row.ended_at


def _says(standing: list[Row], before: Latest | None) -> str:
    if not standing and before is not None:
        return f"overlaps row {before.number:,} of the file"
    start = rfc3339(standing[0]["started_at"])
    if "running" in standing[0]:
        return f"overlaps the running timer, which started at {start}"
    return f"overlaps time that is tracked already, from {start} to {rfc3339(standing[0]['ended_at'])}"


class _Looking:
    """Goes along the time that is tracked, as the rows do, and so meets each entry of it once or little more."""

    def __init__(self, standing: list[Row], import_id: ObjectId | None) -> None:
        self._standing = sorted(standing, key=lambda entry: entry["started_at"])
        self._import_id = import_id
        self._next = 0
        self._open: list[Row] = []
        self._now = naive_utc(truncate_to_seconds(utc_now()))

    def beside(self, row: ImportedRow) -> tuple[list[Row], list[Row]]:
        """The first entries that share a part of the row's time: those of others, and those of this very import."""
        since, until = naive_utc(row.started_at), naive_utc(row.ended_at)
        if since == until:
            return [], []
        self._open = [entry for entry in self._open if self._end(entry) > since]
        while self._next < len(self._standing) and self._standing[self._next]["started_at"] < until:
            self._open.append(self._standing[self._next])
            self._next += 1
        beside = [entry for entry in self._open if entry["started_at"] < until and self._end(entry) > since]
        others = (entry for entry in beside if not self._is_own(entry))
        return list(islice(others, MAX_OVERLAPS)), list(islice(filter(self._is_own, beside), 1))

    def _is_own(self, entry: Row) -> bool:
        return self._import_id is not None and entry.get("import_id") == self._import_id

    def _end(self, entry: Row) -> datetime:
        ended_at: datetime = entry["ended_at"] or self._now
        return ended_at
