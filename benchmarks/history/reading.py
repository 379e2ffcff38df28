"""Measure how the cost of a list depends on the length of the history: `python -m benchmarks.history.reading`.

Users with the same week of entries, but different numbers of older ones, list that week in turns. Other users, with
different numbers of entries in the same five years, list all years: the newest 50 entries, and the newest 50 that are
older than a year. The CPU time of the service process and the response time, which is mostly that of the store, are
medians of the turns. Ratios are relative to the user with the fewest entries, within each turn.
"""

import asyncio
import secrets
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

from pymongo import MongoClient

from benchmarks.harness import seeding
from benchmarks.harness.client import SETTLE_SECONDS, Call, Connection, exit_code, send_all
from benchmarks.harness.processes import Service, free_port, running, store
from benchmarks.load import API, COMMANDS, SERVICE, settings_for

ENTRIES = (1_000, 10_000, 100_000)
TURNS = 12
REQUESTS = 4


@dataclass(slots=True)
class Reader:
    """A user, the list that is requested, and its costs in seconds per request."""

    name: str
    entries: int
    call: Call
    cpu: list[float] = field(default_factory=list)
    time: list[float] = field(default_factory=list)


def readers_on(database_url: str, name: str, secret: str) -> list[Reader]:
    """Insert the users and their entries."""
    since = f"{datetime.now(UTC) - timedelta(days=seeding.DAYS + 1):%Y-%m-%dT%H:%M:%SZ}"
    year_ago = f"{datetime.now(UTC) - timedelta(days=365):%Y-%m-%dT%H:%M:%SZ}"
    lists = f"{API}/time-entries"
    readers = []
    with MongoClient[seeding.Document](database_url) as client:
        database = client[name]
        accounts = iter(seeding.insert_accounts(database, secret))
        for entries in ENTRIES:
            print(f"inserting twice {entries:,} entries", file=sys.stderr, flush=True)
            account, other = next(accounts), next(accounts)
            seeding.with_history(database, account, entries)
            seeding.with_years(database, other, entries)
            readers += [
                Reader("a week", entries, Call("GET", f"{lists}?from={since}&limit=200", account.token)),
                Reader("all years", entries, Call("GET", f"{lists}?from=1970-01-01&to=9998-12-31", other.token)),
                Reader("until a year ago", entries, Call("GET", f"{lists}?from=1970-01-01&to={year_ago}", other.token)),
            ]
    return readers


async def take_turns(service: Service, readers: list[Reader]) -> None:
    """Measure each user in turn. The first turn only warms up."""
    async with Connection(service.port) as connection:
        for turn in range(TURNS + 1):
            for reader in readers:
                cpu, time = service.cpu_seconds(), perf_counter()
                await send_all([connection], [reader.call] * REQUESTS)
                took = perf_counter() - time
                await asyncio.sleep(SETTLE_SECONDS)  # work after the last response counts
                if turn:
                    reader.time.append(took / REQUESTS)
                    reader.cpu.append((service.cpu_seconds() - cpu) / REQUESTS)


def ratio(costs: list[float], least: list[float]) -> float:
    """Return the median of the ratios to `least` within each turn."""
    return median(own / others for own, others in zip(costs, least, strict=True))


def print_table(readers: list[Reader]) -> None:
    """Print the table of results."""
    print(f"\n{'list':<18}{'entries':>10}{'CPU ms':>10}{'ratio':>8}{'time ms':>10}{'ratio':>8}")
    for reader in sorted(readers, key=lambda reader: (reader.name, reader.entries)):
        least = next(other for other in readers if other.name == reader.name)
        print(
            f"{reader.name:<18}{reader.entries:>10,}{median(reader.cpu) * 1000:>10.2f}"
            f"{ratio(reader.cpu, least.cpu):>8.2f}{median(reader.time) * 1000:>10.2f}"
            f"{ratio(reader.time, least.time):>8.2f}"
        )


def run() -> None:
    """Start the store and the service, measure, and print the table."""
    secret, port = secrets.token_hex(32), free_port()
    with store() as (url, folder), ExitStack() as stack:
        settings = settings_for(url, SERVICE, secret)
        service = stack.enter_context(running(SERVICE, COMMANDS[SERVICE], settings, port, folder))
        readers = readers_on(url, settings["DATABASE_NAME"], secret)
        asyncio.run(take_turns(service, readers))
    print_table(readers)


if __name__ == "__main__":
    sys.exit(exit_code(run))
