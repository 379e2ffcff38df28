"""Checking the rows of a file for overlaps with existing entries and with each other."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from bson import ObjectId

from app.clock import naive_utc, rfc3339, truncate_to_seconds, utc_now
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row
from documents.tracking.queries.overlap import MAX_OVERLAPS
from documents.tracking.tasks import Task
from documents.transfer.import_queries import find_entries_in_range
from services.common.acting_user import ActingUser
from services.common.intervals import Interval
from services.common.offload import run_in_thread
from services.tracking.schemas.overlaps import OverlapRead, read_overlap
from services.transfer.import_formats.results import ImportedRow, RowMessage
from services.transfer.imports.plan import PlannedEntry


@dataclass(frozen=True, slots=True)
class LatestRow:
    """The row with the latest end, of the rows that were checked so far."""

    ended_at: datetime
    number: int


@dataclass(slots=True)
class OverlapCheck:
    """The result for a part of the rows.

    Attributes:
        entries: The entries to write.
        overlapping: The numbers of the rows among them that overlap other time.
        errors: An error for each row that the policy forbids.
        overlaps: The existing entries that rows overlap, at most MAX_OVERLAPS.
    """

    entries: list[PlannedEntry] = field(default_factory=list)
    overlapping: set[int] = field(default_factory=set)
    errors: list[RowMessage] = field(default_factory=list)
    overlaps: list[OverlapRead] = field(default_factory=list)
    latest: LatestRow | None = None


async def check_overlaps(
    user: ActingUser,
    planned: list[PlannedEntry],
    policy: OverlapPolicy,
    *,
    import_id: ObjectId | None,
    latest: LatestRow | None,
) -> OverlapCheck:
    """Check these rows, which are sorted by start, under the policy of the import.

    Args:
        import_id: The current import. Entries that it has written count as overlaps but are not listed.
        latest: The latest of the rows before these.
    """
    if policy == "allow":
        return OverlapCheck(entries=planned)
    rows = [entry.row for entry in planned]
    since, until = min(row.started_at for row in rows), max(row.ended_at for row in rows)
    existing = await find_entries_in_range(user.id, naive_utc(since), naive_utc(until))
    running = await Task.find_running(user.id)
    if running is not None:
        existing.append({**running["active"], "task_id": running["_id"], "running": True})
    scan = _Scan(existing, import_id)
    check = OverlapCheck(latest=latest)

    def check_rows() -> None:
        for entry in planned:
            _check_row(entry, scan.overlaps_of(entry.row), policy, check)

    await run_in_thread(check_rows)
    return check


def _check_row(
    entry: PlannedEntry, overlaps: tuple[list[Row], list[Row]], policy: OverlapPolicy, check: OverlapCheck
) -> None:
    row, (others, own) = entry.row, overlaps
    previous = check.latest if _overlaps_row(row, check.latest) else None
    if policy == "forbid" and (others or own or previous):
        check.errors.append(RowMessage(row.number, None, _message(others or own, previous)))
        return
    if others or own or previous:
        check.overlapping.add(row.number)
        interval = Interval(row.started_at, row.ended_at)
        listed = others[: MAX_OVERLAPS - len(check.overlaps)]
        check.overlaps += [read_overlap(str(other["task_id"]), other, interval) for other in listed]
    check.entries.append(entry)
    if row.ended_at > row.started_at and (check.latest is None or row.ended_at > check.latest.ended_at):
        check.latest = LatestRow(row.ended_at, row.number)


def _overlaps_row(row: ImportedRow, latest: LatestRow | None) -> bool:
    return latest is not None and row.started_at < latest.ended_at and row.started_at < row.ended_at


def _message(existing: list[Row], previous: LatestRow | None) -> str:
    if not existing and previous is not None:
        return f"overlaps row {previous.number:,} of the file"
    start = rfc3339(existing[0]["started_at"])
    if "running" in existing[0]:
        return f"overlaps the running timer, which started at {start}"
    return f"overlaps an existing entry from {start} to {rfc3339(existing[0]['ended_at'])}"


class _Scan:
    """A sweep over the existing entries in the order of the rows: it visits each entry about once."""

    def __init__(self, existing: list[Row], import_id: ObjectId | None) -> None:
        self._existing = sorted(existing, key=lambda entry: entry["started_at"])
        self._import_id = import_id
        self._next = 0
        self._open: list[Row] = []
        self._now = naive_utc(truncate_to_seconds(utc_now()))

    def overlaps_of(self, row: ImportedRow) -> tuple[list[Row], list[Row]]:
        """Return the first entries that overlap the row: those of others, and one of this import."""
        since, until = naive_utc(row.started_at), naive_utc(row.ended_at)
        if since == until:
            return [], []
        self._open = [entry for entry in self._open if self._end(entry) > since]
        while self._next < len(self._existing) and self._existing[self._next]["started_at"] < until:
            self._open.append(self._existing[self._next])
            self._next += 1
        overlaps = [entry for entry in self._open if entry["started_at"] < until and self._end(entry) > since]
        others = (entry for entry in overlaps if not self._is_own(entry))
        return list(islice(others, MAX_OVERLAPS)), list(islice(filter(self._is_own, overlaps), 1))

    def _is_own(self, entry: Row) -> bool:
        return self._import_id is not None and entry.get("import_id") == self._import_id

    def _end(self, entry: Row) -> datetime:
        ended_at: datetime = entry["ended_at"] or self._now
        return ended_at
