"""Cut entries at the ends of a time range, so that the exports of two months add up to the export of both."""

from collections.abc import Iterator
from contextlib import aclosing
from datetime import datetime

from services.common.intervals import seconds_between
from services.transfer.export_formats.context import Batches, Row


async def cut_to_range(batches: Batches, *, since: datetime, until: datetime, now: datetime) -> Batches:
    """Yield the parts of the entries in [since, until). All instants are stored ones (naive UTC).

    An entry of zero length is unchanged. A running entry that continues after `until` ends there.
    """
    async with aclosing(batches):
        async for batch in batches:
            yield list(_cut(batch, since, until, now))


def _cut(batch: list[Row], since: datetime, until: datetime, now: datetime) -> Iterator[Row]:
    for row in batch:
        entry = row["entry"]
        started_at, ended_at = entry["started_at"], entry["ended_at"]
        end_or_now = now if ended_at is None else ended_at
        if started_at >= since and end_or_now <= until:
            yield row
            continue
        start, end = max(started_at, since), min(end_or_now, until)
        if start >= end:
            continue
        is_running = ended_at is None and end_or_now <= until
        part = {
            "started_at": start,
            "ended_at": None if is_running else end,
            "duration_seconds": None if is_running else seconds_between(start, end),
            "is_cut": True,
        }
        yield {**row, "entry": {**entry, **part}}
