"""Entries cut at the ends of a time, so that the files of two months add up to that of both."""

from collections.abc import Iterator
from contextlib import aclosing
from datetime import datetime

from services.common.intervals import seconds_between
from services.transfer.export_formats.context import Batches, Row


async def cut_to_range(batches: Batches, *, since: datetime, until: datetime, now: datetime) -> Batches:
    """The parts of the entries in [since, until); all instants are stored ones.

    An entry of no time stays whole. A running one that goes on after `until` ends there.
    """
    async with aclosing(batches):
        async for batch in batches:
            yield list(_parts(batch, since, until, now))


def _parts(batch: list[Row], since: datetime, until: datetime, now: datetime) -> Iterator[Row]:
    for row in batch:
        entry = row["entry"]
        started_at, ended_at = entry["started_at"], entry["ended_at"]
        last = now if ended_at is None else ended_at
        if started_at >= since and last <= until:
            yield row
            continue
        start, end = max(started_at, since), min(last, until)
        if start >= end:
            continue
        is_running = ended_at is None and last <= until
        part = {
            "started_at": start,
            "ended_at": None if is_running else end,
            "duration_seconds": None if is_running else seconds_between(start, end),
            "is_cut": True,
        }
        yield {**row, "entry": {**entry, **part}}
